package main

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
	"strconv"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/all"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
)

// picture is a frame to encode, also as a native file and as its samples alone.
type picture struct {
	codec.Frame
	file, samples string
}

// sources are the frames of the corpus that pictures are made of. The MG is cut to a square of
// tissue, as more than half of it is empty.
var sources = []struct {
	name, path string
	cut        int // side of a square at the right; 0: all
}{
	{"CT", "ct-series/head-108-original/054.dcm", 0},
	{"MR", "syntaxes/mr-all/explicit-le.dcm", 0},
	{"MG", "modalities/mg-sv1.dcm", 1024},
	{"US", "syntaxes/wg04/us1-unc.dcm", 0},
}

// readPictures makes the pictures: grey ones as they are, in 12 and in 8 bits.
func readPictures(data, dir string) (map[string]picture, error) {
	out := map[string]picture{}
	for _, s := range sources {
		m, err := codectest.Read(filepath.Join(data, s.path))
		if err != nil {
			return nil, err
		}
		encoded, err := m.Frame(1)
		if err != nil {
			return nil, err
		}
		decoder, err := all.Codecs().Decoder(m.Header.TransferSyntax.UID)
		if err != nil {
			return nil, err
		}
		f, err := decoder.Decode(encoded, m.Description, nil)
		if err != nil {
			return nil, err
		}
		frames := map[string]codec.Frame{s.name: f}
		if f.SamplesPerPixel == 1 {
			f = cut(f, s.cut)
			frames = map[string]codec.Frame{s.name: rescale(f, 16), s.name + " 12 bit": rescale(f, 12), s.name + " 8 bit": rescale(f, 8)}
		}
		for name, f := range frames {
			if out[name], err = keep(filepath.Join(dir, name), f); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// cut takes a square out of a frame of 16-bit samples.
func cut(f codec.Frame, side int) codec.Frame {
	if side == 0 {
		return f
	}
	out := make([]byte, 0, 2*side*side)
	for y := (f.Rows - side) / 2; len(out) < cap(out); y++ {
		out = append(out, f.Data[2*(y*f.Columns+f.Columns-side):][:2*side]...)
	}
	f.Rows, f.Columns, f.Data = side, side, out
	return f
}

// rescale makes 16-bit samples unsigned and has them fit in so many bits.
func rescale(f codec.Frame, most int) codec.Frame {
	n := len(f.Data) / 2
	at := func(i int) int {
		v := binary.LittleEndian.Uint16(f.Data[2*i:])
		if f.PixelRepresentation == 1 {
			return int(int16(v))
		}
		return int(v)
	}
	low, high := at(0), at(0)
	for i := range n {
		low, high = min(low, at(i)), max(high, at(i))
	}
	stored := bits.Len(uint(high - low))
	shift := max(stored-most, 0)
	out := make([]byte, 0, len(f.Data))
	for i := range n {
		v := (at(i) - low) >> shift
		if out = append(out, byte(v)); most > 8 {
			out = append(out, byte(v>>8))
		}
	}
	f.BitsStored = stored - shift
	if most == 8 || most == 12 {
		f.BitsStored = most
	}
	f.BitsAllocated, f.HighBit, f.PixelRepresentation, f.Data = (f.BitsStored+7)/8*8, f.BitsStored-1, 0, out
	return f
}

// keep writes a frame as native file and as samples.
func keep(path string, f codec.Frame) (picture, error) {
	path = spaceless(path)
	p := picture{f, path + ".dcm", path + ".samples"}
	if err := os.WriteFile(p.samples, f.Data, 0o644); err != nil {
		return p, err
	}
	b, err := codectest.File(dicom.ExplicitVRLittleEndian, f.Description, f.Data)
	if err != nil {
		return p, err
	}
	return p, os.WriteFile(p.file, b, 0o644)
}

func spaceless(path string) string {
	b := []byte(path)
	for i := range b {
		if b[i] == ' ' {
			b[i] = '-'
		}
	}
	return string(b)
}

// subject is a transfer syntax with a picture, and whom it is held against.
type subject struct {
	name    string
	syntax  dicom.TransferSyntax
	picture string
	near    int
	half    bool   // 4:2:2
	onDCMTK bool   // DCMTK has the codec
	library string // the C library; "" none
	goal    goal   // of decoding
}

// goal bounds our time by a peer's; the zero value bounds nothing.
type goal struct {
	ratio float64
	peer  string
}

func (c subject) sub() string {
	if c.half {
		return "422"
	}
	return strconv.Itoa(c.near)
}

var cases = func() (out []subject) {
	each := func(c subject, pictures ...string) {
		for _, p := range pictures {
			c.picture = p
			out = append(out, c)
		}
	}
	dcmtk := goal{1, "DCMTK"}
	each(subject{name: "Native", syntax: dicom.ExplicitVRLittleEndian, library: "memcpy"}, "CT", "US")
	each(subject{name: "Deflated frame", syntax: dicom.DeflatedImageFrame, library: "zlib"}, "CT", "US")
	each(subject{name: "Deflated frame", syntax: dicom.DeflatedImageFrame, library: "libdeflate"}, "CT", "US")
	each(subject{name: "RLE", syntax: dicom.RLELossless, onDCMTK: true, goal: dcmtk}, "CT", "MR", "MG", "US")
	each(subject{name: "JPEG lossless", syntax: dicom.JPEGLosslessSV1, onDCMTK: true, library: "libjpeg-turbo", goal: goal{1.2, "libjpeg-turbo"}}, "CT", "MR", "MG", "US")
	each(subject{name: "JPEG-LS", syntax: dicom.JPEGLSLossless, onDCMTK: true, library: "CharLS", goal: goal{1.5, "CharLS"}}, "CT", "MR", "MG", "US")
	each(subject{name: "JPEG-LS near 3", syntax: dicom.JPEGLSNearLossless, near: 3, onDCMTK: true, library: "CharLS", goal: goal{1.5, "CharLS"}}, "CT", "MR", "MG", "US")
	each(subject{name: "JPEG 8 bit", syntax: dicom.JPEGBaseline, onDCMTK: true, library: "libjpeg-turbo", goal: dcmtk}, "CT 8 bit", "MR 8 bit", "MG 8 bit", "US")
	each(subject{name: "JPEG 4:2:2", syntax: dicom.JPEGBaseline, half: true, onDCMTK: true, library: "libjpeg-turbo", goal: dcmtk}, "US")
	each(subject{name: "JPEG 12 bit", syntax: dicom.JPEGExtended, onDCMTK: true, library: "libjpeg-turbo", goal: dcmtk}, "CT 12 bit", "MR 12 bit", "MG 12 bit")
	return out
}()

// encodedFrame returns a frame to decode, its description, and the file that has it.
func (r *row) encodedFrame(dir string, encoder codec.Encoder, dcmtk *peer) (d codec.Description, b []byte, file string, err error) {
	file = spaceless(filepath.Join(dir, fmt.Sprintf("%s-%s-%s.dcm", r.picture.base(), r.syntax.UID, r.sub())))
	if r.onDCMTK && dcmtk.make(r.picture.file, r.syntax.UID, r.sub(), file) {
		m, err := codectest.Read(file)
		if err != nil {
			return d, nil, file, err
		}
		b, err = m.Frame(1)
		return m.Description, b, file, err
	}
	if encoder == nil {
		return d, nil, file, fmt.Errorf("nothing encodes %s", r.syntax.Name)
	}
	o := codec.Options{Near: r.near}
	if d, err = encoder.Describe(r.picture.Description, o); err == nil {
		b, err = encoder.Encode(nil, r.picture.Frame, o)
	}
	return d, b, file, err
}

func (p picture) base() string {
	name := filepath.Base(p.file)
	return name[:len(name)-len(".dcm")]
}
