// Package codectest is the suite that every codec passes: the corpus' checksums, round trips over
// the shapes DICOM allows, damage, bombs, concurrency and allocations.
package codectest

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/flate"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/pixel"
)

// Image is a file opened for its frames.
type Image struct {
	codec.Description
	Header *dicom.Header
	Index  *pixel.FrameIndex
	bytes  []byte // of the object; inflated where its data set is deflated
}

// Open reads an image; the test fails when it has no frames.
func Open(t testing.TB, elem ...string) *Image {
	t.Helper()
	m, err := Read(filepath.Join(elem...))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Read reads an image; no frames are an error.
func Read(path string) (*Image, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	h, err := dicom.ReadHeader(bytes.NewReader(b), dicom.Source{Lenient: true}, dicom.Limits{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if h.TransferSyntax.Deflated {
		inflated, err := io.ReadAll(flate.NewReader(bytes.NewReader(b[h.DatasetOffset:])))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		b = append(b[:h.DatasetOffset:h.DatasetOffset], inflated...)
	}
	index, err := pixel.Index(h)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if index == nil {
		return nil, fmt.Errorf("%s has no frames", path)
	}
	d, err := codec.Describe(h.Dataset, h.Pixel.Tag)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Image{Description: d, Header: h, Index: index, bytes: b}, nil
}

// Encoded returns the bytes of frame n (1-based) as the archive hands them to a codec: fragments
// joined; native ones in little endian and from the first bit of a byte.
func (m *Image) Encoded(t testing.TB, n int) []byte {
	t.Helper()
	b, err := m.Frame(n)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Frame is Encoded outside a test.
func (m *Image) Frame(n int) ([]byte, error) {
	spans, bit, err := m.Index.Frame(n)
	if err != nil {
		return nil, err
	}
	var b []byte
	for _, s := range spans {
		b = append(b, m.bytes[s.Offset:s.Offset+s.Length]...)
	}
	if word := m.Header.Pixel.VR.Size(); m.Header.TransferSyntax.BigEndian {
		for i := 0; i+word <= len(b); i += word {
			for j, k := i, i+word-1; j < k; j, k = j+1, k-1 {
				b[j], b[k] = b[k], b[j]
			}
		}
	}
	if bit > 0 {
		for i := range b {
			b[i] >>= bit
			if i+1 < len(b) {
				b[i] |= b[i+1] << (8 - bit)
			}
		}
	}
	return b, nil
}
