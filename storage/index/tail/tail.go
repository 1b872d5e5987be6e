// Package tail follows how far the index has seen an object, so that recovery after a crash looks
// at what lies behind only. It knows neither rows nor bytes.
package tail

import "github.com/aurelius-imaging/aurelius/storage/blob"

// maxUnstored is how many records a tail in its row may lag.
const maxUnstored = 16

// Object is the tail of one object. The records of an object are added in their order, so where
// the last of them ends every other has been seen. That the tail in the row lags a little costs
// nothing but a look at a few records after a crash. Not for concurrent use.
type Object struct {
	tail     int64
	stored   int64 // tail as it is in the row
	unstored int   // records seen since
}

// At returns an object whose row says tail.
func At(tail int64) Object { return Object{tail: tail, stored: tail} }

// Seen notes that a record was handed to the index.
func (o *Object) Seen(r blob.Record) {
	end := max(r.End, r.Location.Offset+r.Location.Length)
	if end <= o.tail { // a replay
		return
	}
	o.tail = end
	o.unstored++
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
func (o *Object) Settled() bool { return o.tail == o.stored }
