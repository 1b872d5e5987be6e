package archivetest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/gzipped"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/blob/mem"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/sqlite"
)

// plain writes of an instance what the tests look for.
var plain = archive.Form{Name: "plain", New: func() func([]byte, *dicom.Header) []byte {
	return func(dst []byte, h *dicom.Header) []byte { return append(dst, h.Dataset.UID(tag.SOPInstanceUID)...) }
}}

// node is an archive that seals, over stores that others may use as well.
type node struct {
	*archive.Archive
	t       *testing.T
	engines *engines
}

// engines are the stores of one installation. They work until a given call, and then no more:
// for the archive above that is as if the process were killed there.
type engines struct {
	index   index.Index
	blobs   *mem.Store
	derived *mem.Store

	calls, fatal atomic.Int64 // fatal 0: never
	before       func(op string)
}

var errKilled = errors.New("killed")

func newEngines(t *testing.T) *engines {
	ix, err := sqlite.Open(filepath.Join(t.TempDir(), "index.sqlite"), sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ix.Close() })
	return &engines{index: ix, blobs: mem.New(), derived: mem.New()}
}

func (e *engines) call(op string) error {
	if e.before != nil {
		e.before(op)
	}
	if n := e.calls.Add(1); e.fatal.Load() != 0 && n >= e.fatal.Load() {
		return errKilled
	}
	return nil
}

// start starts a node, after a crash or beside others.
func (e *engines) start(t *testing.T) node {
	a := archive.New(archive.Config{Derived: derived{e.derived, e}, SealAfter: -time.Hour, Form: plain, Grace: -1}, e.blobs, sealing{e.index, e})
	return node{a, t, e}
}

// sealing is the index as far as seals need it.
type sealing struct {
	index.Index
	e *engines
}

func (x sealing) Unsealed(ctx context.Context, quiet time.Time, limit int) (map[storage.TenantID][]index.SeriesState, error) {
	if err := x.e.call("Unsealed"); err != nil {
		return nil, err
	}
	return x.Index.Unsealed(ctx, quiet, limit)
}

func (x sealing) Seal(ctx context.Context, t storage.TenantID, s index.SeriesState, seal index.Seal) (bool, error) {
	if err := x.e.call("Seal"); err != nil {
		return false, err
	}
	return x.Index.Seal(ctx, t, s, seal)
}

func (x sealing) Remove(ctx context.Context, t storage.TenantID, r index.Ref) ([]blob.Location, error) {
	if err := x.e.call("Remove"); err != nil {
		return nil, err
	}
	return x.Index.Remove(ctx, t, r)
}

func (x sealing) StaleSeals(ctx context.Context) ([]blob.Location, error) {
	if err := x.e.call("StaleSeals"); err != nil {
		return nil, err
	}
	return x.Index.StaleSeals(ctx)
}

func (x sealing) SealsErased(ctx context.Context, ls []blob.Location) error {
	if err := x.e.call("SealsErased"); err != nil {
		return err
	}
	return x.Index.SealsErased(ctx, ls)
}

// derived is the store of derived objects.
type derived struct {
	blob.Store
	e *engines
}

func (d derived) Create(ctx context.Context, t storage.TenantID) (blob.Writer, error) {
	if err := d.e.call("Create"); err != nil {
		return nil, err
	}
	w, err := d.Store.Create(ctx, t)
	return committing{w, d.e}, err
}

func (d derived) Erase(ctx context.Context, ls ...blob.Location) error {
	if err := d.e.call("Erase"); err != nil {
		return err
	}
	return d.Store.Erase(ctx, ls...)
}

type committing struct {
	blob.Writer
	e *engines
}

func (w committing) Commit(ctx context.Context) (blob.Record, error) {
	if err := w.e.call("Commit"); err != nil {
		return blob.Record{}, err
	}
	return w.Writer.Commit(ctx)
}

// put stores an instance.
func (n node) put(study, series, instance string) {
	n.t.Helper()
	d := &dicom.Dataset{}
	d.SetUID(tag.SOPClassUID, uid.SecondaryCaptureImageStorage)
	d.SetUID(tag.SOPInstanceUID, instance)
	d.SetUID(tag.StudyInstanceUID, study)
	d.SetUID(tag.SeriesInstanceUID, series)
	b, err := dicom.AppendDataset(nil, d, dicom.ExplicitVRLittleEndian)
	if err != nil {
		n.t.Fatal(err)
	}
	if _, err := n.Store(n.t.Context(), tenant, archive.Incoming{Data: bytes.NewReader(b),
		TransferSyntax: dicom.ExplicitVRLittleEndian.UID, SOPClassUID: uid.SecondaryCaptureImageStorage, SOPInstanceUID: instance}); err != nil {
		n.t.Fatal(err)
	}
}

func (n node) metadata(series string) string {
	n.t.Helper()
	states, err := n.Series(n.t.Context(), tenant, index.Ref{SeriesInstanceUID: series})
	if err != nil || len(states) != 1 {
		n.t.Fatalf("series %s: %+v, %v", series, states, err)
	}
	p, err := n.SeriesMetadata(n.t.Context(), tenant, states[0], plain)
	if err != nil {
		n.t.Fatal(err)
	}
	b, err := io.ReadAll(p.Open())
	if err != nil {
		n.t.Fatal(err)
	}
	return string(b)
}

// sealed returns what each derived object says, in no order.
func (e *engines) sealed(t *testing.T) []string {
	t.Helper()
	var out []string
	for rec, err := range e.derived.List(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e.text(t, rec.Location))
	}
	return out
}

func (e *engines) text(t *testing.T, l blob.Location) string {
	r, err := e.derived.Open(t.Context(), l, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(gzipped.Piece{Blocks: b[:len(b)-12]}.Open()) // behind it length and checksum
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// expect looks whether exactly the series given are sealed, with what they are made of.
func (n node) expect(when string, want map[string]string) {
	n.t.Helper()
	states, err := n.engines.index.Series(n.t.Context(), tenant, index.Ref{})
	if err != nil {
		n.t.Fatal(err)
	}
	sealed := 0
	for _, s := range states {
		text := n.metadata(s.SeriesInstanceUID)
		if text != want[s.SeriesInstanceUID] {
			n.t.Errorf("%s: metadata of %s is %s, want %s", when, s.SeriesInstanceUID, text, want[s.SeriesInstanceUID])
		}
		if s.Sealed != nil {
			if sealed++; n.engines.text(n.t, s.Sealed.Metadata) != text {
				n.t.Errorf("%s: %s is sealed as something else", when, s.SeriesInstanceUID)
			}
		}
	}
	objects := n.engines.sealed(n.t)
	if len(states) != len(want) || sealed != len(want) || len(objects) != len(want) {
		n.t.Errorf("%s: %d series, %d sealed, objects %q, want %d of each", when, len(states), sealed, objects, len(want))
	}
}

func (n node) sealAll() {
	n.t.Helper()
	if _, err := n.SealOnce(n.t.Context(), 100); err != nil {
		n.t.Fatal(err)
	}
}

// TestSealAcrossCrashes kills the node before each call it makes of an engine while it seals,
// takes a late arrival and deletes, and starts another.
func TestSealAcrossCrashes(t *testing.T) {
	t.Parallel()
	for fatal := int64(1); ; fatal++ {
		e := newEngines(t)
		n := e.start(t)
		n.put("1", "1.1", "1.1.1")
		n.put("1", "1.1", "1.1.2")
		n.put("1", "1.2", "1.2.1")
		e.calls.Store(0)
		e.fatal.Store(fatal)
		deleted := false
		_, _ = n.SealOnce(t.Context(), 100)
		n.put("1", "1.1", "1.1.3")
		_, _ = n.SealOnce(t.Context(), 100)
		if n.Delete(t.Context(), tenant, index.Ref{SOPInstanceUID: "1.1.2"}) == nil {
			deleted = true
		}
		_, _ = n.SealOnce(t.Context(), 100)
		survived := e.calls.Load() < fatal

		e.fatal.Store(0)
		n = e.start(t)
		if _, err := n.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := n.SweepSeals(t.Context()); err != nil {
			t.Fatal(err)
		}
		if deleted { // also before anything is sealed again
			for _, text := range e.sealed(t) {
				if strings.Contains(text, "1.1.2") {
					t.Errorf("killed at call %d: a derived object has what was deleted", fatal)
				}
			}
		}
		n.sealAll()
		want := map[string]string{"1.1": "1.1.1,1.1.2,1.1.3", "1.2": "1.2.1"}
		if deleted {
			want["1.1"] = "1.1.1,1.1.3"
		}
		n.expect("killed", want)
		if survived {
			if !deleted || fatal < 15 {
				t.Errorf("the story ended before call %d, deleted: %v", fatal, deleted)
			}
			return
		}
	}
}

// TestChangesWhileSealing lets the series change between its metadata and its seal.
func TestChangesWhileSealing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(n node)
		want   map[string]string
	}{
		"late arrival": {func(n node) { n.put("1", "1.1", "1.1.3") }, map[string]string{"1.1": "1.1.1,1.1.2,1.1.3"}},
		"deletion": {func(n node) {
			if err := n.Delete(n.t.Context(), tenant, index.Ref{SOPInstanceUID: "1.1.1"}); err != nil {
				n.t.Error(err)
			}
		}, map[string]string{"1.1": "1.1.2"}},
		"end": {func(n node) {
			if err := n.Delete(n.t.Context(), tenant, index.Ref{StudyInstanceUID: "1"}); err != nil {
				n.t.Error(err)
			}
		}, map[string]string{}},
		"another node": {func(n node) { n.engines.start(n.t).sealAll() }, map[string]string{"1.1": "1.1.1,1.1.2"}},
	} {
		for _, at := range []string{"Create", "Commit", "Seal"} {
			e := newEngines(t)
			n := e.start(t)
			n.put("1", "1.1", "1.1.1")
			n.put("1", "1.1", "1.1.2")
			e.before = func(op string) {
				if op == at {
					e.before = nil
					c.change(n)
				}
			}
			n.sealAll()
			n.sealAll()
			n.expect(name+" before "+at, c.want)
		}
	}
}

// TestSealingTogether has several nodes seal, store and delete at once.
func TestSealingTogether(t *testing.T) {
	t.Parallel()
	e := newEngines(t)
	var wg sync.WaitGroup
	for range 3 {
		n := e.start(t)
		wg.Go(func() {
			for range 30 {
				if _, err := n.SealOnce(t.Context(), 3); err != nil && !errs.Is(err, errs.Unavailable) {
					t.Error(err)
				}
			}
		})
	}
	n := e.start(t)
	want := map[string]string{}
	for i := range 40 {
		series := fmt.Sprint("1.", 1+i%4)
		n.put("1", series, fmt.Sprint(series, ".", 1+i))
		if i%8 == 7 {
			if err := n.Delete(t.Context(), tenant, index.Ref{SeriesInstanceUID: series}); err != nil {
				t.Error(err)
			}
		}
	}
	wg.Wait()
	for _, series := range []string{"1.1", "1.2", "1.3"} { // the last thing that happened to the fourth is its deletion
		want[series] = n.metadata(series)
	}
	n.sealAll()
	n.sealAll() // what was being read while it became stale
	n.expect("in the end", want)
}

// TestDamagedSeal: what is sealed is a copy, and is made again when it cannot be read.
func TestDamagedSeal(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(*testing.T, *engines, blob.Location){
		"flipped": func(_ *testing.T, e *engines, l blob.Location) { e.derived.Flip(l, 3) },
		"lost": func(t *testing.T, e *engines, l blob.Location) {
			if err := e.derived.Erase(t.Context(), l); err != nil {
				t.Fatal(err)
			}
		},
	} {
		e := newEngines(t)
		n := e.start(t)
		n.put("1", "1.1", "1.1.1")
		n.sealAll()
		states, err := n.Series(t.Context(), tenant, index.Ref{})
		if err != nil {
			t.Fatal(err)
		}
		damage(t, e, states[0].Sealed.Metadata)
		n = e.start(t) // with nothing in memory
		if got := n.metadata("1.1"); got != "1.1.1" {
			t.Errorf("%s: metadata is %s", name, got)
		}
		n.sealAll()
		n.expect(name, map[string]string{"1.1": "1.1.1"})
	}
}

// unreadable is an index in which the headers of a series cannot be read.
type unreadable struct {
	index.Index
	series string
	reads  int
}

func (x *unreadable) Locate(ctx context.Context, t storage.TenantID, r index.Ref, f index.Fields) iter.Seq2[index.Entry, error] {
	if r.SeriesInstanceUID != x.series {
		return x.Index.Locate(ctx, t, r, f)
	}
	x.reads++
	return func(yield func(index.Entry, error) bool) {
		yield(index.Entry{}, errs.Errorf(errs.Internal, "test", "the header is damaged"))
	}
}

// A series that cannot be sealed rests: it takes no other's turn.
func TestSealsAroundDamage(t *testing.T) {
	t.Parallel()
	e := newEngines(t)
	damaged := &unreadable{Index: e.index, series: "1.1"}
	n := node{archive.New(archive.Config{Derived: e.derived, SealAfter: -time.Hour, Form: plain}, e.blobs, damaged), t, e}
	n.put("1", "1.1", "1.1.1")
	n.put("1", "1.2", "1.2.1")
	once := func(want int, fails bool) {
		t.Helper()
		got, err := n.SealOnce(t.Context(), 1)
		if got != want || fails != (err != nil) {
			t.Errorf("SealOnce: %d, %v", got, err)
		}
	}
	once(0, true)
	once(1, false)
	once(0, false)
	if damaged.reads != 1 {
		t.Errorf("read %d times", damaged.reads)
	}
	damaged.series = "" // a change, and it is looked at again
	n.put("1", "1.1", "1.1.2")
	once(1, false)
}
