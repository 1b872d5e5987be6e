// Package tail follows which records of an object have been seen by the index, so that recovery
// after a crash looks at what lies behind only. It knows neither rows nor bytes.
package tail

import (
	"slices"
	"time"

	"github.com/aurelius-imaging/aurelius/storage/blob"
)

// maxFraming is more than a blob engine puts around a record, and less than any Part 10 object:
// between two records that are further apart there may be a third.
const maxFraming = 256

const (
	// maxUnstored is how many records a tail may lag.
	maxUnstored = 16
	// maxGap is how long a gap can be an Add that is still on its way. After that the record was
	// taken back.
	maxGap = time.Minute
)

// Object is the tail of one object. Adds may come out of order; the tail only moves over what is
// contiguous, so that a power cut that takes the last commits never leaves an acknowledged
// record in front of it. That the tail in the row lags a little costs nothing but a look at a
// few records after a crash. Not for concurrent use.
type Object struct {
	tail     int64
	ahead    []extent  // seen behind a gap, by offset
	since    time.Time // when the first gap was met
	stored   int64     // tail as it is in the row
	unstored int       // records seen since
}

type extent struct{ offset, end int64 }

// At returns an object whose row says tail.
func At(tail int64) Object { return Object{tail: tail, stored: tail} }

// Seen notes that a record was handed to the index.
func (o *Object) Seen(r blob.Record, now time.Time) {
	x := extent{r.Location.Offset, max(r.End, r.Location.Offset+r.Location.Length)}
	if x.end <= o.tail {
		return
	}
	o.unstored++
	at, _ := slices.BinarySearchFunc(o.ahead, x, func(a, b extent) int { return int(a.offset - b.offset) })
	o.ahead = slices.Insert(o.ahead, at, x)
	if o.advance(); len(o.ahead) == 0 {
		o.since = time.Time{}
		return
	}
	if o.since.IsZero() {
		o.since = now
	} else if now.Sub(o.since) > maxGap {
		o.jump()
		o.since = now
	}
}

// advance moves the tail over what is contiguous.
func (o *Object) advance() {
	n := 0
	for n < len(o.ahead) && o.ahead[n].offset-o.tail <= maxFraming {
		o.tail = max(o.tail, o.ahead[n].end)
		n++
	}
	o.ahead = slices.Delete(o.ahead, 0, n)
}

// jump moves the tail over the first gap.
func (o *Object) jump() {
	if len(o.ahead) > 0 {
		o.tail = o.ahead[0].end
		o.advance()
	}
}

// Jump moves the tail over every gap: no Add is on its way any more.
func (o *Object) Jump() {
	for len(o.ahead) > 0 {
		o.jump()
	}
}

// Due reports whether the row lags so far that the tail should be stored.
func (o *Object) Due() bool { return o.unstored >= maxUnstored }

// Store returns the tail for the row, and whether the row does not say so already.
func (o *Object) Store() (tail int64, changed bool) {
	changed = o.tail != o.stored
	o.stored, o.unstored = o.tail, 0
	return o.tail, changed
}

// Settled reports whether nothing is lost by forgetting the object: its row says it all.
func (o *Object) Settled() bool { return len(o.ahead) == 0 && o.tail == o.stored }
