package archive

import (
	"bytes"
	"context"
	"hash/crc32"
	"io"
	"iter"
	"math"
	"slices"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// recoding is an object on its way into a transfer syntax that its frames have to be decoded
// for. They are read one after another, decoded and encoded beside each other, and written in
// their order: memory is a few frames, whatever the object. The first frames are made before the
// header is written, because only they tell what it has to say; what is wrong with them is an
// error before the first byte.
type recoding struct {
	a      *Archive
	ctx    context.Context // of the reader, who closes it
	tenant storage.TenantID
	entry  index.Entry
	header *dicom.Header
	frames *Frames
	source *pixelSource

	decoder codec.Codec
	encoder codec.Encoder
	to      dicom.TransferSyntax

	verified bool

	said    codec.Description // by the header
	target  codec.Description // what the new one has to say
	decoded int64             // bytes of the frames made first
	first   [][]byte          // frames made before the header
	next    func() ([]byte, error, bool)
	stop    func()
}

// firstBytes is how much is encoded before the first byte leaves: objects up to that size come
// whole or not at all, and get an offset table.
const firstBytes = 8 << 20

// openRecoded opens the data set in the first of the transfer syntaxes that can be made of its
// pixels; verified: each frame is decoded again, and takes its time.
func (a *Archive) openRecoded(ctx context.Context, t storage.TenantID, e index.Entry, candidates []dicom.TransferSyntax, verified bool) (_ *recoding, err error) {
	const op = "archive.Open"
	full, err := a.one(ctx, t, e.Ref, index.WithHeader|index.WithFrames)
	if err != nil {
		return nil, err
	}
	if full.Location != e.Location {
		return nil, errs.Errorf(errs.NotFound, op, "the instance was replaced")
	}
	r := &recoding{a: a, ctx: ctx, tenant: t, entry: e, verified: verified}
	if r.header, err = dicom.ParseHeader(full.Header); err != nil {
		return nil, err
	}
	if r.header.Pixel == nil { // then it is native but in name (PS3.5 A.4)
		at := slices.IndexFunc(candidates, nativeObjects)
		if at < 0 {
			return nil, errs.Errorf(errs.Unsupported, op, "an object without pixel data has no compressed form")
		}
		r.to = candidates[at]
		return r, nil
	}
	if r.decoder, err = a.decoder(syntax(e.TransferSyntaxUID)); err != nil {
		return nil, err
	}
	table, err := newFrameTable(full)
	if err != nil {
		return nil, err
	}
	r.frames = &Frames{Entry: e, TransferSyntax: syntax(e.TransferSyntaxUID), Index: table.index, word: table.word}
	if r.said, err = codec.Describe(r.header.Dataset, r.header.Pixel.Tag); err != nil {
		return nil, err
	}
	if r.source, err = a.openPixels(ctx, r.header, r.frames); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			r.Close()
		}
	}()
	if err := r.begin(candidates); err != nil {
		return nil, err
	}
	if verified && (r.target.PlanarConfiguration != r.said.PlanarConfiguration || r.target.PhotometricInterpretation != r.said.PhotometricInterpretation) {
		// Metadata that somebody has, or that is sealed, would be of other pixels than the frames.
		return nil, errs.Errorf(errs.Unsupported, "archive.Open", "its samples would come back in another order or colour space")
	}
	return r, r.gather()
}

// begin decodes the first frame, picks the syntax and encodes it.
func (r *recoding) begin(candidates []dicom.TransferSyntax) error {
	raw, err := r.source.frame()
	if err != nil {
		return err
	}
	err = r.a.work(r.ctx, r.decoder, 1, raw, r.said, nil, func(f codec.Frame) error {
		refused := errs.Errorf(errs.Unsupported, "archive.Open", "no transfer syntax was accepted that its pixels can have")
		for _, to := range candidates {
			encoder, err := r.a.encoder(to)
			if err != nil {
				refused = err
				continue
			}
			if r.target, err = encoder.Describe(f.Description, codec.Options{}); err != nil {
				refused = err
				continue
			}
			r.encoder, r.to = encoder, to
			b, err := r.encode(f)
			r.first = append(r.first, b)
			r.decoded += int64(len(f.Data))
			return err
		}
		return refused
	})
	r.a.metrics.transcoded(err)
	if err != nil {
		return err
	}
	size, _ := r.said.Size()
	raws := func(yield func(numbered, error) bool) {
		for n := 2; n <= r.frames.Index.Frames(); n++ {
			b, err := r.source.frame()
			if !yield(numbered{n, b}, err) {
				return
			}
		}
	}
	before := ahead(int64(size))
	if r.verified { // in the background: others want the CPUs
		before = 1
	}
	r.next, r.stop = iter.Pull2(inOrder(r.ctx, before, raws, r.recode))
	return nil
}

// encode encodes a frame.
func (r *recoding) encode(f codec.Frame) ([]byte, error) {
	b, err := r.encoder.Encode(nil, f, codec.Options{})
	if err != nil || !r.verified {
		return b, err
	}
	again, err := r.encoder.Decode(b, r.target, nil)
	if err == nil && (!bytes.Equal(again.Data, f.Data) || again.PhotometricInterpretation != f.PhotometricInterpretation) {
		err = errs.Errorf(errs.Internal, "archive.encode", "a frame does not come back as it was")
	}
	return b, err
}

type numbered struct {
	n    int
	data []byte
}

// recode makes one frame.
func (r *recoding) recode(ctx context.Context, raw numbered) (b []byte, err error) {
	err = r.a.work(ctx, r.decoder, raw.n, raw.data, r.said, nil, func(f codec.Frame) error {
		d, err := r.encoder.Describe(f.Description, codec.Options{})
		if err == nil && d != r.target {
			err = errs.Errorf(errs.Unsupported, "archive.Open", "its samples are of another kind than those of the first frame")
		}
		if err == nil {
			b, err = r.encode(f)
		}
		if err != nil {
			return frameError(raw.n, err)
		}
		return nil
	})
	r.a.metrics.transcoded(err)
	return b, err
}

// gather makes frames until firstBytes are there.
func (r *recoding) gather() error {
	frame, _ := r.said.Size()
	for total := int64(len(r.first[0])); total < firstBytes && len(r.first) < r.frames.Index.Frames(); {
		b, err, ok := r.next()
		if err != nil {
			return err
		}
		if !ok {
			return io.ErrUnexpectedEOF
		}
		r.first = append(r.first, b)
		r.decoded += int64(frame)
		total += int64(len(b))
	}
	return nil
}

// Close ends what is under way.
func (r *recoding) Close() error {
	if r.stop != nil {
		r.stop()
	}
	if r.source != nil {
		return r.source.Close()
	}
	return nil
}

// all yields every frame in order.
func (r *recoding) all(yield func([]byte, error) bool) {
	for i, b := range r.first {
		r.first[i] = nil
		if !yield(b, nil) {
			return
		}
	}
	for {
		b, err, ok := r.next()
		if !ok || !yield(b, err) || err != nil {
			return
		}
	}
}

// lossy reports whether the new object is not the old one any more.
func (r *recoding) lossy() bool { return r.encoder != nil && r.encoder.Lossy(codec.Options{}) }

// unfitCache bounds what is remembered of objects that could not be recoded.
const unfitCache = 1 << 20

// deliver is write for somebody outside. A frame that cannot be decoded behind the first ones
// breaks a transfer off, and with a C-GET all that was to follow; that it would do so again is
// remembered, so that whoever asks again hears it before the first byte and gets the rest.
func (r *recoding) deliver(w io.Writer) error {
	err := r.write(w)
	switch errs.KindOf(err) {
	case errs.Invalid, errs.Unsupported, errs.Exhausted: // the object's own, and stays
		if err = r.a.blame(r.ctx, r.entry, err); !errs.Is(err, errs.Internal) {
			r.a.unfit.put(r.entry.Location, err, int64(len(errs.Safe(err))+256))
		}
	}
	return err
}

// write writes the data set in the new syntax.
func (r *recoding) write(w io.Writer) error {
	if !r.to.Deflated && !r.to.BigEndian {
		return r.rewrite(w, r.to)
	}
	plain := pipe(io.NopCloser(nil), func(w io.Writer) error { return r.rewrite(w, dicom.ExplicitVRLittleEndian) })
	defer plain.Close()
	return dicom.Convert(w, plain, dicom.ExplicitVRLittleEndian, r.to)
}

func (r *recoding) rewrite(w io.Writer, to dicom.TransferSyntax) error {
	if r.header.Pixel == nil {
		stored, err := r.a.open(r.ctx, r.entry.Location, r.entry.DatasetOffset, -1)
		if err != nil {
			return err
		}
		defer stored.Close()
		checked := r.a.check(r.ctx, r.entry, stored)
		if err := dicom.Convert(w, checked, dicom.ExplicitVRLittleEndian, to); err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, onlyReader{checked})
		return err
	}
	edit, err := r.edit()
	if err != nil {
		return err
	}
	head, tail, err := r.around()
	if err != nil {
		return err
	}
	defer tail.Close()
	defer head.Close()
	sum := crc32.New(castagnoli)
	from := syntax(r.entry.TransferSyntaxUID)
	from.Deflated = false // what is around comes inflated
	if err := dicom.Rewrite(w, io.MultiReader(io.TeeReader(head, sum), tail), from, to, edit); err != nil {
		return err
	}
	return r.source.verify(sum.Sum32())
}

// around opens the data set up to the value of its pixel data, and behind it.
func (r *recoding) around() (head io.ReadCloser, tail *later, err error) {
	p := r.header.Pixel
	behind := p.Offset + p.Length
	if p.Encapsulated {
		behind += 8 // the delimiter, which need not be there
	}
	if syntax(r.entry.TransferSyntaxUID).Deflated {
		o, err := r.a.openInflated(r.ctx, r.entry, r.entry.DatasetOffset, p.Offset-r.entry.DatasetOffset)
		if err != nil {
			return nil, nil, err
		}
		return o, &later{open: func() (io.ReadCloser, error) {
			o, err := r.a.openInflated(r.ctx, r.entry, behind, math.MaxInt64)
			return o, err
		}}, nil
	}
	head, err = r.a.open(r.ctx, r.entry.Location, r.entry.DatasetOffset, p.Offset-r.entry.DatasetOffset)
	tail = &later{}
	if behind < r.entry.Location.Length {
		tail.open = func() (io.ReadCloser, error) {
			return r.a.open(r.ctx, r.entry.Location, behind, -1)
		}
	}
	return head, tail, err
}

// later is opened when it is first read; without open it is empty.
type later struct {
	open func() (io.ReadCloser, error)
	r    io.ReadCloser
}

func (l *later) Read(p []byte) (int, error) {
	if l.r == nil {
		if l.open == nil {
			return 0, io.EOF
		}
		r, err := l.open()
		if err != nil {
			return 0, err
		}
		l.r = r
	}
	return l.r.Read(p)
}

func (l *later) Close() error {
	if l.r != nil {
		return l.r.Close()
	}
	return nil
}

// edit says what becomes of the header and the pixels. An Extended Offset Table is optional
// (PS3.3 C.7.6.3), stands before the pixels, and is for more than the 4 GiB that a Basic one counts:
// by then most frames are still to be made. As each is one fragment the items tell where they are
// (PS3.5 A.4), so that it is left out rather than everything made twice.
func (r *recoding) edit() (dicom.Edit, error) {
	set, err := r.changes()
	return dicom.Edit{
		Set:    set,
		Drop:   []tag.Tag{tag.ExtendedOffsetTable, tag.ExtendedOffsetTableLengths, tag.EncapsulatedPixelDataValueTotalLength},
		Pixels: r.pixels,
	}, err
}

// pixels writes the value of the pixel data.
func (r *recoding) pixels(w *dicom.PixelWriter) error {
	if r.to.Encapsulated {
		if err := w.Encapsulated(r.offsets()); err != nil {
			return err
		}
		for b, err := range r.all {
			if err != nil {
				return err
			}
			if err := w.Fragment(b); err != nil { // a frame is a fragment: no table is needed to tell them apart
				return err
			}
		}
		return nil
	}
	return r.native(w)
}

// offsets is the Basic Offset Table, empty where frames are still to be made.
func (r *recoding) offsets() []uint32 {
	if len(r.first) < r.frames.Index.Frames() {
		return nil
	}
	var at int64
	out := make([]uint32, len(r.first))
	for i, b := range r.first {
		out[i] = uint32(at) // below firstBytes and its padding
		at += 8 + int64(len(b)+len(b)%2)
	}
	return out
}

// native writes the frames one behind the other, which for those that are no whole bytes means
// bit by bit (PS3.5 8.1.1).
func (r *recoding) native(w *dicom.PixelWriter) error {
	d, frames := r.target, int64(r.frames.Index.Frames())
	v := vr.OB
	switch {
	case r.header.Pixel.Tag == tag.FloatPixelData:
		v = vr.OF
	case r.header.Pixel.Tag == tag.DoubleFloatPixelData:
		v = vr.OD
	case d.BitsAllocated > 8:
		v = vr.OW
	}
	bits := int64(d.Rows) * int64(d.Columns) * int64(d.SamplesPerPixel) * int64(d.BitsAllocated)
	if frames > math.MaxInt64/bits {
		return errs.Errorf(errs.Unsupported, "archive.Open", "native pixel data of %d frames is longer than a data set can hold", frames)
	}
	if err := w.Native(v, (bits*frames+7)/8); err != nil {
		return err
	}
	var join joiner
	for b, err := range r.all {
		if err == nil && int64(len(b)) != (bits+7)/8 {
			err = errs.Errorf(errs.Internal, "archive.Open", "a native frame has %d bytes", len(b))
		}
		if err != nil {
			return err
		}
		if bits%8 != 0 {
			b = join.add(b, bits)
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	_, err := w.Write(join.rest())
	return err
}
