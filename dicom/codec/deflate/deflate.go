// Package deflate is the codec of Deflated Image Frame Compression (1.2.840.10008.1.2.8.1): each
// frame is a native frame behind RFC 1951 Deflate (PS3.5 8.2.16, A.4.13). What a native frame may
// be is dicom/codec/native's.
//
// Frames in the wrapping of zlib (RFC 1950) are read too: the common libraries write it unless
// told otherwise. Its checksum is not looked at.
//
// The time goes into inflating, which is github.com/klauspost/compress/flate.
package deflate

import (
	"bytes"
	"encoding/binary"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/native"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// maxRatio is what Deflate can expand to: 258 bytes for 2 bits.
const maxRatio = 1032

// Codec decodes and encodes Deflated Image Frame Compression. Safe for concurrent use; takes a
// native frame and Deflate's window beside a frame.
type Codec struct{ native.Codec }

var _ codec.Encoder = Codec{}

// TransferSyntax implements codec.Codec.
func (Codec) TransferSyntax() dicom.TransferSyntax { return dicom.DeflatedImageFrame }

// inflater and deflater are kept for their windows and for a native frame.
type inflater struct {
	src    bytes.Reader
	z      io.ReadCloser // a flate.Resetter
	native []byte
}

type deflater struct {
	z      *flate.Writer
	native []byte
}

var (
	inflaters = sync.Pool{New: func() any { return &inflater{z: flate.NewReader(nil)} }}
	deflaters = sync.Pool{New: func() any {
		z, err := flate.NewWriter(nil, flate.DefaultCompression)
		if err != nil {
			panic(err) // the level is a constant
		}
		return &deflater{z: z}
	}}
)

// Decode implements codec.Codec. No more is inflated than the frame has.
func (c Codec) Decode(src []byte, d codec.Description, buf []byte) (codec.Frame, error) {
	const op = "deflate.Decode"
	if _, err := d.Size(); err != nil {
		return codec.Frame{}, err
	}
	size := native.EncodedSize(d)
	if len(src)*maxRatio < size/3*2 { // native frames may leave a third out
		return codec.Frame{}, errs.Errorf(errs.Invalid, op, "%d bytes cannot be a frame of %d", len(src), size)
	}
	if wrapped(src) {
		src = src[2:]
	}
	x := inflaters.Get().(*inflater)
	defer func() { x.src.Reset(nil); inflaters.Put(x) }()
	if cap(x.native) < size {
		x.native = make([]byte, size)
	}
	x.src.Reset(src)
	if err := x.z.(flate.Resetter).Reset(&x.src, nil); err != nil {
		return codec.Frame{}, errs.E(errs.Internal, op, err)
	}
	n, err := io.ReadFull(x.z, x.native[:size])
	if err != nil && (err != io.ErrUnexpectedEOF || !x.ended()) {
		return codec.Frame{}, &errs.Error{Kind: errs.Invalid, Op: op, Msg: "the frame is not deflated, or is damaged", Err: err}
	}
	return c.Codec.Decode(x.native[:n], d, buf)
}

// ended reports whether the stream is at its end, and not cut.
func (x *inflater) ended() bool {
	_, err := x.z.Read(make([]byte, 1))
	return err == io.EOF
}

// wrapped reports whether src begins like zlib's wrapping. To Deflate itself that is a stored
// block: one whose length and its complement do not match.
func wrapped(src []byte) bool {
	if len(src) < 5 || src[0]&0xf != 8 || src[0]>>4 > 7 || src[1]&0x20 != 0 || binary.BigEndian.Uint16(src)%31 != 0 {
		return false
	}
	return binary.LittleEndian.Uint16(src[1:]) != ^binary.LittleEndian.Uint16(src[3:])
}

// Describe implements codec.Encoder.
func (c Codec) Describe(d codec.Description, o codec.Options) (codec.Description, error) {
	if d.Float { // PS3.5 8.2.16: Pixel Data alone
		return d, errs.Errorf(errs.Unsupported, "deflate.Describe", "deflated frames of floating point samples")
	}
	return c.Codec.Describe(d, o)
}

// Encode implements codec.Encoder.
func (c Codec) Encode(dst []byte, f codec.Frame, o codec.Options) ([]byte, error) {
	if _, err := c.Describe(f.Description, o); err != nil {
		return dst, err
	}
	x := deflaters.Get().(*deflater)
	defer func() { x.z.Reset(io.Discard); deflaters.Put(x) }()
	var err error
	if x.native, err = c.Codec.Encode(x.native[:0], f, o); err != nil {
		return dst, err
	}
	out := bytes.NewBuffer(dst)
	x.z.Reset(out)
	if _, err = x.z.Write(x.native); err == nil {
		err = x.z.Close()
	}
	return out.Bytes(), errs.E(errs.Internal, "deflate.Encode", err)
}
