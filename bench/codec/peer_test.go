package main

import (
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
)

// TestPeer: a peer that decodes other samples than we is told apart, and one that cannot do
// something is left out.
func TestPeer(t *testing.T) {
	t.Parallel()
	p := start("fake", "", exec.Command("sh", "-c", `while read verb rest; do case $verb in decode) echo 1500 7 10;; *) echo error no; esac; done`))
	if p == nil {
		t.Fatal("no shell")
	}
	defer p.stop()
	var same, other timing
	if d := p.decode(&same, 7, "decode x"); d != 1500*time.Nanosecond || same.differs != nil {
		t.Errorf("%v, %v", d, same.differs)
	}
	for range 2 {
		p.decode(&other, 8, "decode x")
	}
	if !slices.Equal(other.differs, []string{"fake"}) {
		t.Errorf("other samples: %v", other.differs)
	}
	var size int
	if d := p.encode(&size, "encode x"); d != 0 || !p.failed["encode x"] {
		t.Errorf("what it cannot do takes %v", d)
	}
	var none *peer
	if none.make("a", "b", "c", "d") || none.decode(&same, 7, "decode x") != 0 {
		t.Error("a peer that is not there does something")
	}
}

func TestRescale(t *testing.T) {
	t.Parallel()
	f := codectest.Draw(codectest.Grey(1, 3, 16, 16, 1), "flat")
	copy(f.Data, []byte{0x00, 0xfc, 0x00, 0x00, 0xff, 0x0b}) // -1024, 0, 3071
	for bits, want := range map[int]struct {
		stored int
		data   []byte
	}{
		16: {12, []byte{0, 0, 0, 4, 0xff, 0xf}}, 12: {12, []byte{0, 0, 0, 4, 0xff, 0xf}}, 8: {8, []byte{0, 0x40, 0xff}},
	} {
		g := rescale(f, bits)
		if !slices.Equal(g.Data, want.data) || g.BitsStored != want.stored || g.PixelRepresentation != 0 {
			t.Errorf("%d bits: % x of %+v", bits, g.Data, g.Description)
		}
		if n, err := g.Size(); err != nil || n != len(g.Data) {
			t.Errorf("%d bits: %d bytes for %d, %v", bits, len(g.Data), n, err)
		}
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	d := codectest.Grey(4, 3, 16, 16, 0)
	f := codec.Frame{Description: d, Data: []byte("a-b-c-d-e-f-g-h-i-j-k-l-")}
	if g := cut(f, 2); string(g.Data) != "e-f-h-i-" || g.Rows != 2 || g.Columns != 2 {
		t.Errorf("%q of %+v", g.Data, g.Description)
	}
}

// TestGoals: what is held against a peer that was not there is neither met nor missed.
func TestGoals(t *testing.T) {
	t.Parallel()
	r := row{subject: subject{goal: goal{1.5, "CharLS"}}, decode: timing{ours: 150, clib: 100, dcmtk: 10}}
	if got := r.met(); got != "yes" {
		t.Errorf("1.5 times: %q", got)
	}
	r.decode.ours = 151
	if got := r.met(); got != "no" {
		t.Errorf("more than 1.5 times: %q", got)
	}
	r.decode.clib = 0
	if got := r.met(); got != "" {
		t.Errorf("without CharLS: %q", got)
	}
}
