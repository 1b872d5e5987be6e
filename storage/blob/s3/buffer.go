package s3

import (
	"hash/crc32"
	"io"
	"sync"
)

// chunkSize is the grain of memory: a record of 500 kB holds two chunks, not a whole part.
const chunkSize = 256 << 10

type chunk [chunkSize]byte

var chunks = sync.Pool{New: func() any { return new(chunk) }}

// buffer holds what is sent in one request, until it arrived.
type buffer struct {
	chunks []*chunk
	size   int
}

func (b *buffer) write(p []byte) {
	for len(p) > 0 {
		used := b.size % chunkSize
		if used == 0 {
			b.chunks = append(b.chunks, chunks.Get().(*chunk))
		}
		n := copy(b.chunks[len(b.chunks)-1][used:], p)
		b.size += n
		p = p[n:]
	}
}

// free gives the memory back; nobody may read from it any more.
func (b *buffer) free() {
	for _, c := range b.chunks {
		chunks.Put(c)
	}
	*b = buffer{}
}

func (b *buffer) sum() uint32 {
	var sum uint32
	for i, c := range b.chunks {
		sum = crc32.Update(sum, castagnoli, c[:min(chunkSize, b.size-i*chunkSize)])
	}
	return sum
}

// reader reads the buffer from its beginning.
func (b *buffer) reader() io.Reader { return &bufferReader{b: b} }

type bufferReader struct {
	b   *buffer
	pos int
}

func (r *bufferReader) Read(p []byte) (int, error) {
	if r.pos == r.b.size {
		return 0, io.EOF
	}
	i, off := r.pos/chunkSize, r.pos%chunkSize
	n := copy(p, r.b.chunks[i][off:min(chunkSize, r.b.size-i*chunkSize)])
	r.pos += n
	return n, nil
}
