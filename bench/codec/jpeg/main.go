// Command jpeg compares the decoders of the DCT processes side by side in one run: ours, DCMTK's
// (peers/dcmtk.cc, needs libdcmtk-dev and a C++ compiler) and libjpeg-turbo's (peers/turbo.py, needs imagecodecs in
// the Python that -python names). Each decodes the same frames of the corpus in its own process,
// without colour conversion; the least CPU time of many rounds counts.
//
//	go run ./bench/codec/jpeg -shared ../shared -python venv/bin/python
package main

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	stdjpeg "image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpeg"
	"github.com/aurelius-imaging/aurelius/dicom/codec/ycc"
)

// files of the corpus, of which the first frame is decoded.
var files = []struct{ name, path string }{
	{"CT 8 bit 512x512", "syntaxes/ct-all/jpeg-baseline.dcm"},
	{"XA 8 bit 512x512", "multiframe/xa-96-jpeg.dcm"},
	{"CR 8 bit 2010x2446", "syntaxes/colour/monochrome1-jpeg-cr.dcm"},
	{"US 4:2:2 480x430", "multiframe/us-34-jpeg.dcm"},
	{"XC 4:2:0 600x600", "syntaxes/colour/jpeg-icon-xc.dcm"},
	{"SC 4:4:4 636x434", "syntaxes/colour/secondary-jpeg-ybr.dcm"},
	{"tile 4:2:0 256x256", "wsi/cmu1-perframe/level-0.dcm"},
	{"tile RGB 240x240", "wsi/cmu1-full/level-2220.dcm"},
	{"CT 12 bit 512x512", "syntaxes/ct-all/jpeg-extended12.dcm"},
	{"NM 12 bit 256x1024", "syntaxes/wg04/nm1-jply.dcm"},
	{"XA 12 bit 1024x1024", "syntaxes/wg04/xa1-jply.dcm"},
	{"CT 12 bit progressive", "syntaxes/ct-all/jpeg-progressive12-retired.dcm"},
}

type frame struct {
	name    string
	d       codec.Description
	encoded []byte
	decoded codec.Frame
}

func main() {
	shared := flag.String("shared", "../shared", "folder with data/MANIFEST.json")
	python := flag.String("python", "", "Python with imagecodecs")
	rounds := flag.Int("rounds", 200, "decodes of each frame")
	encode := flag.Bool("encode", false, "compare encoders of pictures: ours and image/jpeg")
	flag.Parse()
	if err := run(*shared, *python, *rounds, *encode); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(shared, python string, rounds int, encode bool) error {
	runtime.LockOSThread()
	dir, err := os.MkdirTemp("", "jpeg")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var frames []frame
	args := []string{strconv.Itoa(rounds)}
	for i, f := range files {
		fr, err := open(filepath.Join(shared, "data", f.path))
		if err != nil {
			return err
		}
		fr.name = f.name
		frames = append(frames, fr)
		path := filepath.Join(dir, strconv.Itoa(i))
		if err := os.WriteFile(path, fr.encoded, 0o600); err != nil {
			return err
		}
		bits := "8"
		switch {
		case fr.decoded.Width() == 2:
			bits = "12"
		case fr.d.SamplesPerPixel == 3:
			bits = "8c"
		}
		args = append(args, path, bits, strconv.Itoa(len(fr.decoded.Data)))
	}
	if encode {
		return pictures(frames, rounds)
	}
	decoder := jpeg.Extended()
	ours := make([]float64, len(frames))
	for i, f := range frames {
		buf := f.decoded.Data
		ours[i] = least(rounds, func() { _, _ = decoder.Decode(f.encoded, f.d, buf) })
	}
	dcmtk, err := dcmtk(dir, args)
	if err != nil {
		fmt.Println("no DCMTK:", err)
	}
	var turbo []float64
	if python != "" {
		if turbo, err = times(exec.Command(python, append([]string{"bench/codec/jpeg/peers/turbo.py"}, args...)...)); err != nil {
			return err
		}
	}
	fmt.Printf("%-24s %9s %9s %9s %9s %9s\n", "us a frame", "ours", "MB/s", "DCMTK", "turbo", "to DCMTK")
	for i, f := range frames {
		fmt.Printf("%-24s %9.0f %9.0f", f.name, ours[i]/1e3, float64(len(f.decoded.Data))/ours[i]*1e3)
		if dcmtk != nil {
			fmt.Printf(" %9.0f", dcmtk[i]/1e3)
		}
		if turbo != nil {
			fmt.Printf(" %9.0f", turbo[i]/1e3)
		}
		if dcmtk != nil {
			fmt.Printf(" %9.2f", ours[i]/dcmtk[i])
		}
		fmt.Println()
	}
	return nil
}

// pictures compares encoding: RGB or grey of 8 bits at quality 90, chroma 4:2:0, standard tables.
func pictures(frames []frame, rounds int) error {
	fmt.Printf("%-24s %9s %9s %9s %9s %9s\n", "us a picture", "ours", "bytes", "image/jpeg", "bytes", "ratio")
	for _, f := range frames {
		p := f.decoded
		if p.Width() == 2 {
			continue
		}
		var picture image.Image
		if p.SamplesPerPixel == 1 {
			p.PhotometricInterpretation = "MONOCHROME2"
			picture = &image.Gray{Pix: p.Data, Stride: p.Columns, Rect: image.Rect(0, 0, p.Columns, p.Rows)}
		} else {
			if p.PhotometricInterpretation != "RGB" {
				ycc.ToRGB(p.Data, p.Data)
				p.PhotometricInterpretation = "RGB"
			}
			rgba := image.NewRGBA(image.Rect(0, 0, p.Columns, p.Rows))
			for i := range p.Rows * p.Columns {
				copy(rgba.Pix[4*i:4*i+3], p.Data[3*i:])
				rgba.Pix[4*i+3] = 255
			}
			picture = rgba
		}
		var a []byte
		var b bytes.Buffer
		var err error
		rounds := max(rounds/5, 3)
		x := least(rounds, func() { a, err = jpeg.AppendPicture(a[:0], p, 90, jpeg.S420) })
		if err != nil {
			return err
		}
		y := least(rounds, func() { b.Reset(); _ = stdjpeg.Encode(&b, picture, &stdjpeg.Options{Quality: 90}) })
		fmt.Printf("%-24s %9.0f %9d %9.0f %9d %9.2f\n", f.name, x/1e3, len(a), y/1e3, b.Len(), x/y)
	}
	return nil
}

// open reads a file and decodes its first frame.
func open(path string) (f frame, err error) {
	m, err := codectest.Read(path)
	if err != nil {
		return f, err
	}
	if f.encoded, err = m.Frame(1); err != nil {
		return f, err
	}
	f.d = m.Description
	f.decoded, err = jpeg.Extended().Decode(f.encoded, f.d, nil)
	return f, err
}

// least returns the least CPU time of a call in nanoseconds.
func least(rounds int, f func()) float64 {
	best := 1e18
	for range rounds {
		begin := cpu()
		f()
		best = min(best, cpu()-begin)
	}
	return best
}

func cpu() float64 {
	const thread = 3 // CLOCK_THREAD_CPUTIME_ID
	var t syscall.Timespec
	_, _, _ = syscall.Syscall(syscall.SYS_CLOCK_GETTIME, thread, uintptr(unsafe.Pointer(&t)), 0)
	return float64(t.Sec)*1e9 + float64(t.Nsec)
}

func dcmtk(dir string, args []string) ([]float64, error) {
	bin := filepath.Join(dir, "dcmtk")
	build := exec.Command("g++", "-O2", "-o", bin, "bench/codec/jpeg/peers/dcmtk.cc", "-ldcmjpeg", "-lijg8", "-lijg12", "-ldcmdata", "-loflog", "-lofstd")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return times(exec.Command(bin, args...))
}

func times(cmd *exec.Cmd) (out []float64, err error) {
	cmd.Stderr = os.Stderr
	b, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	for _, line := range strings.Fields(string(b)) {
		n, err := strconv.ParseFloat(line, 64)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}
