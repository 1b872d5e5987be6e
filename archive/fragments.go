package archive

import (
	"bufio"
	"io"

	"github.com/aurelius-imaging/aurelius/dicom/pixel"
)

// smallFragment is how many bytes a fragment has on average from which on it is opened by itself,
// so that the engine sends it its own way.
const smallFragment = 64 << 10

// together returns the range that holds all spans, where it is better read in one go: they are
// many and small, follow on each other, and hardly anything lies between them (PS3.5 A.4: an
// item's tag and length).
func together(spans []pixel.Span, size int64) (all pixel.Span, ok bool) {
	const between = 64
	if len(spans) < 2 || size/int64(len(spans)) >= smallFragment {
		return all, false
	}
	all = pixel.Span{Offset: spans[0].Offset}
	for _, s := range spans {
		end := all.Offset + all.Length
		if s.Offset < end || s.Offset-end > between {
			return all, false
		}
		all.Length = s.Offset + s.Length - all.Offset
	}
	return all, true
}

// gathered reads spans out of the range that holds them all.
type gathered struct {
	io.Closer
	r     *bufio.Reader
	at    int64 // offset of r's next byte
	spans []pixel.Span
	left  int64 // bytes of the span under way
}

func newGathered(r io.ReadCloser, all pixel.Span, spans []pixel.Span) *gathered {
	return &gathered{Closer: r, r: bufio.NewReaderSize(onlyReader{r}, smallFragment), at: all.Offset, spans: spans}
}

func (g *gathered) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if g.left == 0 {
			if len(g.spans) == 0 {
				break
			}
			s := g.spans[0]
			if _, err := g.r.Discard(int(s.Offset - g.at)); err != nil {
				return n, unexpected(err)
			}
			g.spans, g.at, g.left = g.spans[1:], s.Offset, s.Length
			continue
		}
		k, err := g.r.Read(p[n:min(int64(len(p)), int64(n)+g.left)])
		n, g.at, g.left = n+k, g.at+int64(k), g.left-int64(k)
		if err != nil {
			return n, unexpected(err)
		}
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}
