package archive_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/native"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/blob/mem"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

var (
	explicitLE = dicom.ExplicitVRLittleEndian.UID
	implicitLE = dicom.ImplicitVRLittleEndian.UID
	rleUID     = dicom.RLELossless.UID
	jlsUID     = dicom.JPEGLSLossless.UID
	jpegUID    = dicom.JPEGBaseline.UID
)

// movie is an object of frames in a transfer syntax.
type movie struct {
	syntax dicom.TransferSyntax
	frames []codec.Frame
	set    func(*dicom.Dataset)
}

func newMovie(ts dicom.TransferSyntax, d codec.Description, n int, content string) movie {
	m := movie{syntax: ts}
	for i := range n {
		f := codectest.Draw(d, content)
		f.Data[0] = byte(i) & (1<<min(d.BitsStored, 8) - 1) // no two are the same
		m.frames = append(m.frames, f)
	}
	return m
}

func encoded(t testing.TB, uid string, f codec.Frame) []byte {
	t.Helper()
	if ts, _ := dicom.LookupTransferSyntax(uid); !ts.Encapsulated {
		uid = explicitLE
	}
	e, err := codecs.Encoder(uid)
	if err != nil {
		t.Fatal(err)
	}
	b, err := e.Encode(nil, f, codec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return append(b, make([]byte, len(b)%2)...)
}

func (m movie) dataset(t testing.TB) *dicom.Dataset {
	t.Helper()
	d := &dicom.Dataset{}
	d.SetUID(tag.SOPClassUID, ctImage)
	d.SetUID(tag.SOPInstanceUID, "1.2.3.4")
	d.SetText(tag.PatientID, "4711")
	d.SetUID(tag.StudyInstanceUID, "1.2.3")
	d.SetUID(tag.SeriesInstanceUID, "1.2.3.1")
	d.SetText(tag.NumberOfFrames, fmt.Sprint(len(m.frames)))
	m.frames[0].Description.Apply(d)
	e := dicom.Element{Tag: tag.PixelData, VR: vr.OB}
	if m.syntax.Encapsulated {
		e.Undefined, e.Fragments = true, [][]byte{{}}
	}
	for _, f := range m.frames {
		b := encoded(t, m.syntax.UID, f)
		if m.syntax.Encapsulated {
			e.Fragments = append(e.Fragments, b)
		} else {
			e.Value = append(e.Value, b...)
		}
	}
	d.SetElement(e)
	d.SetText(tag.DataSetTrailingPadding, "behind")
	if m.set != nil {
		m.set(d)
	}
	return d
}

func (h house) storeMovie(t testing.TB, m movie) index.Entry {
	t.Helper()
	b, err := dicom.AppendDataset(nil, m.dataset(t), m.syntax)
	if err != nil {
		t.Fatal(err)
	}
	in := incoming(b, "1.2.3.4")
	in.TransferSyntax = m.syntax.UID
	if _, err := h.Store(t.Context(), tenant, in); err != nil {
		t.Fatal(err)
	}
	es, err := h.Select(t.Context(), tenant, index.Ref{SOPInstanceUID: "1.2.3.4"})
	if err != nil {
		t.Fatal(err)
	}
	return es[0]
}

// as reads the object in another transfer syntax.
func (h house) as(t *testing.T, e index.Entry, uid string) *dicom.File {
	t.Helper()
	o, err := h.OpenFileAs(t.Context(), tenant, e, uid)
	b := read(t, o, err)
	f, err := dicom.Read(bytes.NewReader(b), dicom.Source{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if behind := f.Dataset.Get(tag.DataSetTrailingPadding); f.TransferSyntax.UID != uid || behind == nil || string(behind.Value) != "behind" {
		t.Errorf("%s, %v behind the pixel data", f.TransferSyntax, behind)
	}
	return f
}

// counting counts what is opened.
type counting struct {
	*mem.Store
	opened, bytes atomic.Int64
}

func (c *counting) Open(ctx context.Context, l blob.Location, off, n int64) (io.ReadCloser, error) {
	c.opened.Add(1)
	if n < 0 {
		n = l.Length - off
	}
	c.bytes.Add(n)
	return c.Store.Open(ctx, l, off, n)
}

// TestOneFrameOfMany: one transcoded frame of 300 is one ranged read of that frame, once for all
// who ask for it at a time, and none for those who come later.
func TestOneFrameOfMany(t *testing.T) {
	t.Parallel()
	blobs := &counting{Store: mem.New()}
	h := house{blobs: blobs, index: newMemIndex()}
	h.Archive = archive.New(archive.Config{Codecs: codecs}, blobs, h.index)
	m := newMovie(dicom.RLELossless, codectest.Grey(64, 64, 12, 16, 0), 300, "natural")
	e := h.storeMovie(t, m)
	f, err := h.Frames(t.Context(), tenant, e.Ref)
	if err != nil {
		t.Fatal(err)
	}
	blobs.opened.Store(0)
	blobs.bytes.Store(0)
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			o, err := h.OpenFrameAs(t.Context(), tenant, f, 150, jlsUID)
			if err != nil {
				t.Error(err)
				return
			}
			defer o.Close()
			b, err := io.ReadAll(o.ReadCloser)
			if got, _ := codecs.Decoder(jlsUID); err == nil {
				frame, err := got.Decode(b, m.frames[0].Description, nil)
				if err != nil || !bytes.Equal(frame.Data, m.frames[149].Data) {
					t.Errorf("another frame: %v", err)
				}
			}
		})
	}
	group.Wait()
	frame := int64(len(encoded(t, rleUID, m.frames[149])))
	if n, b := blobs.opened.Load(), blobs.bytes.Load(); n != 1 || b != frame {
		t.Errorf("%d reads of %d bytes, the frame has %d", n, b, frame)
	}
	o, err := h.OpenFrameAs(t.Context(), tenant, f, 150, jlsUID)
	read(t, o, err)
	if n := blobs.opened.Load(); n != 1 {
		t.Errorf("it was read again: %d", n)
	}
	_, err = h.OpenFrameAs(t.Context(), tenant, f, 301, jlsUID)
	wantKind(t, err, errs.NotFound)
	_, err = h.OpenFrameAs(t.Context(), tenant, f, 1, "1.2.3")
	wantKind(t, err, errs.Unsupported)
}

// slow counts the frames it works on, and those that were made.
type slow struct {
	native.Codec
	working, most, made *atomic.Int64
}

func (s slow) TransferSyntax() dicom.TransferSyntax { return dicom.RLELossless }

func (s slow) Encode(dst []byte, f codec.Frame, o codec.Options) ([]byte, error) {
	n := s.working.Add(1)
	for old := s.most.Load(); n > old && !s.most.CompareAndSwap(old, n); old = s.most.Load() {
	}
	runtime.Gosched()
	s.working.Add(-1)
	s.made.Add(1)
	return s.Codec.Encode(dst, f, o)
}

// TestManyFrames: a list of 5,000 is made in order, on no more CPUs than there are, and never far
// ahead of who reads it.
func TestManyFrames(t *testing.T) {
	t.Parallel()
	var working, most, made atomic.Int64
	registry := codec.NewRegistry(append(native.Codecs(), slow{working: &working, most: &most, made: &made})...)
	h := newHouse(archive.Config{Codecs: registry, TranscodedCache: 1})
	m := newMovie(dicom.ExplicitVRLittleEndian, codectest.Grey(4, 4, 8, 8, 0), 200, "flat")
	e := h.storeMovie(t, m)
	f, err := h.Frames(t.Context(), tenant, e.Ref)
	if err != nil {
		t.Fatal(err)
	}
	list := make([]int, 5000)
	for i := range list {
		list[i] = i*7%200 + 1
	}
	i := 0
	for o, err := range h.OpenFrames(t.Context(), tenant, f, list, rleUID) {
		b := read(t, o, err)
		if b[0] != byte(list[i]-1) {
			t.Fatalf("number %d is frame %d, want %d", i, b[0]+1, list[i])
		}
		if i++; made.Load() > int64(i+2*runtime.GOMAXPROCS(0)+1) {
			t.Fatalf("%d were made when %d had been read", made.Load(), i)
		}
	}
	if i != len(list) || most.Load() > int64(runtime.GOMAXPROCS(0)) {
		t.Errorf("%d frames, %d at a time on %d CPUs", i, most.Load(), runtime.GOMAXPROCS(0))
	}
	// Who leaves in the middle leaves nothing running.
	for o, err := range h.OpenFrames(t.Context(), tenant, f, list, rleUID) {
		read(t, o, err)
		break
	}
	if working.Load() != 0 {
		t.Error("frames are still made for somebody who left")
	}
}

// TestPackedFrames: single bits, whose frames share bytes, through a codec and back.
func TestPackedFrames(t *testing.T) {
	t.Parallel()
	h := newHouse(archive.Config{Codecs: codecs})
	m := newMovie(dicom.EncapsulatedUncompressed, codectest.Grey(3, 7, 1, 1, 0), 5, "noise")
	e := h.storeMovie(t, m)
	var bits []byte
	for _, f := range m.frames {
		bits = append(bits, f.Data...)
	}
	want := make([]byte, (len(bits)+7)/8+((len(bits)+7)/8)%2)
	for i, b := range bits {
		want[i/8] |= b << (i % 8)
	}
	f := h.as(t, e, explicitLE)
	if got := f.Dataset.Get(tag.PixelData).Value; !bytes.Equal(got, want) {
		t.Errorf("native: %x, want %x", got, want)
	}
	again := newHouse(archive.Config{Codecs: codecs})
	in := archive.Incoming{}
	b, err := f.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	in.Data = bytes.NewReader(b)
	again.mustStore(t, in)
	back := again.as(t, again.mustSelect(t, e.Ref)[0], dicom.EncapsulatedUncompressed.UID)
	for i, fragment := range back.Dataset.Get(tag.PixelData).Fragments[1:] {
		if !bytes.Equal(fragment, encoded(t, dicom.EncapsulatedUncompressed.UID, m.frames[i])) {
			t.Errorf("frame %d came back as %x", i+1, fragment)
		}
	}
}

// TestOffsetTable: it is filled when every frame is made before the first byte leaves.
func TestOffsetTable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ frames, want int }{{3, 3}, {40, 0}} {
		h := newHouse(archive.Config{Codecs: codecs})
		m := newMovie(dicom.ExplicitVRLittleEndian, codectest.Grey(512, 512, 8, 8, 0), c.frames, "noise")
		f := h.as(t, h.storeMovie(t, m), rleUID)
		fragments := f.Dataset.Get(tag.PixelData).Fragments
		table := fragments[0]
		if len(table) != 4*c.want || len(fragments) != c.frames+1 {
			t.Errorf("%d frames: a table of %d bytes, %d fragments", c.frames, len(table), len(fragments)-1)
			continue
		}
		for i := range c.want {
			at := 0
			for _, b := range fragments[1 : i+1] {
				at += 8 + len(b)
			}
			if got := int(table[4*i]) | int(table[4*i+1])<<8 | int(table[4*i+2])<<16; got != at {
				t.Errorf("frame %d lies at %d, the table says %d", i+1, at, got)
			}
		}
	}
}

// TestIcons: an icon in the syntax of the object comes as samples, a native one as it is.
func TestIcons(t *testing.T) {
	t.Parallel()
	small := codectest.Draw(codectest.Grey(8, 8, 8, 8, 0), "noise")
	large := codectest.Draw(codectest.Grey(100, 100, 8, 8, 0), "noise") // stays in the object
	for _, icon := range []codec.Frame{small, large} {
		for _, compressed := range []bool{true, false} {
			h := newHouse(archive.Config{Codecs: codecs})
			m := newMovie(dicom.RLELossless, codectest.Grey(16, 16, 8, 8, 0), 1, "natural")
			m.set = func(d *dicom.Dataset) {
				item := &dicom.Dataset{}
				icon.Description.Apply(item)
				e := dicom.Element{Tag: tag.PixelData, VR: vr.OB, Value: icon.Data}
				if compressed {
					e = dicom.Element{Tag: tag.PixelData, VR: vr.OB, Undefined: true, Fragments: [][]byte{{}, encoded(t, rleUID, icon)}}
				}
				item.SetElement(e)
				d.SetItems(tag.IconImageSequence, item)
			}
			e := h.storeMovie(t, m)
			for _, to := range []string{explicitLE, implicitLE, jlsUID, dicom.DeflatedExplicitVRLittleEndian.UID} {
				f := h.as(t, e, to)
				got := f.Dataset.Items(tag.IconImageSequence)[0].Get(tag.PixelData)
				if got.Fragments != nil || !bytes.Equal(got.Value, icon.Data) {
					t.Errorf("compressed %v, %d bytes: as %s the icon has %d bytes", compressed, len(icon.Data), to, len(got.Value))
				}
			}
		}
	}
}

// TestDamagedFrameOfObject: it is an error before the first byte, and of that frame alone.
func TestDamagedFrameOfObject(t *testing.T) {
	t.Parallel()
	h := newHouse(archive.Config{Codecs: codecs})
	m := newMovie(dicom.JPEGLSLossless, codectest.Grey(64, 64, 8, 8, 0), 5, "natural")
	m.set = func(d *dicom.Dataset) {
		e := d.Get(tag.PixelData)
		e.Fragments[3] = e.Fragments[3][:len(e.Fragments[3])/4*2]
	}
	e := h.storeMovie(t, m)
	_, err := h.OpenDataset(t.Context(), tenant, e, implicitLE)
	wantKind(t, err, errs.Invalid)
	if !strings.Contains(errs.Safe(err), "frame 3") {
		t.Errorf("%v does not name the frame", err)
	}
	f, err := h.Frames(t.Context(), tenant, e.Ref)
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 5; n++ {
		_, err := h.DecodeFrame(t.Context(), tenant, f, n)
		if _, as := h.OpenFrameAs(t.Context(), tenant, f, n, explicitLE); errs.Is(err, errs.Invalid) != (n == 3) || errs.Is(as, errs.Invalid) != (n == 3) {
			t.Errorf("frame %d: %v, %v", n, err, as)
		}
	}
	o, err := h.OpenDataset(t.Context(), tenant, e, implicitLE, e.TransferSyntaxUID)
	read(t, o, err)
}

// TestLossyOnRequest: never unless its name is the request, and then it says what it is.
func TestLossyOnRequest(t *testing.T) {
	t.Parallel()
	h := newHouse(archive.Config{Codecs: codecs})
	m := newMovie(dicom.ExplicitVRLittleEndian, codectest.Grey(64, 64, 8, 8, 0), 2, "natural")
	private := tag.New(0x0029, 0x1001)
	m.set = func(d *dicom.Dataset) {
		d.SetText(tag.ImageType, "ORIGINAL", "PRIMARY", "AXIAL")
		frame := func(kind ...string) *dicom.Dataset {
			return item(func(d *dicom.Dataset) {
				d.SetItems(tag.CTImageFrameTypeSequence, item(func(d *dicom.Dataset) { d.SetText(tag.FrameType, kind...) }))
				d.SetElement(dicom.Element{Tag: private, VR: vr.OB, Value: bytes.Repeat([]byte{1, 2}, 4<<10)}) // left in the object
			})
		}
		d.SetItems(tag.SharedFunctionalGroupsSequence, frame("ORIGINAL", "PRIMARY", "VOLUME", "NONE"))
		d.SetItems(tag.PerFrameFunctionalGroupsSequence, frame("ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"), &dicom.Dataset{})
	}
	e := h.storeMovie(t, m)
	_, err := h.OpenDataset(t.Context(), tenant, e, jpegUID)
	wantKind(t, err, errs.Unsupported)
	o, err := h.OpenDataset(t.Context(), tenant, e, jpegUID, rleUID)
	if read(t, o, err); o.TransferSyntax.UID != rleUID {
		t.Errorf("came as %s", o.TransferSyntax)
	}
	d := h.as(t, e, jpegUID).Dataset
	if got := d.Texts(tag.ImageType); !slices.Equal(got, []string{"DERIVED", "PRIMARY", "AXIAL"}) {
		t.Errorf("Image Type %q", got)
	}
	for where, kind := range map[tag.Tag]string{tag.SharedFunctionalGroupsSequence: "VOLUME", tag.PerFrameFunctionalGroupsSequence: "LOCALIZER"} {
		group := d.Items(where)[0]
		if got := group.Items(tag.CTImageFrameTypeSequence)[0].Texts(tag.FrameType); !slices.Equal(got, []string{"DERIVED", "PRIMARY", kind, "NONE"}) {
			t.Errorf("%s: Frame Type %q", where.Keyword(), got)
		}
		if v := group.Get(private); v == nil || !bytes.Equal(v.Value, bytes.Repeat([]byte{1, 2}, 4<<10)) {
			t.Errorf("%s: a private value is another one", where.Keyword())
		}
	}
	ratio := d.Floats(tag.LossyImageCompressionRatio)
	if d.Text(tag.LossyImageCompression) != "01" || d.Text(tag.LossyImageCompressionMethod) != "ISO_10918_1" || len(ratio) != 1 || ratio[0] < 1.5 {
		t.Errorf("Lossy Image Compression %q, Ratio %v, Method %q", d.Text(tag.LossyImageCompression), ratio, d.Text(tag.LossyImageCompressionMethod))
	}
	if v := d.Lookup(tag.DerivationCodeSequence, tag.CodeValue); v == nil || strings.TrimSpace(string(v.Value)) != "113040" {
		t.Error("Derivation Code Sequence does not say Lossy Compression")
	}
	source := d.Items(tag.SourceImageSequence)[0]
	if uid := d.UID(tag.SOPInstanceUID); uid == e.SOPInstanceUID || source.UID(tag.ReferencedSOPInstanceUID) != e.SOPInstanceUID {
		t.Errorf("instance %s of %s", uid, source.UID(tag.ReferencedSOPInstanceUID))
	}

	// What was lost stays said: in the marks that were there, and where only the syntax told.
	other := newHouse(archive.Config{Codecs: codecs})
	jpeg := newMovie(dicom.JPEGBaseline, codectest.Grey(64, 64, 8, 8, 0), 2, "natural")
	d = other.as(t, other.storeMovie(t, jpeg), explicitLE).Dataset
	if d.Text(tag.LossyImageCompression) != "01" || d.Text(tag.LossyImageCompressionMethod) != "ISO_10918_1" || d.UID(tag.SOPInstanceUID) != "1.2.3.4" {
		t.Errorf("decompressed: lossy %q, %q, instance %s", d.Text(tag.LossyImageCompression), d.Text(tag.LossyImageCompressionMethod), d.UID(tag.SOPInstanceUID))
	}
}

// TestWithoutCodecs: nothing is decoded, and what cannot be decoded is said.
func TestWithoutCodecs(t *testing.T) {
	t.Parallel()
	h := newHouse(archive.Config{})
	e := h.storeMovie(t, newMovie(dicom.RLELossless, codectest.Grey(8, 8, 8, 8, 0), 2, "natural"))
	_, err := h.OpenDataset(t.Context(), tenant, e, implicitLE)
	wantKind(t, err, errs.Unsupported)
	f, err := h.Frames(t.Context(), tenant, e.Ref)
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.OpenFrameAs(t.Context(), tenant, f, 1, explicitLE)
	wantKind(t, err, errs.Unsupported)
	if got := h.Lossless(rleUID); !slices.Equal(got, []string{rleUID}) {
		t.Errorf("it can be had in %v", got)
	}
	if got := h.Lossless(implicitLE); !slices.Equal(got, []string{implicitLE, explicitLE}) {
		t.Errorf("native objects can be had in %v", got)
	}
}
