package dimse_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/dimse"
)

// table is PS3.8 Table 9-10, typed in apart from the code: a line per event, a column per
// state. A dot is an empty cell.
const table = `
Evt1  AE-1 .    .    .    .    .    .    .    .    .     .    .    .
Evt2  .    .    .    AE-2 .    .    .    .    .    .     .    .    .
Evt3  .    AA-1 AA-8 .    AE-3 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8 AA-8 AA-6
Evt4  .    AA-1 AA-8 .    AE-4 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8 AA-8 AA-6
Evt5  AE-5 .    .    .    .    .    .    .    .    .     .    .    .
Evt6  .    AE-6 AA-8 .    AA-8 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8 AA-8 AA-7
Evt7  .    .    AE-7 .    .    .    .    .    .    .     .    .    .
Evt8  .    .    AE-8 .    .    .    .    .    .    .     .    .    .
Evt9  .    .    .    .    .    DT-1 .    AR-7 .    .     .    .    .
Evt10 .    AA-1 AA-8 .    AA-8 DT-2 AR-6 AA-8 AA-8 AA-8  AA-8 AA-8 AA-6
Evt11 .    .    .    .    .    AR-1 .    .    .    .     .    .    .
Evt12 .    AA-1 AA-8 .    AA-8 AR-2 AR-8 AA-8 AA-8 AA-8  AA-8 AA-8 AA-6
Evt13 .    AA-1 AA-8 .    AA-8 AA-8 AR-3 AA-8 AA-8 AR-10 AR-3 AA-8 AA-6
Evt14 .    .    .    .    .    .    .    AR-4 AR-9 .     .    AR-4 .
Evt15 .    .    AA-1 AA-2 AA-1 AA-1 AA-1 AA-1 AA-1 AA-1  AA-1 AA-1 .
Evt16 .    AA-2 AA-3 .    AA-3 AA-3 AA-3 AA-3 AA-3 AA-3  AA-3 AA-3 AA-2
Evt17 .    AA-5 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4  AA-4 AA-4 AR-5
Evt18 .    AA-2 .    .    .    .    .    .    .    .     .    .    AA-2
Evt19 .    AA-1 AA-8 .    AA-8 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8 AA-8 AA-7
`

// next has the "next state" of PS3.8 Tables 9-6 to 9-9.
var next = map[string]dimse.State{
	"AE-1": dimse.Sta4, "AE-2": dimse.Sta5, "AE-3": dimse.Sta6, "AE-4": dimse.Sta1, "AE-5": dimse.Sta2,
	"AE-6": dimse.Sta3, "AE-7": dimse.Sta6, "AE-8": dimse.Sta13,
	"DT-1": dimse.Sta6, "DT-2": dimse.Sta6,
	"AR-1": dimse.Sta7, "AR-2": dimse.Sta8, "AR-3": dimse.Sta1, "AR-4": dimse.Sta13, "AR-5": dimse.Sta1,
	"AR-6": dimse.Sta7, "AR-7": dimse.Sta8, "AR-9": dimse.Sta11, "AR-10": dimse.Sta12,
	"AA-1": dimse.Sta13, "AA-2": dimse.Sta1, "AA-3": dimse.Sta1, "AA-4": dimse.Sta1, "AA-5": dimse.Sta1,
	"AA-6": dimse.Sta13, "AA-7": dimse.Sta13, "AA-8": dimse.Sta13,
}

func TestTransitions(t *testing.T) {
	t.Parallel()
	cells := 0
	for line := range strings.Lines(strings.TrimSpace(table)) {
		f := strings.Fields(line)
		var n int
		if _, err := fmt.Sscanf(f[0], "Evt%d", &n); err != nil {
			t.Fatal(err)
		}
		e := dimse.Event(n)
		if e.String() != f[0] || len(f) != 14 {
			t.Fatalf("bad line %q", line)
		}
		for s := dimse.Sta1; s <= dimse.Sta13; s++ {
			for _, requestor := range []bool{true, false} {
				want, wantNext := f[s], s
				switch {
				case want == ".":
					want = "none"
				case want == "AR-8" && requestor:
					wantNext = dimse.Sta9
				case want == "AR-8":
					wantNext = dimse.Sta10
				default:
					wantNext = next[want]
				}
				act, state := dimse.Transition(s, e, requestor)
				if act.String() != want || state != wantNext {
					t.Errorf("%v in %v (requestor %t): %v -> %v, want %v -> %v", e, s, requestor, act, state, want, wantNext)
				}
			}
			cells++
		}
	}
	if cells != 247 {
		t.Errorf("%d cells, want 247", cells)
	}
}

func TestTransitionOutOfRange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		s dimse.State
		e dimse.Event
	}{{0, dimse.Evt1}, {14, dimse.Evt1}, {dimse.Sta1, 0}, {dimse.Sta1, 20}} {
		if act, s := dimse.Transition(c.s, c.e, true); act != dimse.NoAction || s != c.s {
			t.Errorf("%d, %d: %v, %v", c.s, c.e, act, s)
		}
	}
}
