package archive

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// description is what an image says of its samples, read from the index when a frame of it is
// first decoded.
type description struct {
	read atomic.Pointer[described]
}

type described struct {
	codec.Description
	err error // of the image itself: it will not go away
}

func (a *Archive) describe(ctx context.Context, t storage.TenantID, f *Frames) (codec.Description, error) {
	if d := f.description.read.Load(); d != nil {
		return d.Description, d.err
	}
	_, h, err := a.headerOf(ctx, t, f)
	if err != nil {
		return codec.Description{}, err
	}
	d := f.describe(h)
	return d.Description, d.err
}

// describe keeps what the header says of the samples.
func (f *Frames) describe(h *dicom.Header) *described {
	d := &described{}
	d.Description, d.err = codec.Describe(h.Dataset, h.Pixel.Tag)
	f.description.read.Store(d)
	return d
}

// headerOf reads the header of an instance whose frames are open.
func (a *Archive) headerOf(ctx context.Context, t storage.TenantID, f *Frames) (index.Entry, *dicom.Header, error) {
	e, err := a.one(ctx, t, f.Entry.Ref, index.WithHeader)
	if err == nil && e.Location != f.Entry.Location {
		err = errs.Errorf(errs.NotFound, "archive.Frames", "the instance was replaced")
	}
	if err != nil {
		return e, nil, err
	}
	h, err := dicom.ParseHeader(e.Header)
	return e, h, err
}

// frameCodec names the codec of frames in a transfer syntax: what is native is handed to one in
// little endian, however the data set around it is written.
func frameCodec(ts dicom.TransferSyntax) string {
	if nativeObjects(ts) {
		return dicom.ExplicitVRLittleEndian.UID
	}
	return ts.UID
}

func (a *Archive) decoder(ts dicom.TransferSyntax) (codec.Codec, error) {
	if a.cfg.Codecs == nil {
		return nil, errs.Errorf(errs.Unsupported, "archive.decoder", "nothing is decoded here")
	}
	return a.cfg.Codecs.Decoder(frameCodec(ts))
}

func (a *Archive) encoder(ts dicom.TransferSyntax) (codec.Encoder, error) {
	if a.cfg.Codecs == nil {
		return nil, errs.Errorf(errs.Unsupported, "archive.encoder", "nothing is encoded here")
	}
	return a.cfg.Codecs.Encoder(frameCodec(ts))
}

// DecodeFrame decodes frame n (1-based). A frame that is damaged is errs.Invalid, one in a
// process that is not decoded here errs.Unsupported, one too large errs.Exhausted.
func (a *Archive) DecodeFrame(ctx context.Context, t storage.TenantID, f *Frames, n int) (codec.Frame, error) {
	var out codec.Frame
	err := a.withFrame(ctx, t, f, n, func(frame codec.Frame) error {
		out = frame
		return nil
	})
	return out, err
}

// withFrame decodes frame n and has use work on it before the CPU is given back.
func (a *Archive) withFrame(ctx context.Context, t storage.TenantID, f *Frames, n int, use func(codec.Frame) error) error {
	decoder, err := a.decoder(f.TransferSyntax)
	if err != nil {
		return err
	}
	d, err := a.describe(ctx, t, f)
	if err != nil {
		return err
	}
	encoded, err := a.readFrame(ctx, t, f, n)
	if err != nil {
		return err
	}
	return a.blame(ctx, f.Entry, a.work(ctx, decoder, n, encoded, d, nil, use))
}

// work decodes frame n, into buf where that is large enough, and has it used.
func (a *Archive) work(ctx context.Context, decoder codec.Codec, n int, encoded []byte, d codec.Description, buf []byte, use func(codec.Frame) error) error {
	size, err := d.Size()
	if err != nil {
		return frameError(n, err)
	}
	// What is decoded, and what is made of it, which is seldom larger.
	return a.Work(ctx, int64(len(encoded))+2*int64(size), func() error {
		frame, err := decoder.Decode(encoded, d, buf)
		if err != nil {
			return frameError(n, err)
		}
		return use(frame)
	})
}

// frameError says which frame it is that cannot be had.
func frameError(n int, err error) error {
	return &errs.Error{Kind: errs.KindOf(err), Op: "archive.DecodeFrame", Msg: fmt.Sprintf("frame %d: %s", n, errs.Safe(err)), Err: err}
}

// maxEncoded bounds an encoded frame: one that is larger than its samples may be is no frame.
const maxEncoded = codec.MaxFrame + codec.MaxFrame/4

// readFrame reads frame n as OpenFrame gives it.
func (a *Archive) readFrame(ctx context.Context, t storage.TenantID, f *Frames, n int) ([]byte, error) {
	o, err := a.OpenFrame(ctx, t, f, n)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	if o.Size > maxEncoded {
		return nil, frameError(n, errs.Errorf(errs.Exhausted, "archive.DecodeFrame", "%d bytes are more than is decoded here", o.Size))
	}
	b := make([]byte, o.Size)
	if _, err := io.ReadFull(o.ReadCloser, b); err != nil {
		return nil, fmt.Errorf("archive.DecodeFrame: reading frame %d: %w", n, err)
	}
	return b, nil
}
