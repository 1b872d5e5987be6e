// Package gzipped compresses a body in pieces that can be kept, and joined into one gzip stream
// (RFC 1952) in any order without compressing or reading them again: series into a study. It
// knows nothing of what the text is.
package gzipped

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// Piece is a text as DEFLATE blocks (RFC 1951) that refer to nothing before them, end on a whole
// byte and do not end the stream.
type Piece struct {
	Blocks []byte
	Size   int64  // of the text
	CRC32  uint32 // of the text, as gzip has it
}

// Plain returns a short text (up to 64 KiB) as it is, in a stored block.
func Plain(text string) Piece {
	n := uint16(len(text))
	b := make([]byte, 5, 5+len(text))
	binary.LittleEndian.PutUint16(b[1:], n)
	binary.LittleEndian.PutUint16(b[3:], ^n)
	return Piece{append(b, text...), int64(n), crc32.ChecksumIEEE([]byte(text))}
}

// end is an empty stored block that ends a stream.
var end = []byte{1, 0, 0, 0xff, 0xff}

// The levels. Of the metadata of 1,000 CT slices (2.4 MB) Fast leaves 73 kB in 3 ms; Small, for
// what is kept and sent many times, 53 kB in 20. Level 9 takes 130 ms for 1 kB less.
const (
	Fast  = 1
	Small = 8
)

// Writer compresses one Piece in memory. A write cannot fail.
type Writer struct {
	out  bytes.Buffer
	zip  *flate.Writer
	pool *sync.Pool
	size int64
	crc  uint32
}

var fast, small = compressors(Fast), compressors(Small)

func compressors(level int) *sync.Pool {
	return &sync.Pool{New: func() any {
		w, _ := flate.NewWriter(nil, level) // the level is valid
		return w
	}}
}

// NewWriter begins a piece at one of the levels.
func NewWriter(level int) *Writer {
	w := &Writer{pool: fast}
	if level == Small {
		w.pool = small
	}
	w.zip = w.pool.Get().(*flate.Writer)
	w.zip.Reset(&w.out)
	return w
}

// Write adds to the text.
func (w *Writer) Write(b []byte) (int, error) {
	w.size += int64(len(b))
	w.crc = crc32.Update(w.crc, crc32.IEEETable, b)
	return w.zip.Write(b)
}

// Piece ends the piece. The writer must not be used again.
func (w *Writer) Piece() Piece {
	_ = w.zip.Flush() // into memory; Flush leaves the stream on a whole byte
	w.pool.Put(w.zip)
	w.zip = nil
	return Piece{bytes.Clone(w.out.Bytes()), w.size, w.crc}
}

// Open reads the text.
func (p Piece) Open() io.ReadCloser {
	return flate.NewReader(io.MultiReader(bytes.NewReader(p.Blocks), bytes.NewReader(end)))
}

// header of a gzip stream: no name, no time, system unknown.
var header = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}

// Length returns how many bytes Join writes.
func Length(pieces []Piece) int64 {
	n := int64(len(header) + len(end) + 8)
	for _, p := range pieces {
		n += int64(len(p.Blocks))
	}
	return n
}

// Join writes the pieces as one gzip stream.
func Join(w io.Writer, pieces []Piece) error {
	if _, err := w.Write(header); err != nil {
		return err
	}
	var crc uint32
	var size int64
	for _, p := range pieces {
		if _, err := w.Write(p.Blocks); err != nil {
			return err
		}
		crc = shift(crc, p.Size) ^ p.CRC32
		size += p.Size
	}
	trailer := binary.LittleEndian.AppendUint32(bytes.Clone(end), crc)
	_, err := w.Write(binary.LittleEndian.AppendUint32(trailer, uint32(size)))
	return err
}

// shift returns what a CRC becomes when n bytes follow that have none of their own: it times
// x^8n, modulo the polynomial.
func shift(crc uint32, n int64) uint32 {
	for power := uint32(1) << (31 - 8); n > 0; n >>= 1 {
		if n&1 == 1 {
			crc = times(crc, power)
		}
		power = times(power, power)
	}
	return crc
}

// times multiplies two polynomials modulo the CRC's own. The highest bit is x^0.
func times(a, b uint32) (product uint32) {
	for ; a != 0; a <<= 1 {
		product ^= b & -(a >> 31)
		b = b>>1 ^ crc32.IEEE&-(b&1)
	}
	return product
}
