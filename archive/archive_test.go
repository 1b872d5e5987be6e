package archive_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"runtime"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/blob/blobtest"
	"github.com/aurelius-imaging/aurelius/storage/blob/fs"
	"github.com/aurelius-imaging/aurelius/storage/blob/mem"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

const tenant = storage.DefaultTenant

// element is an explicit VR little endian data element.
func element(group, number uint16, vr string, value []byte) []byte {
	if len(value)%2 == 1 {
		pad := byte(' ')
		if vr == "UI" || vr == "OB" {
			pad = 0
		}
		value = append(bytes.Clone(value), pad)
	}
	b := binary.LittleEndian.AppendUint16(nil, group)
	b = binary.LittleEndian.AppendUint16(b, number)
	b = append(b, vr...)
	switch vr {
	case "OB", "OW", "UN", "SQ", "UT":
		b = append(b, 0, 0)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(value)))
	default:
		b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	}
	return append(b, value...)
}

func us(v uint16) []byte { return binary.LittleEndian.AppendUint16(nil, v) }

const ctImage = "1.2.840.10008.5.1.4.1.1.2"

// sample describes a small object.
type sample struct {
	study, series, sop string
	frames             string
	bits               uint16
	rows, columns      uint16
	pixels             []byte
}

// dataset encodes it; what is left empty has a default.
func (s sample) dataset() []byte {
	or := func(v, d string) []byte {
		if v == "" {
			v = d
		}
		return []byte(v)
	}
	if s.bits == 0 {
		s.bits, s.rows, s.columns = 8, 2, 2
	}
	if s.frames == "" {
		s.frames = "1"
	}
	if s.pixels == nil {
		s.pixels = []byte{1, 2, 3, 4}
	}
	return bytes.Join([][]byte{
		element(8, 0x16, "UI", []byte(ctImage)),
		element(8, 0x18, "UI", or(s.sop, "1.2.3.4")),
		element(0x10, 0x10, "PN", []byte("Doe^Jane")),
		element(0x10, 0x20, "LO", []byte("4711")),
		element(0x20, 0xd, "UI", or(s.study, "1.2.3")),
		element(0x20, 0xe, "UI", or(s.series, "1.2.3.1")),
		element(0x28, 2, "US", us(1)),
		element(0x28, 4, "CS", []byte("MONOCHROME2")),
		element(0x28, 8, "IS", []byte(s.frames)),
		element(0x28, 0x10, "US", us(s.rows)),
		element(0x28, 0x11, "US", us(s.columns)),
		element(0x28, 0x100, "US", us(s.bits)),
		element(0x28, 0x101, "US", us(s.bits)),
		element(0x28, 0x103, "US", us(0)),
		element(0x7fe0, 0x10, "OB", s.pixels),
	}, nil)
}

// incoming offers a data set as C-STORE does.
func incoming(dataset []byte, sop string) archive.Incoming {
	return archive.Incoming{
		Data: bytes.NewReader(dataset), TransferSyntax: dicom.ExplicitVRLittleEndian.UID,
		SOPClassUID: ctImage, SOPInstanceUID: sop, SourceAET: "CT1",
	}
}

func (s sample) incoming() archive.Incoming {
	if s.sop == "" {
		s.sop = "1.2.3.4"
	}
	return incoming(s.dataset(), s.sop)
}

// house is an archive with its stores in reach.
type house struct {
	*archive.Archive
	blobs blob.Store
	index *memIndex
}

func newHouse(cfg archive.Config) house {
	h := house{blobs: mem.New(), index: newMemIndex()}
	h.Archive = archive.New(cfg, h.blobs, h.index)
	return h
}

func (h house) mustStore(t *testing.T, in archive.Incoming) archive.Stored {
	t.Helper()
	s, err := h.Store(t.Context(), tenant, in)
	if err != nil {
		t.Fatalf("Store: %v", err)
	}
	return s
}

func (h house) mustSelect(t *testing.T, r index.Ref) []index.Entry {
	t.Helper()
	es, err := h.Select(t.Context(), tenant, r)
	if err != nil {
		t.Fatalf("Select: %v", err)
	}
	return es
}

func read(t *testing.T, o *archive.Object, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer o.Close()
	b, err := io.ReadAll(o.ReadCloser)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	if o.Size >= 0 && o.Size != int64(len(b)) {
		t.Errorf("Size %d, read %d", o.Size, len(b))
	}
	return b
}

func wantKind(t *testing.T, err error, kind errs.Kind) {
	t.Helper()
	if !errs.Is(err, kind) {
		t.Errorf("error %v, want %v", err, kind)
	}
}

func records(t *testing.T, s blob.Store) int { return len(blobtest.Records(t, s, nil)) }

func TestStore(t *testing.T) {
	t.Parallel()
	h := newHouse(archive.Config{})
	dataset := sample{}.dataset()
	stored := h.mustStore(t, incoming(dataset, "1.2.3.4"))
	want := archive.Stored{Ref: index.Ref{StudyInstanceUID: "1.2.3", SeriesInstanceUID: "1.2.3.1", SOPInstanceUID: "1.2.3.4"}, SOPClassUID: ctImage}
	if stored != want {
		t.Errorf("stored %+v, want %+v", stored, want)
	}
	e := h.mustSelect(t, index.Ref{StudyInstanceUID: "1.2.3"})[0]
	o, err := h.OpenDataset(t.Context(), tenant, e)
	if !bytes.Equal(read(t, o, err), dataset) {
		t.Error("the data set is not as received")
	}
	if e.DatasetCRC != crc32.Checksum(dataset, crc32.MakeTable(crc32.Castagnoli)) {
		t.Error("checksum of the data set is wrong")
	}
	o, err = h.OpenFile(t.Context(), tenant, e, 0, -1)
	file := read(t, o, err)
	f, err := dicom.Read(bytes.NewReader(file), dicom.Source{}, 0)
	if err != nil || f.TransferSyntax.UID != dicom.ExplicitVRLittleEndian.UID {
		t.Errorf("what is stored is no Part 10 file: %v", err)
	}
	o, err = h.OpenFile(t.Context(), tenant, e, 128, 4)
	if string(read(t, o, err)) != "DICM" {
		t.Error("a range of the file is wrong")
	}

	// The file goes in elsewhere as it is.
	other := newHouse(archive.Config{})
	other.mustStore(t, archive.Incoming{Data: iotest.OneByteReader(bytes.NewReader(file))})
	e = other.mustSelect(t, index.Ref{})[0]
	o, err = other.OpenFile(t.Context(), tenant, e, 0, -1)
	if !bytes.Equal(read(t, o, err), file) {
		t.Error("the file is not as received")
	}
	if e.DatasetCRC != crc32.Checksum(dataset, crc32.MakeTable(crc32.Castagnoli)) {
		t.Error("checksum of the data set in a file is wrong")
	}
}

func TestStoreRefuses(t *testing.T) {
	t.Parallel()
	without := func(number uint16) []byte {
		return bytes.Replace(sample{}.dataset(), element(0x20, number, "UI", map[uint16][]byte{0xd: []byte("1.2.3"), 0xe: []byte("1.2.3.1")}[number]),
			element(0x20, number, "UI", nil), 1)
	}
	tests := []struct {
		name string
		in   func() archive.Incoming
		want errs.Kind
	}{
		{"other SOP Instance UID than announced", func() archive.Incoming { return incoming(sample{}.dataset(), "1.2.3.5") }, errs.Mismatch},
		{"other SOP Class than announced", func() archive.Incoming {
			in := sample{}.incoming()
			in.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
			return in
		}, errs.Mismatch},
		{"other study than the request's", func() archive.Incoming {
			in := sample{}.incoming()
			in.StudyInstanceUID = "1.2.9"
			return in
		}, errs.Mismatch},
		{"bare data set without announcement", func() archive.Incoming {
			in := sample{}.incoming()
			in.SOPClassUID = ""
			return in
		}, errs.Mismatch},
		{"no study", func() archive.Incoming { return incoming(without(0xd), "1.2.3.4") }, errs.Mismatch},
		{"no series", func() archive.Incoming { return incoming(without(0xe), "1.2.3.4") }, errs.Mismatch},
		{"path in a UID", func() archive.Incoming { return sample{study: "../../etc"}.incoming() }, errs.Mismatch},
		{"cut", func() archive.Incoming { d := sample{}.dataset(); return incoming(d[:len(d)-20], "1.2.3.4") }, errs.Invalid},
		{"empty", func() archive.Incoming { return incoming(nil, "1.2.3.4") }, errs.Mismatch},
		{"not DICOM", func() archive.Incoming { return archive.Incoming{Data: bytes.NewReader([]byte("<html>"))} }, errs.Invalid},
		{"peer went away", func() archive.Incoming {
			in := sample{}.incoming()
			in.Data = io.MultiReader(io.LimitReader(in.Data, 100), iotest.ErrReader(errors.New("reset")))
			return in
		}, errs.Canceled},
		{"the door knows why the stream ended", func() archive.Incoming {
			in := sample{}.incoming()
			in.Data = io.MultiReader(io.LimitReader(in.Data, 100), iotest.ErrReader(errs.Errorf(errs.Exhausted, "door", "too large")))
			return in
		}, errs.Exhausted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(archive.Config{})
			_, err := h.Store(t.Context(), tenant, tt.in())
			wantKind(t, err, tt.want)
			if n := records(t, h.blobs); n != 0 || len(h.index.rows) != 0 {
				t.Errorf("%d records and %d rows stayed", n, len(h.index.rows))
			}
		})
	}
	t.Run("canceled", func(t *testing.T) {
		t.Parallel()
		h := newHouse(archive.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		in := sample{}.incoming()
		in.Data = io.MultiReader(in.Data, readFunc(func([]byte) (int, error) { cancel(); return 0, io.EOF }))
		_, err := h.Store(ctx, tenant, in)
		wantKind(t, err, errs.Canceled)
		if n := records(t, h.blobs); n != 0 {
			t.Errorf("%d records stayed", n)
		}
	})
	t.Run("index fails", func(t *testing.T) {
		t.Parallel()
		h := newHouse(archive.Config{})
		h.index.addErr = errs.Errorf(errs.Exhausted, "index.Add", "out of disk space")
		_, err := h.Store(t.Context(), tenant, sample{}.incoming())
		wantKind(t, err, errs.Exhausted)
		if n := records(t, h.blobs); n != 0 {
			t.Errorf("%d records stayed", n)
		}
		h.index.addErr = nil
		h.mustStore(t, sample{}.incoming())
	})
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(b []byte) (int, error) { return f(b) }

func TestDuplicates(t *testing.T) {
	t.Parallel()
	first, second := sample{}, sample{pixels: []byte{4, 3, 2, 1}}
	pixels := func(t *testing.T, h house) byte {
		t.Helper()
		f, err := h.Frames(t.Context(), tenant, index.Ref{SOPInstanceUID: "1.2.3.4"})
		if err != nil {
			t.Fatal(err)
		}
		o, err := h.OpenFrame(t.Context(), tenant, f, 1)
		return read(t, o, err)[0]
	}
	t.Run("identical", func(t *testing.T) {
		t.Parallel()
		h := newHouse(archive.Config{})
		h.mustStore(t, first.incoming())
		in := first.incoming()
		in.SourceAET = "ANOTHER" // only the meta header differs
		if s := h.mustStore(t, in); !s.Duplicate {
			t.Errorf("stored %+v, want a duplicate", s)
		}
		if n := records(t, h.blobs); n != 1 {
			t.Errorf("%d records, want 1", n)
		}
	})
	t.Run("different, keep first", func(t *testing.T) {
		t.Parallel()
		h := newHouse(archive.Config{})
		h.mustStore(t, first.incoming())
		s, err := h.Store(t.Context(), tenant, second.incoming())
		wantKind(t, err, errs.Conflict)
		if s.SOPInstanceUID != "1.2.3.4" {
			t.Errorf("the refusal names %q", s.SOPInstanceUID)
		}
		if n := records(t, h.blobs); n != 1 || pixels(t, h) != 1 {
			t.Errorf("%d records; the first must stay alone", n)
		}
	})
	t.Run("different, replace", func(t *testing.T) {
		t.Parallel()
		h := newHouse(archive.Config{Duplicates: archive.Replace})
		h.mustStore(t, first.incoming())
		if s := h.mustStore(t, second.incoming()); !s.Replaced {
			t.Errorf("stored %+v, want replaced", s)
		}
		if n := records(t, h.blobs); n != 1 || pixels(t, h) != 4 || len(h.index.pending) != 0 {
			t.Errorf("%d records, %d erasures due; the second must stay alone", n, len(h.index.pending))
		}
	})
	t.Run("at once", func(t *testing.T) {
		t.Parallel()
		h := newHouse(archive.Config{})
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, err := h.Store(t.Context(), tenant, first.incoming()); err != nil {
					t.Errorf("Store: %v", err)
				}
			})
		}
		wg.Wait()
		if n := records(t, h.blobs); n != 1 {
			t.Errorf("%d records, want 1", n)
		}
	})
}

func TestFrames(t *testing.T) {
	t.Parallel()
	frame := func(t *testing.T, h house, n int) []byte {
		t.Helper()
		f, err := h.Frames(t.Context(), tenant, index.Ref{SOPInstanceUID: "1.2.3.4"})
		if err != nil {
			t.Fatal(err)
		}
		o, err := h.OpenFrame(t.Context(), tenant, f, n)
		return read(t, o, err)
	}
	t.Run("native", func(t *testing.T) {
		t.Parallel()
		h := newHouse(archive.Config{})
		h.mustStore(t, sample{frames: "3", bits: 8, rows: 1, columns: 4, pixels: []byte("aaaabbbbcccc")}.incoming())
		for i, want := range []string{"aaaa", "bbbb", "cccc"} {
			if got := frame(t, h, i+1); string(got) != want {
				t.Errorf("frame %d is %q, want %q", i+1, got, want)
			}
		}
		f, err := h.Frames(t.Context(), tenant, index.Ref{SOPInstanceUID: "1.2.3.4"})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{-1, 0, 4, 1 << 40} {
			_, err := h.OpenFrame(t.Context(), tenant, f, n)
			wantKind(t, err, errs.NotFound)
		}
	})
	t.Run("bit-packed", func(t *testing.T) {
		t.Parallel()
		for _, columns := range []uint16{1, 3, 5, 7, 8, 11, 13, 1021} {
			const frames = 5
			h := newHouse(archive.Config{})
			want := make([][]byte, frames)
			packed := make([]byte, (frames*int(columns)+7)/8)
			for f := range frames {
				want[f] = make([]byte, (columns+7)/8)
				for c := range int(columns) {
					if (c*c+f*7+c/3)%3 == 0 {
						want[f][c/8] |= 1 << (c % 8)
						at := f*int(columns) + c
						packed[at/8] |= 1 << (at % 8)
					}
				}
			}
			h.mustStore(t, sample{frames: "5", bits: 1, rows: 1, columns: columns, pixels: packed}.incoming())
			for f := range frames {
				if got := frame(t, h, f+1); !bytes.Equal(got, want[f]) {
					t.Errorf("%d columns, frame %d: %08b, want %08b", columns, f+1, got, want[f])
				}
			}
		}
	})
	t.Run("damaged", func(t *testing.T) {
		t.Parallel()
		h := newHouse(archive.Config{})
		h.mustStore(t, sample{frames: "1000000000", bits: 8, rows: 1, columns: 4}.incoming())
		_, err := h.Frames(t.Context(), tenant, index.Ref{SOPInstanceUID: "1.2.3.4"})
		wantKind(t, err, errs.Invalid)
	})
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		h := newHouse(archive.Config{})
		d := sample{}.dataset()
		h.mustStore(t, incoming(d[:bytes.Index(d, []byte{0xe0, 0x7f, 0x10, 0})], "1.2.3.4"))
		_, err := h.Frames(t.Context(), tenant, index.Ref{SOPInstanceUID: "1.2.3.4"})
		wantKind(t, err, errs.NotFound)
		_, err = h.Frames(t.Context(), tenant, index.Ref{SOPInstanceUID: "9.9"})
		wantKind(t, err, errs.NotFound)
	})
}

func TestOpenDatasetConverts(t *testing.T) {
	t.Parallel()
	h := newHouse(archive.Config{})
	h.mustStore(t, sample{}.incoming())
	e := h.mustSelect(t, index.Ref{})[0]
	o, err := h.OpenDataset(t.Context(), tenant, e, dicom.ImplicitVRLittleEndian.UID)
	if err != nil {
		t.Fatal(err)
	}
	if o.Size != -1 || o.TransferSyntax.UID != dicom.ImplicitVRLittleEndian.UID {
		t.Errorf("opened %d bytes of %s", o.Size, o.TransferSyntax.UID)
	}
	f, err := dicom.Read(o, dicom.Source{TransferSyntax: o.TransferSyntax.UID}, 0)
	if err != nil {
		t.Fatal(err)
	}
	o.Close()
	if got := f.Dataset.UID(tag.SOPInstanceUID); got != "1.2.3.4" {
		t.Errorf("SOP Instance UID %q", got)
	}
	if got := f.Dataset.Get(tag.PixelData).Value; !bytes.Equal(got, []byte{1, 2, 3, 4}) {
		t.Errorf("pixels %v", got)
	}
	_, err = h.OpenDataset(t.Context(), tenant, e, dicom.JPEG2000Lossless.UID)
	wantKind(t, err, errs.Unsupported)

	// Nobody reads: Close must not hang, and the object can go.
	o, err = h.OpenDataset(t.Context(), tenant, e, dicom.ImplicitVRLittleEndian.UID)
	if err != nil {
		t.Fatal(err)
	}
	o.Close()
	if err := h.Delete(t.Context(), tenant, index.Ref{StudyInstanceUID: "1.2.3"}); err != nil || records(t, h.blobs) != 0 {
		t.Errorf("Delete: %v, %d records stay", err, records(t, h.blobs))
	}
}

// zeros is a stream of n zero bytes that takes no memory.
type zeros struct{ n int64 }

func (z *zeros) Read(b []byte) (int, error) {
	if z.n == 0 {
		return 0, io.EOF
	}
	k := int(min(int64(len(b)), z.n))
	clear(b[:k])
	z.n -= int64(k)
	return k, nil
}

func TestMemoryDoesNotGrowWithTheObject(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 400 MB")
	}
	blobs, err := fs.Open(fs.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer blobs.Close()
	a := archive.New(archive.Config{}, blobs, newMemIndex())
	const size = 100 << 20
	head := sample{}.dataset()
	head = head[:len(head)-8]
	head = binary.LittleEndian.AppendUint32(head, size)

	var peak uint64
	stop, stopped := make(chan struct{}), make(chan struct{})
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	go func() {
		defer close(stopped)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapInuse)
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			sop := "1.2.3.100." + string(rune('1'+i))
			d := bytes.Replace(head, element(8, 0x18, "UI", []byte("1.2.3.4")), element(8, 0x18, "UI", []byte(sop)), 1)
			in := incoming(nil, sop)
			in.Data = io.MultiReader(bytes.NewReader(d), &zeros{size})
			if _, err := a.Store(t.Context(), tenant, in); err != nil {
				t.Errorf("Store: %v", err)
			}
		})
	}
	wg.Wait()
	close(stop)
	<-stopped
	if grown := int64(peak) - int64(before.HeapInuse); grown > 24<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}
