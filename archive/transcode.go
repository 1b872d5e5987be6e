package archive

import (
	"bytes"
	"context"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/platform/cache"
	"github.com/aurelius-imaging/aurelius/storage"
)

// NativeFrames reports whether frames in the transfer syntax are plain samples: octets in little
// endian, whatever the data set around them.
func NativeFrames(ts dicom.TransferSyntax) bool {
	return !ts.Encapsulated || ts.UID == dicom.EncapsulatedUncompressed.UID
}

// sameFrames reports whether frames in both transfer syntaxes are the same bytes.
func sameFrames(a, b dicom.TransferSyntax) bool {
	return a.UID == b.UID || NativeFrames(a) && NativeFrames(b)
}

// recodedFor is how long a transcoded frame is kept when nothing pushes it out: as long as
// somebody may look at the same images.
const recodedFor = time.Hour

// OpenFrameAs opens frame n (1-based) in the transfer syntax: as stored where that is the one,
// else decoded and encoded anew, this frame alone. What was made is kept for a while; concurrent
// calls make it once. A syntax that cannot be made of the frame is errs.Unsupported, a damaged
// frame errs.Invalid. A lossy syntax costs what it costs: it was asked for by its name.
func (a *Archive) OpenFrameAs(ctx context.Context, t storage.TenantID, f *Frames, n int, transferSyntaxUID string) (*Object, error) {
	to := syntax(transferSyntaxUID)
	if sameFrames(f.TransferSyntax, to) {
		return a.OpenFrame(ctx, t, f, n)
	}
	if n < 1 || n > f.Index.Frames() {
		return a.OpenFrame(ctx, t, f, n) // which says so
	}
	l := f.Entry.Location
	key := cache.KeyOf(t, "frame", string(l.Object), strconv.FormatInt(l.Offset, 10), strconv.Itoa(n), frameCodec(to))
	b, err := a.recoded.Do(ctx, key, recodedFor, func() ([]byte, error) { return a.transcodeFrame(ctx, t, f, n, to) })
	if err != nil {
		return nil, err
	}
	return &Object{ReadCloser: seekable{bytes.NewReader(b)}, Size: int64(len(b)), TransferSyntax: to}, nil
}

// seekable is a reader of memory.
type seekable struct{ *bytes.Reader }

func (seekable) Close() error { return nil }

func (a *Archive) transcodeFrame(ctx context.Context, t storage.TenantID, f *Frames, n int, to dicom.TransferSyntax) (b []byte, err error) {
	encoder, err := a.encoder(to)
	if err != nil {
		return nil, err
	}
	said, err := a.describe(ctx, t, f)
	if err != nil {
		return nil, err
	}
	err = a.withFrame(ctx, t, f, n, func(frame codec.Frame) error {
		if b, err = encode(encoder, frame, codec.Options{}); err != nil {
			return err
		}
		// A frame alone is read by the header that the object has, which is given out with the
		// metadata: samples by plane where it says so.
		if NativeFrames(to) && said.PlanarConfiguration == 1 && frame.SamplesPerPixel > 1 {
			b = planes(b, frame.SamplesPerPixel, frame.Width())
		}
		return nil
	})
	a.metrics.transcoded(err)
	return b, err
}

// planes brings samples of so many bytes from colour by pixel to colour by plane.
func planes(b []byte, samples, width int) []byte {
	out := make([]byte, 0, len(b))
	for s := range samples {
		for at := s * width; at+width <= len(b); at += samples * width {
			out = append(out, b[at:at+width]...)
		}
	}
	return out
}

// encode encodes a frame after asking whether the syntax can hold it.
func encode(e codec.Encoder, f codec.Frame, o codec.Options) ([]byte, error) {
	if _, err := e.Describe(f.Description, o); err != nil {
		return nil, err
	}
	return e.Encode(nil, f, o)
}

// OpenFrames opens frames (numbers from 1 on, in any order) in the transfer syntax and yields
// them in the order given, each to be closed before the next. Those that have to be made are
// made side by side, a few before their turn: memory does not grow with the list. It ends with
// the first error.
func (a *Archive) OpenFrames(ctx context.Context, t storage.TenantID, f *Frames, list []int, transferSyntaxUID string) iter.Seq2[*Object, error] {
	open := func(ctx context.Context, n int) (*Object, error) {
		return a.OpenFrameAs(ctx, t, f, n, transferSyntaxUID)
	}
	if sameFrames(f.TransferSyntax, syntax(transferSyntaxUID)) {
		return func(yield func(*Object, error) bool) {
			for _, n := range list {
				o, err := open(ctx, n)
				if !yield(o, err) || err != nil {
					return
				}
			}
		}
	}
	return func(yield func(*Object, error) bool) {
		d, err := a.describe(ctx, t, f)
		if err != nil {
			yield(nil, err)
			return
		}
		size, _ := d.Size()
		numbers := func(yield func(int, error) bool) {
			for _, n := range list {
				if !yield(n, nil) {
					return
				}
			}
		}
		inOrder(ctx, ahead(int64(size)), numbers, open)(yield)
	}
}

// Transcodes reports whether frames stored in one transfer syntax can be decoded and encoded in
// another, as far as the syntaxes alone tell.
func (a *Archive) Transcodes(stored, to dicom.TransferSyntax) bool {
	_, err := a.decoder(stored)
	if err == nil {
		_, err = a.encoder(to)
	}
	return err == nil
}

// preferred are the transfer syntaxes that frames are encoded in, those that are small and
// widely read first.
var preferred = []dicom.TransferSyntax{
	dicom.ExplicitVRLittleEndian, dicom.ImplicitVRLittleEndian, dicom.JPEGLSLossless, dicom.JPEG2000Lossless,
	dicom.HTJ2KLossless, dicom.JPEGLosslessSV1, dicom.RLELossless,
}

// Lossless lists the transfer syntaxes in which objects stored in one can be had without loss,
// as far as the syntaxes alone tell, best first: as stored, native, encoded.
func (a *Archive) Lossless(stored string) []string {
	out := []string{stored}
	from, known := dicom.LookupTransferSyntax(stored)
	for _, to := range preferred {
		native := known && !from.Encapsulated && !to.Encapsulated
		if to.UID != stored && (native || a.Transcodes(from, to) && !a.Lossy(to.UID)) {
			out = append(out, to.UID)
		}
	}
	return out
}

// Lossy reports whether to be encoded in the transfer syntax costs information.
func (a *Archive) Lossy(transferSyntaxUID string) bool {
	e, err := a.encoder(syntax(transferSyntaxUID))
	return err == nil && e.Lossy(codec.Options{})
}

// Encodes lists the transfer syntaxes that frames can be brought to.
func (a *Archive) Encodes() (out []dicom.TransferSyntax) {
	if a.cfg.Codecs == nil {
		return nil
	}
	for _, c := range a.cfg.Codecs.Codecs() {
		if _, ok := c.(codec.Encoder); ok {
			out = append(out, c.TransferSyntax())
		}
	}
	return out
}

// FrameSyntaxes lists the transfer syntaxes in which the frames can be had: as stored, and what
// their description allows to be encoded.
func (a *Archive) FrameSyntaxes(ctx context.Context, t storage.TenantID, f *Frames) ([]dicom.TransferSyntax, error) {
	out := []dicom.TransferSyntax{f.TransferSyntax}
	if NativeFrames(f.TransferSyntax) {
		out[0] = dicom.ExplicitVRLittleEndian
	}
	if _, err := a.decoder(f.TransferSyntax); err != nil {
		return out, nil
	}
	d, err := a.describe(ctx, t, f)
	if errs.Is(err, errs.Invalid) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	for _, to := range a.Encodes() {
		if slices.ContainsFunc(out, func(ts dicom.TransferSyntax) bool { return sameFrames(ts, to) }) {
			continue
		}
		e, err := a.encoder(to)
		if err == nil {
			_, err = e.Describe(d, codec.Options{})
		}
		if err == nil {
			if NativeFrames(to) {
				to = dicom.ExplicitVRLittleEndian
			}
			out = append(out, to)
		}
	}
	return out, nil
}
