package archivetest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/all"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/blob/fs"
	"github.com/aurelius-imaging/aurelius/storage/blob/mem"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/sqlite"
)

// press is an installation that recompresses. Its engines work until a given call, which is
// carried out or not, and then no more: as if the process were killed there.
type press struct {
	t      *testing.T
	index  index.Index
	blobs  *mem.Store
	ledger *marks

	calls, fatal atomic.Int64 // fatal 0: never
	carriedOut   bool         // the fatal call too
}

func newPress(t *testing.T) *press {
	t.Helper()
	return &press{t: t, index: openIndex(t), blobs: mem.New(), ledger: &marks{m: map[string]string{}}}
}

func openIndex(t *testing.T) index.Index {
	t.Helper()
	ix, err := sqlite.Open(filepath.Join(t.TempDir(), "index.sqlite"), sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ix.Close() })
	return ix
}

// start starts a node, after a crash too.
func (p *press) start() *archive.Archive {
	return archive.New(archive.Config{Codecs: all.Codecs(), Grace: -1, Ledger: p.ledger, Recompress: dicom.JPEGLSLossless.UID},
		pressBlobs{p.blobs, p}, pressIndex{p.index, p})
}

// call runs what an engine is to do, unless the process is dead.
func (p *press) call(do func() error) error {
	n, fatal := p.calls.Add(1), p.fatal.Load()
	if fatal != 0 && n >= fatal {
		if n == fatal && p.carriedOut {
			_ = do()
		}
		return errKilled
	}
	return do()
}

type pressIndex struct {
	index.Index
	p *press
}

func (x pressIndex) Relocate(ctx context.Context, t storage.TenantID, from blob.Location, in index.Instance) (moved bool, err error) {
	err = x.p.call(func() error { moved, err = x.Index.Relocate(ctx, t, from, in); return err })
	return moved, err
}

func (x pressIndex) NoteErasure(ctx context.Context, t storage.TenantID, l blob.Location) (noted bool, err error) {
	err = x.p.call(func() error { noted, err = x.Index.NoteErasure(ctx, t, l); return err })
	return noted, err
}

func (x pressIndex) Erased(ctx context.Context, ls []blob.Location) error {
	return x.p.call(func() error { return x.Index.Erased(ctx, ls) })
}

type pressBlobs struct {
	*mem.Store
	p *press
}

func (b pressBlobs) Create(ctx context.Context, t storage.TenantID) (w blob.Writer, err error) {
	err = b.p.call(func() error { w, err = b.Store.Create(ctx, t); return err })
	return pressWriter{w, b.p}, err
}

func (b pressBlobs) Erase(ctx context.Context, ls ...blob.Location) error {
	return b.p.call(func() error { return b.Store.Erase(ctx, ls...) })
}

type pressWriter struct {
	blob.Writer
	p *press
}

func (w pressWriter) Commit(ctx context.Context) (r blob.Record, err error) {
	err = w.p.call(func() error { r, err = w.Writer.Commit(ctx); return err })
	return r, err
}

// marks is a ledger.
type marks struct {
	mu sync.Mutex
	m  map[string]string
}

func (m *marks) Mark(_ context.Context, name string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.m[name], nil
}

func (m *marks) SetMark(_ context.Context, name, value string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.m[name] = value
	return nil
}

func (*marks) Damaged(context.Context) ([]blob.Location, error) { return nil, nil }

func (*marks) SetDamaged(context.Context, blob.Location, bool) error { return nil }

// image makes a native object of two frames; n is in its first sample.
func image(t *testing.T, n int, ts dicom.TransferSyntax, content string) (in func() archive.Incoming, sop string, samples []byte) {
	t.Helper()
	d := &dicom.Dataset{}
	sop = fmt.Sprintf("1.2.3.%d", n)
	d.SetUID(tag.SOPClassUID, uid.CTImageStorage)
	d.SetUID(tag.SOPInstanceUID, sop)
	d.SetUID(tag.StudyInstanceUID, "1.2")
	d.SetUID(tag.SeriesInstanceUID, "1.2.3")
	d.SetText(tag.NumberOfFrames, "2")
	desc := codectest.Grey(48, 32, 12, 16, 0)
	if content == "noise" { // of all bits: nothing can be saved
		desc = codectest.Grey(48, 32, 16, 16, 0)
	}
	desc.Apply(d)
	for range 2 {
		f := codectest.Draw(desc, content)
		f.Data[0] = byte(n)
		samples = append(samples, f.Data...)
	}
	d.SetElement(dicom.Element{Tag: tag.PixelData, VR: vr.OW, Value: samples})
	b, err := dicom.AppendDataset(nil, d, ts)
	if err != nil {
		t.Fatal(err)
	}
	return func() archive.Incoming {
		return archive.Incoming{Data: bytes.NewReader(b), TransferSyntax: ts.UID, SOPClassUID: uid.CTImageStorage, SOPInstanceUID: sop}
	}, sop, samples
}

func mustStore(t *testing.T, a *archive.Archive, in archive.Incoming) archive.Stored {
	t.Helper()
	s, err := a.Store(t.Context(), tenant, in)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func records(t *testing.T, s blob.Store) (n int) {
	t.Helper()
	for _, err := range s.List(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// holds demands the samples of an instance, and the syntax it is in.
func holds(t *testing.T, a *archive.Archive, when, sop string, samples []byte, syntax string) {
	t.Helper()
	f, err := a.Frames(t.Context(), tenant, index.Ref{SOPInstanceUID: sop})
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	if syntax != "" && f.TransferSyntax.UID != syntax {
		t.Errorf("%s: %s lies in %s", when, sop, f.TransferSyntax)
	}
	var got []byte
	for n := 1; n <= f.Index.Frames(); n++ {
		frame, err := a.DecodeFrame(t.Context(), tenant, f, n)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		got = append(got, frame.Data...)
	}
	if !bytes.Equal(got, samples) {
		t.Errorf("%s: %s has other samples", when, sop)
	}
}

// TestRecompress: native images are kept in the syntax of the policy, the rest as it came, and
// what was received is known again: sent once more, after a rebuild, and when bytes are damaged.
func TestRecompress(t *testing.T) {
	t.Parallel()
	for _, ts := range []dicom.TransferSyntax{dicom.ExplicitVRLittleEndian, dicom.ImplicitVRLittleEndian, dicom.ExplicitVRBigEndian} {
		p := newPress(t)
		a := p.start()
		in, sop, samples := image(t, 1, ts, "natural")
		noisy, noise, _ := image(t, 2, ts, "noise") // larger in JPEG-LS
		mustStore(t, a, in())
		mustStore(t, a, noisy())
		entries, err := a.Select(t.Context(), tenant, index.Ref{SOPInstanceUID: sop})
		if err != nil {
			t.Fatal(err)
		}
		before, size := entries[0], entries[0].Location.Length
		changes, err := a.Changes(t.Context(), tenant, 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		report, err := a.RecompressOnce(t.Context(), tenant)
		if err != nil || report.Instances != 1 || report.Kept != 1 || !report.Finished || report.Before != size || report.After >= size {
			t.Fatalf("%+v, %v", report, err)
		}
		holds(t, a, "recompressed", sop, samples, dicom.JPEGLSLossless.UID)
		if e, err := a.Select(t.Context(), tenant, index.Ref{SOPInstanceUID: noise}); err != nil || e[0].TransferSyntaxUID != ts.UID {
			t.Errorf("what would grow was compressed: %v", err)
		}
		if n := records(t, p.blobs); n != 2 {
			t.Errorf("%d records, the old bytes are still there", n)
		}
		if now, err := a.Changes(t.Context(), tenant, 0, 10); err != nil || len(now) != len(changes) {
			t.Errorf("the feed has %d changes, had %d, %v", len(now), len(changes), err)
		}
		if again, err := a.RecompressOnce(t.Context(), tenant); err != nil || again.Instances+again.Kept != 0 || !again.Finished {
			t.Errorf("a second time: %+v, %v", again, err)
		}
		// Who had located it before gets it all the same, as it was.
		o, err := a.OpenDataset(t.Context(), tenant, before, dicom.ImplicitVRLittleEndian.UID)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(o.ReadCloser)
		o.Close()
		d, err2 := dicom.ParseDataset(b, dicom.ImplicitVRLittleEndian)
		if err != nil || err2 != nil || !bytes.Equal(d.Get(tag.PixelData).Value, samples) {
			t.Errorf("%s: the object is not as it was: %v, %v", ts, err, err2)
		}

		if s := mustStore(t, a, in()); !s.Duplicate {
			t.Errorf("%s: sent once more: %+v", ts, s)
		}
		other, _, _ := image(t, 1, ts, "flat")
		if _, err := a.Store(t.Context(), tenant, other()); !errs.Is(err, errs.Conflict) {
			t.Errorf("another object under its UID: %v", err)
		}
		if n := records(t, p.blobs); n != 2 {
			t.Errorf("%d records after duplicates", n)
		}

		p.index = openIndex(t) // lost
		a = p.start()
		if n, err := a.Rebuild(t.Context()); err != nil || n != 2 {
			t.Fatalf("rebuilt %d, %v", n, err)
		}
		holds(t, a, "rebuilt", sop, samples, dicom.JPEGLSLossless.UID)
		if s := mustStore(t, a, in()); !s.Duplicate {
			t.Errorf("%s: sent once more after a rebuild: %+v", ts, s)
		}

		entries, _ = a.Select(t.Context(), tenant, index.Ref{SOPInstanceUID: sop})
		p.blobs.Flip(entries[0].Location, entries[0].Location.Length-20)
		if s := mustStore(t, a, in()); !s.Replaced {
			t.Errorf("%s: sent once more over damage: %+v", ts, s)
		}
		holds(t, a, "healed", sop, samples, ts.UID)
	}
}

// TestRecompressAcrossCrashes kills the node at each call it makes of an engine, before and after
// it is carried out, and starts another.
func TestRecompressAcrossCrashes(t *testing.T) {
	t.Parallel()
	for _, carriedOut := range []bool{false, true} {
		for fatal := int64(1); ; fatal++ {
			p := newPress(t)
			a := p.start()
			in, sop, samples := image(t, 1, dicom.ExplicitVRLittleEndian, "natural")
			mustStore(t, a, in())
			p.calls.Store(0)
			p.carriedOut = carriedOut
			p.fatal.Store(fatal)
			_, _ = a.RecompressOnce(t.Context(), tenant)
			survived := p.calls.Load() < fatal
			p.fatal.Store(0)

			when := fmt.Sprintf("killed at call %d, carried out %v", fatal, carriedOut)
			a = p.start()
			if _, err := a.Recover(t.Context()); err != nil {
				t.Fatalf("%s: %v", when, err)
			}
			holds(t, a, when, sop, samples, "")
			if s := mustStore(t, a, in()); !s.Duplicate {
				t.Errorf("%s: sent once more: %+v", when, s)
			}
			if n := records(t, p.blobs); n != 1 {
				t.Errorf("%s: %d records", when, n)
			}
			p.ledger.m = map[string]string{}
			if _, err := a.RecompressOnce(t.Context(), tenant); err != nil {
				t.Errorf("%s: again: %v", when, err)
			}
			holds(t, a, when+", again", sop, samples, dicom.JPEGLSLossless.UID)
			if due, err := p.index.PendingErasures(t.Context()); err != nil || len(due) > 0 || records(t, p.blobs) != 1 {
				t.Errorf("%s: left over: %v, %d records, %v", when, due, records(t, p.blobs), err)
			}
			if survived {
				if fatal < 5 {
					t.Errorf("the story ended before call %d", fatal)
				}
				break
			}
		}
	}
}

// TestRecompressKeeps: what has changed meanwhile, is too young, or is damaged stays.
func TestRecompressKeeps(t *testing.T) {
	t.Parallel()
	p := newPress(t)
	in, sop, _ := image(t, 1, dicom.ExplicitVRLittleEndian, "natural")
	young := archive.New(archive.Config{Codecs: all.Codecs(), Ledger: p.ledger, Recompress: dicom.JPEGLSLossless.UID, RecompressAfter: time.Hour}, p.blobs, p.index)
	mustStore(t, young, in())
	if r, err := young.RecompressOnce(t.Context(), tenant); err != nil || r.Instances != 0 || !r.Finished {
		t.Errorf("too young: %+v, %v", r, err)
	}
	// Deleted between the look and the switch.
	a := archive.New(archive.Config{Codecs: all.Codecs(), Ledger: p.ledger, Recompress: dicom.JPEGLSLossless.UID}, p.blobs,
		deleting{p.index, func() { _, _ = p.index.Remove(t.Context(), tenant, index.Ref{SOPInstanceUID: sop}) }})
	if r, err := a.RecompressOnce(t.Context(), tenant); err != nil || r.Instances != 0 {
		t.Errorf("deleted meanwhile: %+v, %v", r, err)
	}
	if _, err := a.Select(t.Context(), tenant, index.Ref{}); !errs.Is(err, errs.NotFound) {
		t.Errorf("what was deleted is back: %v", err)
	}
	// Damaged.
	b := p.start()
	mustStore(t, b, in())
	e, err := b.Select(t.Context(), tenant, index.Ref{SOPInstanceUID: sop})
	if err != nil {
		t.Fatal(err)
	}
	p.blobs.Flip(e[0].Location, e[0].Location.Length-20)
	if r, err := b.RecompressOnce(t.Context(), tenant); err != nil || r.Instances != 0 || r.Kept != 1 {
		t.Errorf("damaged: %+v, %v", r, err)
	}
	for _, config := range []archive.Config{
		{Codecs: all.Codecs(), Ledger: p.ledger, Recompress: dicom.JPEGBaseline.UID},
		{Codecs: all.Codecs(), Ledger: p.ledger, Recompress: dicom.ExplicitVRLittleEndian.UID},
		{Codecs: codec.NewRegistry(), Ledger: p.ledger, Recompress: dicom.JPEGLSLossless.UID},
		{Codecs: all.Codecs(), Ledger: p.ledger},
	} {
		if _, err := archive.New(config, p.blobs, p.index).RecompressOnce(t.Context(), tenant); !errs.Is(err, errs.Unsupported) {
			t.Errorf("to %q: %v", config.Recompress, err)
		}
	}
}

// deleting deletes before it relocates.
type deleting struct {
	index.Index
	before func()
}

func (d deleting) Relocate(ctx context.Context, t storage.TenantID, from blob.Location, in index.Instance) (bool, error) {
	d.before()
	return d.Index.Relocate(ctx, t, from, in)
}

// TestRecompressOnFiles: packs on disk, where the old bytes are punched out.
func TestRecompressOnFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	blobs, err := fs.Open(fs.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	p := newPress(t)
	cfg := archive.Config{Codecs: all.Codecs(), Ledger: p.ledger, Recompress: dicom.RLELossless.UID, Grace: -1}
	a := archive.New(cfg, blobs, p.index)
	samples := map[string][]byte{}
	for n := range 5 {
		in, sop, pixels := image(t, n+1, dicom.ImplicitVRLittleEndian, "flat")
		mustStore(t, a, in())
		samples[sop] = pixels
	}
	if r, err := a.RecompressOnce(t.Context(), tenant); err != nil || r.Instances != 5 {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := blobs.Close(); err != nil {
		t.Fatal(err)
	}
	if blobs, err = fs.Open(fs.Config{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	defer blobs.Close()
	p.index = openIndex(t)
	a = archive.New(cfg, blobs, p.index)
	if n, err := a.Rebuild(t.Context()); err != nil || n != 5 || records(t, blobs) != 5 {
		t.Errorf("rebuilt %d of %d records, %v", n, records(t, blobs), err)
	}
	for sop, pixels := range samples {
		holds(t, a, "rebuilt from files", sop, pixels, dicom.RLELossless.UID)
	}
}
