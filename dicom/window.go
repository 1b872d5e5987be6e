package dicom

import (
	"errors"
	"io"
)

// windowSize is the buffer of one reader: large enough that a CT header comes in one read and
// skipping pixel data costs few system calls, small enough for thousands of readers.
const windowSize = 64 << 10

// growStep is what is allocated at first for a value of declared length; more only when that
// many bytes have arrived.
const growStep = 64 << 10

// window is a buffered view on a stream, or on memory when r is nil. Offsets are absolute.
type window struct {
	buf      []byte
	pos, end int   // unread bytes are buf[pos:end]
	off      int64 // absolute offset of buf[0]
	r        io.Reader
	err      error // why r gave no more; io.EOF at the end
	pooled   []byte
}

func (w *window) reset(r io.Reader, off int64) {
	if w.pooled == nil {
		w.pooled = make([]byte, windowSize)
	}
	*w = window{buf: w.pooled, off: off, r: r, pooled: w.pooled}
}

func (w *window) resetBytes(b []byte, off int64) {
	*w = window{buf: b, end: len(b), off: off, err: io.EOF, pooled: w.pooled}
}

// offset returns where the next unread byte lies.
func (w *window) offset() int64 { return w.off + int64(w.pos) }

// avail returns how many bytes are buffered.
func (w *window) avail() int { return w.end - w.pos }

// fill makes n bytes available if the stream has them; n is at most windowSize.
func (w *window) fill(n int) bool {
	if w.end-w.pos >= n {
		return true
	}
	if w.err != nil {
		return false
	}
	copy(w.buf, w.buf[w.pos:w.end])
	w.off += int64(w.pos)
	w.end -= w.pos
	w.pos = 0
	for w.end < n && w.err == nil {
		w.end += w.read(w.buf[w.end:])
	}
	return w.end >= n
}

// read reads at least one byte into b, or sets err.
func (w *window) read(b []byte) int {
	for range 100 {
		n, err := w.r.Read(b)
		if n < 0 || n > len(b) {
			n, err = 0, errors.New("dicom: reader returned an impossible count")
		}
		if err != nil {
			w.err = err
		}
		if n > 0 || err != nil {
			return n
		}
	}
	w.err = io.ErrNoProgress
	return 0
}

// skip goes n bytes ahead and reports whether the stream had them.
func (w *window) skip(n int64) bool {
	if have := int64(w.end - w.pos); n > have {
		n -= have
		w.off += int64(w.end)
		w.pos, w.end = 0, 0
		for n > 0 {
			if w.err != nil {
				return false
			}
			got := int64(w.read(w.buf))
			if got > n {
				w.pos, w.end = int(n), int(got)
				return true
			}
			w.off += got
			n -= got
		}
		return true
	}
	w.pos += int(n)
	return true
}

// drain reads to the end of the stream and reports whether all that came was zero.
func (w *window) drain() (zero bool) {
	zero = true
	for {
		for _, c := range w.buf[w.pos:w.end] {
			zero = zero && c == 0
		}
		w.pos = w.end
		if !w.fill(1) {
			return zero
		}
	}
}

// appendBytes appends the next n bytes to dst, which grows only as bytes arrive.
func (w *window) appendBytes(dst []byte, n int64) ([]byte, bool) {
	for n > 0 {
		if w.avail() == 0 && !w.fill(1) {
			return dst, false
		}
		k := int(min(n, int64(w.avail())))
		dst = append(dst, w.buf[w.pos:w.pos+k]...)
		w.pos += k
		n -= int64(k)
	}
	return dst, true
}

// Read makes the window a reader of what was not consumed: the input of the inflater.
func (w *window) Read(b []byte) (int, error) {
	if w.avail() == 0 && !w.fill(1) {
		return 0, w.err
	}
	n := copy(b, w.buf[w.pos:w.end])
	w.pos += n
	return n, nil
}

// ReadByte is what the inflater asks for, so that it takes no byte too many.
func (w *window) ReadByte() (byte, error) {
	if w.avail() == 0 && !w.fill(1) {
		return 0, w.err
	}
	w.pos++
	return w.buf[w.pos-1], nil
}
