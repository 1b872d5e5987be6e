package archive

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/klauspost/compress/flate"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// Object is something opened for reading: an instance, a data set, a frame, a value. Close it.
type Object struct {
	io.ReadCloser        // also an io.WriterTo where bytes can go to a socket uncopied
	Size           int64 // bytes that will be read; -1 when not known (converted on the way)
	TransferSyntax dicom.TransferSyntax
}

// WriteTo lets io.Copy reach the engine's own way of sending (sendfile).
func (o *Object) WriteTo(w io.Writer) (int64, error) {
	if to, ok := o.ReadCloser.(io.WriterTo); ok {
		return to.WriteTo(w)
	}
	return io.Copy(w, onlyReader{o.ReadCloser})
}

type onlyReader struct{ io.Reader }

// syntax names a transfer syntax as well as it is known.
func syntax(uid string) dicom.TransferSyntax {
	ts, _ := dicom.LookupTransferSyntax(uid)
	ts.UID = uid
	return ts
}

// OpenFile opens the Part 10 object, as stored, from off, n bytes (n < 0: to the end). One that
// was compressed since it was located comes as it was, if it is asked for whole: see openAsItWas.
func (a *Archive) OpenFile(ctx context.Context, t storage.TenantID, e index.Entry, off, n int64) (*Object, error) {
	return a.atItsPlace(ctx, t, e, func(now index.Entry) (*Object, error) {
		if now.Location == e.Location {
			return a.openFile(ctx, t, e, off, n)
		}
		if off > 0 || n >= 0 && n < e.Location.Length {
			return nil, errs.Errorf(errs.NotFound, "archive.OpenFile", "the instance was replaced")
		}
		return a.openAsItWas(ctx, t, e, now)
	})
}

func (a *Archive) openFile(ctx context.Context, t storage.TenantID, e index.Entry, off, n int64) (*Object, error) {
	a.audit(ctx, Access{Tenant: t, Action: Retrieved, Ref: e.Ref})
	if n < 0 {
		n = e.Location.Length - off
	}
	r, err := a.open(ctx, e.Location, off, n)
	if err != nil {
		return nil, err
	}
	return &Object{ReadCloser: r, Size: n, TransferSyntax: syntax(e.TransferSyntaxUID)}, nil
}

// OpenDataset opens the bare data set in one of the accepted transfer syntaxes: as stored if
// that is accepted, else converted between native syntaxes, else in the first to which its
// frames can be brought without loss. None is errs.Unsupported; frames that cannot be told apart
// or decoded are errs.Invalid. No syntax given: as stored. Reading it to its end fails when it
// is not, byte for byte, what was received, or a later frame cannot be decoded.
func (a *Archive) OpenDataset(ctx context.Context, t storage.TenantID, e index.Entry, accepted ...string) (*Object, error) {
	return a.atItsPlace(ctx, t, e, func(e index.Entry) (*Object, error) { return a.openDataset(ctx, t, e, accepted) })
}

func (a *Archive) openDataset(ctx context.Context, t storage.TenantID, e index.Entry, accepted []string) (*Object, error) {
	to, err := Deliverable(e.TransferSyntaxUID, accepted)
	if err == nil {
		return a.openConverted(ctx, t, e, to)
	}
	var candidates []dicom.TransferSyntax
	for _, uid := range accepted {
		if !a.Lossy(uid) {
			candidates = append(candidates, syntax(uid))
		}
	}
	if a.cfg.Codecs == nil || len(candidates) == 0 {
		return nil, err
	}
	o, _, err := a.openAs(ctx, t, e, candidates)
	return o, err
}

// OpenFileAs opens a Part 10 object in the transfer syntax, which may be a lossy one: it was
// asked for by its name. Then the object is another one, with a SOP Instance UID of its own.
func (a *Archive) OpenFileAs(ctx context.Context, t storage.TenantID, e index.Entry, transferSyntaxUID string) (*Object, error) {
	return a.atItsPlace(ctx, t, e, func(now index.Entry) (*Object, error) {
		if now.Location != e.Location && transferSyntaxUID == e.TransferSyntaxUID {
			return a.openAsItWas(ctx, t, e, now)
		}
		return a.openFileAs(ctx, t, now, transferSyntaxUID)
	})
}

// openAsItWas opens an instance that lies at now, compressed, as the object that it was when it
// was located: a door may have promised its length since. Reading it to its end fails if it is
// not, byte for byte, what was received, which objects with group lengths, defined lengths of
// sequences or deflated are not. Those break the answer off; asked for again they are whole.
func (a *Archive) openAsItWas(ctx context.Context, t storage.TenantID, was, now index.Entry) (*Object, error) {
	to := syntax(was.TransferSyntaxUID)
	preamble, meta, err := a.meta(ctx, now.Location, now.DatasetOffset)
	if err != nil {
		return nil, err
	}
	meta.Delete(tag.PrivateInformationCreatorUID)
	meta.Delete(tag.PrivateInformation)
	meta.SetUID(tag.TransferSyntaxUID, to.UID)
	head, err := (&dicom.File{Preamble: preamble, Meta: meta, Dataset: &dicom.Dataset{}, TransferSyntax: to}).Bytes()
	if err != nil {
		return nil, err
	}
	if int64(len(head)) != was.DatasetOffset {
		return nil, errs.Errorf(errs.NotFound, "archive.OpenFile", "the instance was replaced")
	}
	o, _, err := a.openAs(ctx, t, now, []dicom.TransferSyntax{to})
	if err != nil {
		return nil, err
	}
	o.Size = was.Location.Length
	o.ReadCloser = closing{io.MultiReader(bytes.NewReader(head), a.check(ctx, was, o.ReadCloser)), o.ReadCloser}
	return o, nil
}

// atItsPlace opens an instance that may have been compressed, and lies elsewhere, since it was
// located: a long retrieval locates all of its instances first.
func (a *Archive) atItsPlace(ctx context.Context, t storage.TenantID, e index.Entry, open func(index.Entry) (*Object, error)) (*Object, error) {
	o, err := open(e)
	if !errs.Is(err, errs.NotFound) {
		return o, err
	}
	now, gone := a.one(ctx, t, e.Ref, 0)
	if gone != nil || now.Location == e.Location || !now.Received.Equal(e.Received) {
		return nil, err
	}
	return open(now)
}

func (a *Archive) openFileAs(ctx context.Context, t storage.TenantID, e index.Entry, transferSyntaxUID string) (*Object, error) {
	if transferSyntaxUID == e.TransferSyntaxUID {
		return a.openFile(ctx, t, e, 0, -1)
	}
	SOPInstanceUID := e.SOPInstanceUID
	var o *Object
	to, err := Deliverable(e.TransferSyntaxUID, []string{transferSyntaxUID})
	if err == nil {
		o, err = a.openConverted(ctx, t, e, to)
	} else if a.cfg.Codecs != nil {
		o, SOPInstanceUID, err = a.openAs(ctx, t, e, []dicom.TransferSyntax{syntax(transferSyntaxUID)})
	}
	if err != nil {
		return nil, err
	}
	meta := dicom.AppendMeta(nil, e.SOPClassUID, SOPInstanceUID, o.TransferSyntax, "")
	o.ReadCloser = closing{io.MultiReader(bytes.NewReader(meta), o.ReadCloser), o.ReadCloser}
	return o, nil
}

// openConverted opens the data set as stored, or in another native syntax.
func (a *Archive) openConverted(ctx context.Context, t storage.TenantID, e index.Entry, to dicom.TransferSyntax) (*Object, error) {
	stored, err := a.openFile(ctx, t, e, e.DatasetOffset, -1)
	if err != nil {
		return nil, err
	}
	stored.ReadCloser = a.check(ctx, e, stored.ReadCloser)
	if to.UID == e.TransferSyntaxUID {
		return stored, nil
	}
	from := syntax(e.TransferSyntaxUID)
	return &Object{Size: -1, TransferSyntax: to, ReadCloser: pipe(stored, func(w io.Writer) error {
		if err := dicom.Convert(w, stored, from, to); err != nil {
			return err
		}
		_, err := io.Copy(io.Discard, onlyReader{stored}) // to the end, where it is checked
		return err
	})}, nil
}

// openAs opens the data set in the first of the candidates that its pixels can be brought to.
func (a *Archive) openAs(ctx context.Context, t storage.TenantID, e index.Entry, candidates []dicom.TransferSyntax) (o *Object, SOPInstanceUID string, err error) {
	a.audit(ctx, Access{Tenant: t, Action: Retrieved, Ref: e.Ref})
	if why, ok := a.unfit.get(e.Location); ok {
		return nil, "", why
	}
	r, err := a.openRecoded(ctx, t, e, candidates, false)
	if err != nil {
		return nil, "", a.blame(ctx, e, err)
	}
	return &Object{Size: -1, TransferSyntax: r.to, ReadCloser: pipe(r, r.deliver)}, r.instanceUID(), nil
}

// Deliverable picks the syntax in which an object stored in one can be delivered to somebody who
// accepts others; errs.Unsupported when pixels would have to be decoded.
func Deliverable(stored string, accepted []string) (dicom.TransferSyntax, error) {
	from, known := dicom.LookupTransferSyntax(stored)
	if len(accepted) == 0 {
		return syntax(stored), nil
	}
	for _, uid := range accepted {
		if uid == stored {
			return syntax(stored), nil
		}
	}
	if known && !from.Encapsulated {
		for _, uid := range accepted {
			if to, ok := dicom.LookupTransferSyntax(uid); ok && nativeObjects(to) {
				return to, nil
			}
		}
	}
	return dicom.TransferSyntax{}, errs.Errorf(errs.Unsupported, "archive.Open", "stored as %s, which was not accepted", stored)
}

// nativeObjects reports whether whole objects are written natively in the transfer syntax (PS3.5
// A.1-A.3, A.5): not all that are not encapsulated hold pixels, JPIP refers to them.
func nativeObjects(ts dicom.TransferSyntax) bool {
	switch ts.UID {
	case dicom.ImplicitVRLittleEndian.UID, dicom.ExplicitVRLittleEndian.UID,
		dicom.DeflatedExplicitVRLittleEndian.UID, dicom.ExplicitVRBigEndian.UID:
		return true
	}
	return false
}

// pipe runs write in a goroutine of its own and returns what it writes. Close ends it and waits.
func pipe(src io.Closer, write func(io.Writer) error) io.ReadCloser {
	r, w := io.Pipe()
	p := &piped{PipeReader: r, src: src, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		w.CloseWithError(write(w))
	}()
	return p
}

type piped struct {
	*io.PipeReader
	src  io.Closer
	done chan struct{}
}

func (p *piped) Close() error {
	_ = p.PipeReader.Close()
	<-p.done
	return p.src.Close()
}

// OpenBulk opens the value of the element at the path (tags and 0-based item numbers
// alternating, as BulkDataURI spells them: "00080001" or "00400555/0/0040A30A"), in little
// endian. Pixel Data is its whole value, fragments and all for encapsulated objects.
func (a *Archive) OpenBulk(ctx context.Context, t storage.TenantID, r index.Ref, path string) (*Object, error) {
	e, err := a.one(ctx, t, r, index.WithHeader)
	if err != nil {
		return nil, err
	}
	a.audit(ctx, Access{Tenant: t, Action: Retrieved, Ref: e.Ref})
	h, err := dicom.ParseHeader(e.Header)
	if err != nil {
		return nil, err
	}
	if p := h.Pixel; p != nil && path == p.Tag.Hex() {
		return a.openSpan(ctx, e, p.Offset, p.Length, p.VR.Size())
	}
	el, err := element(h.Dataset, path)
	if err != nil {
		return nil, err
	}
	if el.Bulk != nil {
		return a.openSpan(ctx, e, el.Bulk.Offset, el.Bulk.Length, el.VR.Size())
	}
	if el.Items != nil {
		return nil, errs.Errorf(errs.Invalid, "archive.OpenBulk", "a sequence has no bulk data")
	}
	return &Object{ReadCloser: io.NopCloser(bytes.NewReader(el.Value)), Size: int64(len(el.Value)), TransferSyntax: dicom.ExplicitVRLittleEndian}, nil
}

// element follows a bulk data path.
func element(d *dicom.Dataset, path string) (*dicom.Element, error) {
	const op = "archive.OpenBulk"
	steps := strings.Split(path, "/")
	if len(steps)%2 == 0 || len(steps) > 256 {
		return nil, errs.Errorf(errs.Invalid, op, "not a bulk data path")
	}
	for i := 0; ; i += 2 {
		t, err := strconv.ParseUint(steps[i], 16, 32)
		if err != nil || len(steps[i]) != 8 {
			return nil, errs.Errorf(errs.Invalid, op, "not a bulk data path")
		}
		e := d.Get(tag.Tag(t))
		if e == nil {
			return nil, errs.Errorf(errs.NotFound, op, "no such attribute")
		}
		if i == len(steps)-1 {
			return e, nil
		}
		n, err := strconv.Atoi(steps[i+1])
		if err != nil || n < 0 {
			return nil, errs.Errorf(errs.Invalid, op, "not a bulk data path")
		}
		if n >= len(e.Items) {
			return nil, errs.Errorf(errs.NotFound, op, "no such item")
		}
		d = e.Items[n]
	}
}

// openSpan opens bytes of the object as stored, but inflated and with words of the given size in
// little endian.
func (a *Archive) openSpan(ctx context.Context, e index.Entry, off, n int64, word int) (*Object, error) {
	ts := syntax(e.TransferSyntaxUID)
	if ts.Deflated {
		return a.openInflated(ctx, e, off, n)
	}
	r, err := a.open(ctx, e.Location, off, n)
	if err != nil {
		return nil, err
	}
	if ts.BigEndian && word > 1 {
		r = &swapper{ReadCloser: r, word: word}
	}
	return &Object{ReadCloser: r, Size: n, TransferSyntax: ts}, nil
}

// openInflated reads a span of a deflated object: offsets count in the inflated data set, which
// has to be gone through from its beginning.
func (a *Archive) openInflated(ctx context.Context, e index.Entry, off, n int64) (*Object, error) {
	stored, err := a.open(ctx, e.Location, e.DatasetOffset, -1)
	if err != nil {
		return nil, err
	}
	r := flate.NewReader(stored) // PS3.5 A.5: RFC 1951, from the first byte of the data set
	if _, err := io.CopyN(io.Discard, r, off-e.DatasetOffset); err != nil {
		stored.Close()
		return nil, errs.E(errs.Invalid, "archive.Open", fmt.Errorf("inflating: %w", err))
	}
	return &Object{ReadCloser: closing{io.LimitReader(r, n), stored}, Size: n, TransferSyntax: dicom.ExplicitVRLittleEndian}, nil
}

type closing struct {
	io.Reader
	io.Closer
}

// swapper turns the byte order of whole words round.
type swapper struct {
	io.ReadCloser
	word int
	rest []byte // swapped, not yet read
	buf  [8 << 10]byte
}

func (s *swapper) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		n, err := io.ReadFull(s.ReadCloser, s.buf[:])
		if n == 0 {
			return 0, err
		}
		for i := 0; i+s.word <= n; i += s.word {
			for j, k := i, i+s.word-1; j < k; j, k = j+1, k-1 {
				s.buf[j], s.buf[k] = s.buf[k], s.buf[j]
			}
		}
		s.rest = s.buf[:n]
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}
