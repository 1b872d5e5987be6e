package gzipped_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/internal/gzipped"
)

// TestJoin joins pieces of all sizes in random order and reads them with the standard library,
// which checks length and checksum.
func TestJoin(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	texts := []string{"", "[", ",", strings.Repeat(`{"00080018":{"vr":"UI"}}`, 4000), strings.Repeat("x", 1<<16-1)}
	for range 20 {
		b := make([]byte, r.IntN(200_000))
		for i := range b {
			b[i] = "0123456789abcdef,"[r.IntN(17)]
		}
		texts = append(texts, string(b))
	}
	for range 50 {
		var pieces []gzipped.Piece
		var want strings.Builder
		for range r.IntN(9) {
			text := texts[r.IntN(len(texts))]
			want.WriteString(text)
			if len(text) < 1<<16 && r.IntN(2) == 0 {
				pieces = append(pieces, gzipped.Plain(text))
				continue
			}
			w := gzipped.NewWriter([]int{gzipped.Fast, gzipped.Small}[r.IntN(2)])
			for half := range 2 {
				io.WriteString(w, text[half*len(text)/2:(half+1)*len(text)/2])
			}
			p := w.Piece()
			pieces = append(pieces, p)
			back, err := io.ReadAll(p.Open())
			if err != nil || string(back) != text || p.Size != int64(len(text)) {
				t.Fatalf("a piece of %d bytes is read as %d: %v", len(text), len(back), err)
			}
		}
		var out bytes.Buffer
		if err := gzipped.Join(&out, pieces); err != nil {
			t.Fatal(err)
		}
		if n := gzipped.Length(pieces); n != int64(out.Len()) {
			t.Fatalf("Length says %d, Join wrote %d", n, out.Len())
		}
		z, err := gzip.NewReader(&out)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(z)
		if err != nil || string(got) != want.String() {
			t.Fatalf("%d pieces: %d bytes of %d, %v", len(pieces), len(got), want.Len(), err)
		}
	}
}
