// Package blobtest is the one suite every blob engine passes. What only an engine on a disk can
// show (crashes, full disks, blocks given back) is tested beside that engine.
package blobtest

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
)

// Engine is what the suite runs on.
type Engine struct {
	// New returns an empty store; it is closed by the test.
	New func(t *testing.T) blob.Store
	// Flip changes a bit of the stored content.
	Flip func(t *testing.T, s blob.Store, l blob.Location, at int64)
}

const tenant storage.TenantID = "radiology-1"

// Run runs the suite.
func Run(t *testing.T, e Engine) {
	tests := []struct {
		name string
		run  func(*testing.T, Engine, blob.Store)
	}{
		{"content comes back", comesBack},
		{"ranges", ranges},
		{"reader is an io.WriterTo and io.ReaderAt", readerAbilities},
		{"aborted records do not exist", aborts},
		{"canceled", canceled},
		{"a record ends once", endsOnce},
		{"tenants are checked and kept apart", tenants},
		{"concurrent writers", concurrent},
		{"erase", erase},
		{"erase under a reader", eraseUnderReader},
		{"list order and resume", list},
		{"list resumes behind merged holes", listBehindHoles},
		{"verify finds a flipped bit", verify},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
			tt.run(t, e, s)
		})
	}
}

// Content returns n bytes that differ from seed to seed.
func Content(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 1})
	_, _ = r.Read(b)
	return b
}

// Put commits one record.
func Put(t testing.TB, s blob.Store, tenant storage.TenantID, content []byte) blob.Record {
	t.Helper()
	w, err := s.Create(t.Context(), tenant)
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	defer w.Abort()
	for b := range slices.Chunk(content, 70_001) {
		if _, err := w.Write(b); err != nil {
			t.Fatalf("Write: %v", err)
		}
	}
	r, err := w.Commit(t.Context())
	if err != nil {
		t.Fatalf("Commit: %v", err)
	}
	return r
}

// Get reads one record whole.
func Get(t testing.TB, s blob.Store, l blob.Location) []byte {
	t.Helper()
	r, err := s.Open(t.Context(), l, 0, -1)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	return b
}

// Records lists the store.
func Records(t testing.TB, s blob.Store, from func(storage.Key) int64) []blob.Record {
	t.Helper()
	var out []blob.Record
	for r, err := range s.List(t.Context(), from) {
		if err != nil {
			t.Fatalf("List: %v", err)
		}
		out = append(out, r)
	}
	return out
}

func wantKind(t *testing.T, err error, kind errs.Kind) {
	t.Helper()
	if !errs.Is(err, kind) {
		t.Errorf("error %v, want %v", err, kind)
	}
}

func comesBack(t *testing.T, _ Engine, s blob.Store) {
	sum := crc32.MakeTable(crc32.Castagnoli)
	for i, n := range []int{0, 1, 7, 8, 9, 4095, 4096, 256<<10 - 65, 256<<10 - 64, 256 << 10, 1 << 20, 5<<20 + 3} {
		content := Content(uint64(i), n)
		r := Put(t, s, tenant, content)
		if r.Location.Length != int64(n) || r.CRC32C != crc32.Checksum(content, sum) || r.Received.IsZero() ||
			r.Tenant != tenant || r.End < r.Location.Offset+r.Location.Length {
			t.Errorf("%d bytes: record %+v", n, r)
		}
		if !bytes.Equal(Get(t, s, r.Location), content) {
			t.Errorf("%d bytes: content differs", n)
		}
		if err := s.Verify(t.Context(), r.Location); err != nil {
			t.Errorf("Verify: %v", err)
		}
	}
	// io.Copy takes another way in where the writer is an io.ReaderFrom.
	content := Content(99, 3<<20+1)
	w, err := s.Create(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if _, err := w.Write(content[:10]); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, io.LimitReader(bytes.NewReader(content[10:]), 1<<40)); err != nil {
		t.Fatal(err)
	}
	r, err := w.Commit(t.Context())
	if err != nil || r.CRC32C != crc32.Checksum(content, sum) {
		t.Fatalf("Commit: %+v, %v", r, err)
	}
	if !bytes.Equal(Get(t, s, r.Location), content) {
		t.Error("io.Copy: content differs")
	}
}

func ranges(t *testing.T, _ Engine, s blob.Store) {
	content := Content(1, 1000)
	Put(t, s, tenant, Content(2, 100))
	r := Put(t, s, tenant, content)
	Put(t, s, tenant, Content(3, 100))
	for _, tt := range []struct{ off, n, want int64 }{
		{0, -1, 1000}, {0, 1000, 1000}, {999, 1, 1}, {999, -1, 1}, {1000, -1, 0}, {1000, 0, 0}, {500, 0, 0}, {10, 20, 20},
	} {
		rc, err := s.Open(t.Context(), r.Location, tt.off, tt.n)
		if err != nil {
			t.Errorf("Open(%d, %d): %v", tt.off, tt.n, err)
			continue
		}
		b, err := io.ReadAll(rc)
		rc.Close()
		if err != nil || !bytes.Equal(b, content[tt.off:tt.off+tt.want]) {
			t.Errorf("Open(%d, %d) gave %d bytes, %v", tt.off, tt.n, len(b), err)
		}
	}
	for _, tt := range []struct{ off, n int64 }{{-1, 1}, {1001, -1}, {0, 1001}, {999, 2}, {1, 1 << 62}, {1 << 62, 1}} {
		rc, err := s.Open(t.Context(), r.Location, tt.off, tt.n)
		if err == nil {
			rc.Close()
		}
		wantKind(t, err, errs.Invalid)
	}
	for _, l := range []blob.Location{
		{},
		{Object: "../../etc/passwd", Offset: 64, Length: 1},
		{Object: r.Location.Object + "0", Offset: r.Location.Offset, Length: r.Location.Length},
		{Object: r.Location.Object, Offset: r.Location.Offset + 8, Length: 8},
		{Object: r.Location.Object, Offset: r.Location.Offset, Length: 999},
		{Object: r.Location.Object, Offset: 1 << 40, Length: 5},
		{Object: r.Location.Object, Offset: 0, Length: 5},
	} {
		rc, err := s.Open(t.Context(), l, 0, -1)
		if err == nil {
			rc.Close()
		}
		wantKind(t, err, errs.NotFound)
	}
}

// sink is an io.ReaderFrom as net.TCPConn is.
type sink struct {
	bytes.Buffer
	from int
}

func (s *sink) ReadFrom(r io.Reader) (int64, error) {
	s.from++
	return s.Buffer.ReadFrom(r)
}

func readerAbilities(t *testing.T, _ Engine, s blob.Store) {
	content := Content(1, 300_000)
	r := Put(t, s, tenant, content)
	rc, err := s.Open(t.Context(), r.Location, 1000, 200_000)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	at, ok := rc.(io.ReaderAt)
	if !ok {
		t.Fatal("not an io.ReaderAt")
	}
	b := make([]byte, 50)
	if _, err := at.ReadAt(b, 7); err != nil || !bytes.Equal(b, content[1007:1057]) {
		t.Errorf("ReadAt: %v", err)
	}
	if n, err := at.ReadAt(b, 199_990); n != 10 || err != io.EOF {
		t.Errorf("ReadAt over the end gave %d, %v", n, err)
	}
	if _, err := io.ReadFull(rc, b); err != nil {
		t.Fatal(err)
	}
	var to sink
	wt, ok := rc.(io.WriterTo)
	if !ok {
		t.Fatal("not an io.WriterTo")
	}
	n, err := wt.WriteTo(&to)
	if err != nil || n != 199_950 || !bytes.Equal(to.Bytes(), content[1050:201_000]) {
		t.Errorf("WriteTo gave %d, %v", n, err)
	}
	if n, err := wt.WriteTo(&to); n != 0 || err != nil {
		t.Errorf("WriteTo at the end gave %d, %v", n, err)
	}
}

func aborts(t *testing.T, _ Engine, s blob.Store) {
	first := Put(t, s, tenant, Content(1, 500))
	for _, n := range []int{0, 10, 300_000, 6 << 20} {
		w, err := s.Create(t.Context(), tenant)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(Content(2, n)); err != nil {
			t.Fatal(err)
		}
		if got := len(Records(t, s, nil)); got != 1 {
			t.Errorf("%d records while one is being written, want 1", got)
		}
		w.Abort()
		w.Abort()
	}
	second := Put(t, s, tenant, Content(3, 700))
	got := Records(t, s, nil)
	if len(got) != 2 || got[0].Location != first.Location || got[1].Location != second.Location {
		t.Errorf("records %+v", got)
	}
	if !bytes.Equal(Get(t, s, second.Location), Content(3, 700)) {
		t.Error("content after an abort differs")
	}
}

func canceled(t *testing.T, _ Engine, s blob.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	w, err := s.Create(ctx, tenant)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(Content(1, 1000)); err != nil {
		t.Fatal(err)
	}
	cancel()
	_, err = w.Commit(ctx)
	wantKind(t, err, errs.Canceled)
	_, err = s.Create(ctx, tenant)
	wantKind(t, err, errs.Canceled)
	if got := Records(t, s, nil); len(got) != 0 {
		t.Errorf("records %+v, want none", got)
	}
}

func endsOnce(t *testing.T, _ Engine, s blob.Store) {
	w, err := s.Create(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	if _, err := w.Commit(t.Context()); err == nil {
		t.Error("second Commit succeeded")
	}
	if _, err := w.Write([]byte{1}); err == nil {
		t.Error("Write after Commit succeeded")
	}
	if got := Records(t, s, nil); len(got) != 1 {
		t.Errorf("%d records, want 1", len(got))
	}
}

func tenants(t *testing.T, _ Engine, s blob.Store) {
	a := Put(t, s, "a", Content(1, 10))
	b := Put(t, s, "b", Content(2, 10))
	if a.Location.Object == b.Location.Object {
		t.Error("two tenants share an object")
	}
	_, err := s.Create(t.Context(), "")
	wantKind(t, err, errs.Invalid)
}

func concurrent(t *testing.T, _ Engine, s blob.Store) {
	const writers, each = 8, 12
	var mu sync.Mutex
	var wg sync.WaitGroup
	want := map[blob.Location][]byte{}
	for i := range writers {
		wg.Go(func() {
			for k := range each {
				content := Content(uint64(i*each+k), 1000+i*40_000+k)
				w, err := s.Create(t.Context(), tenant)
				if err != nil {
					t.Errorf("Create: %v", err)
					return
				}
				_, _ = w.Write(content)
				if k%4 == 3 {
					w.Abort()
					continue
				}
				r, err := w.Commit(t.Context())
				if err != nil {
					t.Errorf("Commit: %v", err)
					return
				}
				mu.Lock()
				want[r.Location] = content
				mu.Unlock()
				if k%4 == 2 {
					if err := s.Erase(t.Context(), r.Location); err != nil {
						t.Errorf("Erase: %v", err)
					}
					mu.Lock()
					delete(want, r.Location)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	got := Records(t, s, nil)
	if len(got) != len(want) {
		t.Errorf("%d records, want %d", len(got), len(want))
	}
	for _, r := range got {
		if !bytes.Equal(Get(t, s, r.Location), want[r.Location]) {
			t.Errorf("content at %+v differs", r.Location)
		}
	}
}

func erase(t *testing.T, _ Engine, s blob.Store) {
	var rs []blob.Record
	for i := range 10 {
		rs = append(rs, Put(t, s, tenant, Content(uint64(i), 20_000)))
	}
	gone := []blob.Location{rs[1].Location, rs[4].Location, rs[3].Location, rs[9].Location}
	for range 2 { // twice is no error
		if err := s.Erase(t.Context(), gone...); err != nil {
			t.Fatalf("Erase: %v", err)
		}
	}
	for i, r := range rs {
		if slices.Contains(gone, r.Location) {
			_, err := s.Open(t.Context(), r.Location, 0, -1)
			wantKind(t, err, errs.NotFound)
			wantKind(t, s.Verify(t.Context(), r.Location), errs.NotFound)
			continue
		}
		if !bytes.Equal(Get(t, s, r.Location), Content(uint64(i), 20_000)) {
			t.Errorf("record %d differs", i)
		}
	}
	if got := Records(t, s, nil); len(got) != 6 {
		t.Errorf("%d records, want 6", len(got))
	}
	for _, r := range rs {
		if err := s.Erase(t.Context(), r.Location); err != nil {
			t.Errorf("Erase: %v", err)
		}
	}
	if got := Records(t, s, nil); len(got) != 0 {
		t.Errorf("%d records, want none", len(got))
	}
	r := Put(t, s, tenant, []byte("again"))
	if string(Get(t, s, r.Location)) != "again" {
		t.Error("content differs")
	}
	if err := s.Erase(t.Context(), blob.Location{Object: "radiology-1/none", Offset: 64, Length: 3}); err != nil {
		t.Errorf("erasing what never was: %v", err)
	}
}

func eraseUnderReader(t *testing.T, _ Engine, s blob.Store) {
	a, b := Put(t, s, tenant, Content(1, 9000)), Put(t, s, tenant, Content(2, 9000))
	rc, err := s.Open(t.Context(), a.Location, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, s.Erase(t.Context(), a.Location, b.Location), errs.Unavailable)
	for _, l := range []blob.Location{a.Location, b.Location} { // gone for everybody who comes now
		_, err = s.Open(t.Context(), l, 0, -1)
		wantKind(t, err, errs.NotFound)
	}
	if left := Records(t, s, nil); len(left) != 0 {
		t.Errorf("%d erased records are listed", len(left))
	}
	if got, err := io.ReadAll(rc); err != nil || !bytes.Equal(got, Content(1, 9000)) {
		t.Errorf("the reader got other bytes: %v", err)
	}
	rc.Close()
	rc.Close()
	if err := s.Erase(t.Context(), a.Location); err != nil {
		t.Errorf("Erase after Close: %v", err)
	}
}

func list(t *testing.T, _ Engine, s blob.Store) {
	var want []blob.Record
	for i := range 20 {
		want = append(want, Put(t, s, storage.TenantID(fmt.Sprint("t", i%2)), Content(uint64(i), 100*i)))
	}
	got := Records(t, s, nil)
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	tail := map[storage.Key]int64{}
	seen := map[storage.Key]bool{}
	for i, r := range got {
		if i > 0 && r.Location.Object != got[i-1].Location.Object && seen[r.Location.Object] {
			t.Error("an object's records are not together")
		}
		if r.Location.Offset <= tail[r.Location.Object] {
			t.Error("offsets do not grow")
		}
		seen[r.Location.Object] = true
		tail[r.Location.Object] = r.End
		if !slices.ContainsFunc(want, func(w blob.Record) bool {
			return w.Location == r.Location && w.CRC32C == r.CRC32C && w.End == r.End && w.Tenant == r.Tenant &&
				w.Received.Equal(r.Received)
		}) {
			t.Errorf("record %+v is not as committed", r)
		}
	}
	from := func(k storage.Key) int64 { return tail[k] }
	if got := Records(t, s, from); len(got) != 0 {
		t.Errorf("%d records behind the tails, want none", len(got))
	}
	more := Put(t, s, "t1", Content(50, 50))
	if got := Records(t, s, from); len(got) != 1 || got[0].Location != more.Location {
		t.Errorf("behind the tails: %+v, want %+v", got, more)
	}
	for range s.List(t.Context(), nil) {
		break // ends it without a leak
	}
}

func listBehindHoles(t *testing.T, _ Engine, s blob.Store) {
	var rs []blob.Record
	for i := range 6 {
		rs = append(rs, Put(t, s, tenant, Content(uint64(i), 10_000)))
	}
	if err := s.Erase(t.Context(), rs[2].Location, rs[3].Location); err != nil {
		t.Fatal(err)
	}
	if err := s.Erase(t.Context(), rs[1].Location); err != nil {
		t.Fatal(err)
	}
	for i := range rs {
		want := 0
		for _, k := range []int{0, 4, 5} {
			if k > i {
				want++
			}
		}
		tails := map[storage.Key]int64{}
		for _, r := range rs[:i+1] {
			tails[r.Location.Object] = r.End
		}
		if got := Records(t, s, func(k storage.Key) int64 { return tails[k] }); len(got) != want {
			t.Errorf("from the end of record %d: %d records, want %d", i, len(got), want)
		}
	}
}

func verify(t *testing.T, e Engine, s blob.Store) {
	r, other := Put(t, s, tenant, Content(1, 500_000)), Put(t, s, tenant, Content(2, 10))
	e.Flip(t, s, r.Location, 400_000)
	wantKind(t, s.Verify(t.Context(), r.Location), errs.Invalid)
	if err := s.Verify(t.Context(), other.Location); err != nil {
		t.Errorf("Verify of the neighbour: %v", err)
	}
}
