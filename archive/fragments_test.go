package archive_test

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/storage/blob/mem"
)

// TestFragments: a frame of many small fragments is one read, whoever asks for it; one of large
// fragments is read fragment by fragment. Empty ones are nothing.
func TestFragments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name             string
		fragments, bytes int
		reads            int64
	}{{"small", 5000, 2, 1}, {"large", 3, 128 << 10, 3}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			blobs := &counting{Store: mem.New()}
			h := house{blobs: blobs, index: newMemIndex()}
			h.Archive = archive.New(archive.Config{Codecs: codecs}, blobs, h.index)
			var want []byte
			m := newMovie(dicom.RLELossless, codectest.Grey(8, 8, 8, 8, 0), 1, "natural")
			m.set = func(d *dicom.Dataset) {
				e := dicom.Element{Tag: tag.PixelData, VR: vr.OB, Undefined: true, Fragments: [][]byte{{}}}
				for i := range c.fragments {
					b := bytes.Repeat([]byte{byte(i), byte(i >> 8)}, c.bytes/2)
					if e.Fragments = append(e.Fragments, b); i == c.fragments/2 {
						e.Fragments = append(e.Fragments, nil)
					}
					want = append(want, b...)
				}
				d.SetElement(e)
			}
			e := h.storeMovie(t, m)
			f, err := h.Frames(t.Context(), tenant, e.Ref)
			if err != nil {
				t.Fatal(err)
			}
			blobs.opened.Store(0)
			o, err := h.OpenFrame(t.Context(), tenant, f, 1)
			if err != nil || o.Size != int64(len(want)) {
				t.Fatalf("%+v, %v, want %d bytes", o, err, len(want))
			}
			got, err := io.ReadAll(iotest.OneByteReader(o.ReadCloser))
			o.Close()
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, %v, not the %d of the fragments", len(got), err, len(want))
			}
			if n := blobs.opened.Load(); n > c.reads+1 {
				t.Errorf("%d reads of %d fragments", n, c.fragments)
			}
		})
	}
}
