// Command codec measures every codec of dicom/codec/all side by side with C: DCMTK's codecs
// (peers/dcmtk.cc, linked against libdcmtk) and libjpeg-turbo, CharLS, zlib and libdeflate
// through their Python bindings (peers/clib.py). All work on the same frames of the corpus in the
// same run, each in its own process and in turns; the least CPU time of one call of many counts,
// which a loaded machine does not change. `make bench-codec` runs it and writes docs/CODECS.md.
//
// A peer that cannot be built or installed is left out, and its column is empty.
package main

import (
	"flag"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/all"
)

type options struct {
	shared, dir, out string
	rounds, slice    int
}

func main() {
	var o options
	flag.StringVar(&o.shared, "shared", "../shared", "folder with data")
	flag.StringVar(&o.dir, "dir", "bench-results/codec", "where peers, frames and the result are kept")
	flag.StringVar(&o.out, "out", "", "another file for the tables")
	flag.IntVar(&o.rounds, "rounds", 5, "turns of each codec with each frame")
	flag.IntVar(&o.slice, "slice", 80, "milliseconds of CPU of a turn")
	flag.Parse()
	if err := o.run(); err != nil {
		fmt.Fprintln(os.Stderr, "codec:", err)
		os.Exit(1)
	}
}

func (o *options) run() error {
	if err := os.MkdirAll(o.dir, 0o750); err != nil {
		return err
	}
	pictures, err := readPictures(filepath.Join(o.shared, "data"), o.dir)
	if err != nil {
		return err
	}
	dcmtk, clib := startDCMTK(o.dir), startCLib(o.dir)
	defer dcmtk.stop()
	defer clib.stop()
	registry := all.Codecs()
	var rows []row
	for _, c := range cases {
		r := row{subject: c, picture: pictures[c.picture]}
		if err := r.measure(o, registry, dcmtk, clib); err != nil {
			return fmt.Errorf("%s of %s: %w", c.name, c.picture, err)
		}
		fmt.Fprintln(os.Stderr, r.decode.line("decode", r))
		fmt.Fprintln(os.Stderr, r.encode.line("encode", r))
		rows = append(rows, r)
	}
	report := render(rows, dcmtk, clib)
	paths := []string{filepath.Join(o.dir, "codec.md")}
	if o.out != "" {
		paths = append(paths, o.out)
	}
	for _, path := range paths {
		if err := os.WriteFile(path, report, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// row is what was measured of a subject.
type row struct {
	subject
	picture        picture
	size           int // of the decoded frame
	decode, encode timing
}

// timing is of one direction.
type timing struct {
	ours, dcmtk, clib time.Duration // 0: not offered
	allocations       int           // of ours, with a buffer that is large enough; the most of a turn
	allocated         int           // bytes
	sizes             [3]int        // encoded: ours, DCMTK's, the library's
	differs           []string      // peers whose decoded samples are others
}

// measure takes turns. Frames to decode are DCMTK's where it writes the syntax, ours otherwise.
func (r *row) measure(o *options, registry *codec.Registry, dcmtk, clib *peer) error {
	encoder, _ := registry.Encoder(r.syntax.UID)
	decoder, err := registry.Decoder(r.syntax.UID)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s is not registered\n", r.syntax.Name)
		return nil
	}
	d, encoded, file, err := r.encodedFrame(o.dir, encoder, dcmtk)
	if err != nil {
		return err
	}
	stream := file + ".stream"
	if err := os.WriteFile(stream, encoded, 0o644); err != nil {
		return err
	}
	f, err := decoder.Decode(encoded, d, nil)
	if err != nil {
		return err
	}
	r.size = len(f.Data)
	shape := fmt.Sprintf("%d %d %d %d", r.picture.Rows, r.picture.Columns, r.picture.SamplesPerPixel, r.picture.BitsStored)
	ms := o.slice
	sum := crc32.ChecksumIEEE(f.Data)
	for range o.rounds {
		buf := f.Data
		r.decode.ours = least(r.decode.ours, r.decode.count(ms, func() {
			if f, err = decoder.Decode(encoded, d, buf); err == nil {
				buf = f.Data
			}
		}))
		if r.onDCMTK {
			r.decode.dcmtk = least(r.decode.dcmtk, dcmtk.decode(&r.decode, sum, "decode %s %d", file, ms))
		}
		if r.library != "" {
			r.decode.clib = least(r.decode.clib, clib.decode(&r.decode, sum, "decode %s %s %s %d", r.library, stream, shape, ms))
		}
		if err != nil {
			return err
		}
	}
	if encoder == nil {
		return nil
	}
	picture, options := r.picture.Frame, codec.Options{Near: r.near}
	for range o.rounds {
		var dst []byte
		r.encode.ours = least(r.encode.ours, r.encode.count(ms, func() { dst, err = encoder.Encode(dst[:0], picture, options) }))
		r.encode.sizes[0] = len(dst)
		if r.onDCMTK {
			r.encode.dcmtk = least(r.encode.dcmtk, dcmtk.encode(&r.encode.sizes[1], "encode %s %s %s %d", r.picture.file, r.syntax.UID, r.sub(), ms))
		}
		if r.library != "" {
			r.encode.clib = least(r.encode.clib, clib.encode(&r.encode.sizes[2], "encode %s %s %s %s %s %d", r.library, r.picture.samples, shape, r.syntax.UID, r.sub(), ms))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// count runs call for some CPU time and returns the least of one run; what it allocates is of the
// runs after the first.
func (t *timing) count(ms int, call func()) time.Duration {
	call()
	best, runs := time.Duration(0), uint64(0)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for end := cpu() + time.Duration(ms)*time.Millisecond; ; {
		begin := cpu()
		call()
		now := cpu()
		best = least(best, now-begin)
		if runs++; now > end {
			break
		}
	}
	runtime.ReadMemStats(&after)
	t.allocations = max(t.allocations, int((after.Mallocs-before.Mallocs)/runs))
	t.allocated = max(t.allocated, int((after.TotalAlloc-before.TotalAlloc)/runs))
	return best
}

// least returns the smaller of the two that is not zero.
func least(a, b time.Duration) time.Duration {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// cpu returns the CPU time of this process, the garbage collector's included.
func cpu() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}
