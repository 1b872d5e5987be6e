package archive

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"time"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/pixel"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// Incoming describes an object on its way in.
type Incoming struct {
	// Data is the stream: a bare data set when TransferSyntax is set (C-STORE), else Part 10.
	Data           io.Reader
	TransferSyntax string
	// SOPClassUID and SOPInstanceUID as the command or request announced them; empty: not
	// announced. A data set that says otherwise is errs.Mismatch. A bare data set needs both.
	SOPClassUID    string
	SOPInstanceUID string
	// StudyInstanceUID, when set, must be the data set's (STOW to /studies/{study}).
	StudyInstanceUID string
	SourceAET        string
}

// Stored says what became of an object. It is filled as far as known even on error, so that a
// door can name the instance it refuses.
type Stored struct {
	index.Ref
	SOPClassUID string
	Duplicate   bool // the same data set was there already; nothing changed
	Replaced    bool
}

// Store takes one object in, streaming. It returns after blob and index are durable; on error
// nothing stays. Damaged objects are errs.Invalid, objects that contradict themselves or the
// request errs.Mismatch, other bytes under a stored UID errs.Conflict (see Policy), a full disk
// errs.Exhausted.
func (a *Archive) Store(ctx context.Context, t storage.TenantID, in Incoming) (Stored, error) {
	begun := time.Now()
	stored, size, err := a.store(ctx, t, in)
	a.audit(ctx, Access{Tenant: t, Action: Received, Ref: stored.Ref, Err: err})
	a.metrics.stored(begun, size, stored, err)
	return stored, err
}

func (a *Archive) store(ctx context.Context, t storage.TenantID, in Incoming) (Stored, int64, error) {
	known := Stored{Ref: index.Ref{SOPInstanceUID: in.SOPInstanceUID}, SOPClassUID: in.SOPClassUID}
	if err := a.admit(ctx, t); err != nil {
		return known, 0, err
	}
	w, err := a.blobs.Create(ctx, t)
	if err != nil {
		return known, 0, err
	}
	defer w.Abort()
	h, head, size, err := a.receive(w, in)
	if err != nil {
		return known, size, err
	}
	known, err = identify(h, in)
	if err != nil {
		return known, size, err
	}
	if err := ctx.Err(); err != nil {
		return known, size, errs.E(errs.Canceled, "archive.Store", err)
	}
	row, err := instance(h, known, in.SourceAET)
	if err != nil {
		return known, size, err
	}
	row.Blob, err = w.Commit(ctx)
	if err != nil {
		return known, size, err
	}
	row.DatasetCRC = crcBehind(row.Blob.CRC32C, head[:h.DatasetOffset], row.Blob.Location.Length-h.DatasetOffset)
	// From here on the bytes are durable: what follows must not be cut short by the peer.
	stored, err := a.enter(context.WithoutCancel(ctx), t, row, known)
	if err == nil && !stored.Duplicate {
		a.quotas.count(t, size)
		a.changed()
	}
	return stored, size, err
}

// maxHead bounds preamble and File Meta Information.
const maxHead = 64 << 10

// receive streams the object into w while it is parsed. It returns the header, the first bytes
// of the object (at least up to the data set), and the object's size.
func (a *Archive) receive(w blob.Writer, in Incoming) (*dicom.Header, []byte, int64, error) {
	if in.TransferSyntax == "" {
		var err error
		if in, err = a.complete(in); err != nil {
			return nil, nil, 0, err
		}
	}
	r := recorder{src: in.Data, dst: w, keep: maxHead}
	src := dicom.Source{TransferSyntax: in.TransferSyntax}
	if in.TransferSyntax != "" {
		if in.SOPClassUID == "" || in.SOPInstanceUID == "" {
			return nil, nil, 0, errs.Errorf(errs.Mismatch, "archive.Store", "a bare data set needs SOP Class and Instance UID")
		}
		r.head = dicom.AppendMeta(nil, in.SOPClassUID, in.SOPInstanceUID, syntax(in.TransferSyntax), in.SourceAET)
		r.keep, r.size = 0, int64(len(r.head))
		src.Base = r.size
		if _, err := w.Write(r.head); err != nil {
			return nil, nil, 0, err
		}
	}
	h, err := dicom.ReadHeader(&r, src, a.cfg.Limits)
	switch {
	case r.failed != nil: // the disk's or the peer's fault, however the parser words it
		return nil, nil, r.size, r.failed
	case err != nil:
		return nil, nil, r.size, unreadable(err)
	}
	if h.DatasetOffset > int64(len(r.head)) {
		return nil, nil, r.size, errs.Errorf(errs.Invalid, "archive.Store", "file meta information is longer than %d bytes", maxHead)
	}
	return h, r.head, r.size, nil
}

// maxBareFile bounds files without preamble, which have to be read whole before it is known what
// to put before them.
const maxBareFile = 32 << 20

// complete looks whether the stream begins as Part 10 says. Old files begin with the meta header
// or with the data set itself (PS3.10 7.1 has no name for them); they are stored as the complete
// files they should have been, with the data set as it is.
func (a *Archive) complete(in Incoming) (Incoming, error) {
	const prefix = 128 + 4
	head := make([]byte, prefix)
	n, err := io.ReadFull(in.Data, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return in, interrupted(err)
	}
	rest := in.Data
	in.Data = io.MultiReader(bytes.NewReader(head[:n]), rest)
	if n == prefix && string(head[128:]) == "DICM" {
		return in, nil
	}
	// Group 0002 or 0008 comes first, in either byte order.
	if n < 8 || min(binary.LittleEndian.Uint16(head), binary.BigEndian.Uint16(head)) > 8 {
		return in, errs.Errorf(errs.Invalid, "archive.Store", "not a DICOM file")
	}
	whole, err := io.ReadAll(io.LimitReader(in.Data, maxBareFile+1))
	if err != nil {
		return in, interrupted(err)
	}
	if len(whole) > maxBareFile {
		return in, errs.Errorf(errs.Invalid, "archive.Store", "a file without preamble is larger than %d bytes", maxBareFile)
	}
	h, err := dicom.ReadHeader(bytes.NewReader(whole), dicom.Source{Lenient: true}, a.cfg.Limits)
	if err != nil {
		return in, unreadable(err)
	}
	if _, err := identify(h, in); err != nil {
		return in, err
	}
	in.SOPClassUID, in.SOPInstanceUID = h.Dataset.UID(tag.SOPClassUID), h.Dataset.UID(tag.SOPInstanceUID)
	in.TransferSyntax = h.TransferSyntax.UID
	in.Data = bytes.NewReader(whole[h.DatasetOffset:])
	return in, nil
}

// recorder hands the parser what the peer sends and writes every byte of it down.
type recorder struct {
	src    io.Reader
	dst    io.Writer
	head   []byte
	keep   int // bytes to keep in head
	size   int64
	failed error
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.src.Read(p)
	if n > 0 {
		if room := r.keep - len(r.head); room > 0 {
			r.head = append(r.head, p[:min(n, room)]...)
		}
		r.size += int64(n)
		if _, werr := r.dst.Write(p[:n]); werr != nil {
			r.failed = werr
			return n, werr
		}
	}
	if err != nil && err != io.EOF {
		r.failed = interrupted(err)
	}
	return n, err
}

// interrupted classifies what ended a stream early: unless the door knows better, the peer went
// away.
func interrupted(err error) error {
	if e := (*errs.Error)(nil); errors.As(err, &e) {
		return err
	}
	return errs.E(errs.Canceled, "archive.Store", err)
}

// unreadable says that an object beyond the parser's limits cannot be understood: that is a
// property of the object. As errs.Exhausted the peer would take it for ours and try again.
func unreadable(err error) error {
	if errs.Is(err, errs.Exhausted) {
		return errs.E(errs.Invalid, "archive.Store", err)
	}
	return err
}

// identify takes the UIDs from the header and holds them against what was announced.
func identify(h *dicom.Header, in Incoming) (Stored, error) {
	s := Stored{Ref: index.Ref{
		StudyInstanceUID:  h.Dataset.UID(tag.StudyInstanceUID),
		SeriesInstanceUID: h.Dataset.UID(tag.SeriesInstanceUID),
		SOPInstanceUID:    h.Dataset.UID(tag.SOPInstanceUID),
	}, SOPClassUID: h.Dataset.UID(tag.SOPClassUID)}
	const op = "archive.Store"
	for _, u := range []struct{ keyword, value string }{
		{"SOPClassUID", s.SOPClassUID}, {"SOPInstanceUID", s.SOPInstanceUID},
		{"StudyInstanceUID", s.StudyInstanceUID}, {"SeriesInstanceUID", s.SeriesInstanceUID},
	} {
		if u.value == "" {
			return named(s, in), errs.Errorf(errs.Mismatch, op, "%s is missing", u.keyword)
		}
		if !uid.Safe(u.value) {
			return named(s, in), errs.Errorf(errs.Mismatch, op, "%s is not a UID", u.keyword)
		}
	}
	switch {
	case in.SOPClassUID != "" && in.SOPClassUID != s.SOPClassUID:
		return named(s, in), errs.Errorf(errs.Mismatch, op, "SOPClassUID is not the one announced")
	case in.SOPInstanceUID != "" && in.SOPInstanceUID != s.SOPInstanceUID:
		return named(s, in), errs.Errorf(errs.Mismatch, op, "SOPInstanceUID is not the one announced")
	case in.StudyInstanceUID != "" && in.StudyInstanceUID != s.StudyInstanceUID:
		return s, errs.Errorf(errs.Mismatch, op, "StudyInstanceUID is not the one announced")
	}
	return s, nil
}

// named answers a refusal under the name the peer knows the object by.
func named(s Stored, in Incoming) Stored {
	if in.SOPInstanceUID != "" {
		s.SOPInstanceUID = in.SOPInstanceUID
	}
	if in.SOPClassUID != "" {
		s.SOPClassUID = in.SOPClassUID
	}
	return s
}

// instance makes the index row of a received object; Blob is still to be filled.
func instance(h *dicom.Header, s Stored, sourceAET string) (index.Instance, error) {
	header, err := dicom.AppendHeader(nil, h)
	if err != nil {
		return index.Instance{}, err
	}
	row := index.Instance{
		StudyInstanceUID: s.StudyInstanceUID, SeriesInstanceUID: s.SeriesInstanceUID, SOPInstanceUID: s.SOPInstanceUID,
		SOPClassUID: s.SOPClassUID, TransferSyntaxUID: h.TransferSyntax.UID,
		Dataset: h.Dataset, Header: header, DatasetOffset: h.DatasetOffset, SourceAET: sourceAET,
	}
	// Frames that cannot be told apart are no reason to refuse the object (a damaged offset
	// table, Rows missing): it is kept, and frame requests say what is wrong.
	if frames, err := pixel.Index(h); err == nil && frames != nil {
		row.Frames = frames.Append(nil)
	}
	return row, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// crcBehind returns the CRC-32C of the n bytes that follow head in a content whose checksum is
// whole: crc(head+rest) = crc(head)*x^(8n) + crc(rest) in GF(2) modulo the polynomial.
func crcBehind(whole uint32, head []byte, n int64) uint32 {
	return whole ^ crcBefore(crc32.Checksum(head, castagnoli), n)
}

// crcBefore returns crc*x^(8n): what bytes with that checksum add to the one of all when n follow.
func crcBefore(crc uint32, n int64) uint32 {
	power, square := uint32(1)<<31, uint32(1)<<30 // x^0 and x^1, bit-reflected
	for range 3 {                                 // x^8: a byte
		square = multiply(square, square)
	}
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			power = multiply(power, square)
		}
		square = multiply(square, square)
	}
	return multiply(power, crc)
}

// multiply multiplies two bit-reflected polynomials modulo Castagnoli's.
func multiply(a, b uint32) uint32 {
	var p uint32
	for m := uint32(1) << 31; m != 0; m >>= 1 {
		if a&m != 0 {
			p ^= b
		}
		carry := b & 1
		b >>= 1
		if carry != 0 {
			b ^= crc32.Castagnoli
		}
	}
	return p
}
