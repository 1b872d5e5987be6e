package archive_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/all"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

var codecs = all.Codecs()

// decodable has what the registry can decode.
func decodable(uid string) bool {
	_, err := codecs.Decoder(uid)
	return err == nil
}

// targets are the syntaxes that objects are brought to without loss.
func targets() (out []string) {
	for _, c := range codecs.Codecs() {
		if e, ok := c.(codec.Encoder); ok && !e.Lossy(codec.Options{}) {
			out = append(out, c.TransferSyntax().UID)
		}
	}
	return out
}

// samples decodes every frame of an instance.
func (h house) samples(t *testing.T, r index.Ref) (out []codec.Frame, err error) {
	t.Helper()
	f, err := h.Frames(t.Context(), tenant, r)
	if err != nil {
		return nil, err
	}
	for n := 1; n <= f.Index.Frames(); n++ {
		frame, err := h.DecodeFrame(t.Context(), tenant, f, n)
		if err != nil {
			return nil, err
		}
		out = append(out, frame)
	}
	return out, nil
}

func sameSamples(a, b []codec.Frame) bool {
	return slices.EqualFunc(a, b, func(a, b codec.Frame) bool { return bytes.Equal(a.Data, b.Data) })
}

// onePerKind leaves one sample of each kind that a codec or the renderer could tell apart.
func onePerKind(samples []testkit.Sample) []testkit.Sample {
	seen := map[string]bool{}
	return slices.DeleteFunc(samples, func(s testkit.Sample) bool {
		kind := fmt.Sprint(s.SOPClass, s.TransferSyntax, s.Photometric, s.BitsStored, s.Signed, s.Planar)
		again := seen[kind]
		seen[kind] = true
		return again
	})
}

// TestCorpusTranscoded brings images to every syntax they can have and holds the samples of all
// frames, and the rest of the data set, against what was stored.
func TestCorpusTranscoded(t *testing.T) {
	t.Parallel()
	dir, files := testkit.Corpus(t, func(s testkit.Sample) bool {
		size := s.Rows * s.Columns * max(s.Samples, 1) * max(s.BitsAllocated, 8) / 8 * max(s.Frames, 1)
		return s.Pixels != nil && strings.HasSuffix(s.Path, ".dcm") && !strings.HasPrefix(s.Path, "malformed/") &&
			size <= 1<<20 && decodable(s.TransferSyntax)
	})
	files = onePerKind(files)
	made := map[string]int{}
	for i, s := range files {
		h := newHouse(archive.Config{Codecs: codecs})
		e, ok := h.storeFile(t, filepath.Join(dir, s.Path))
		if !ok {
			continue
		}
		want, err := h.samples(t, e.Ref)
		if err != nil {
			t.Logf("%s: %v", s.Path, err) // the codecs' own tests say which may fail
			continue
		}
		for j, to := range targets() {
			if s.Rows*s.Columns > 1<<14 && (i+j)%4 != 0 { // large ones take turns
				continue
			}
			name := s.Path + " as " + to
			o, err := h.OpenFileAs(t.Context(), tenant, e, to)
			if errs.Is(err, errs.Unsupported) {
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			file := read(t, o, err)
			other := newHouse(archive.Config{Codecs: codecs})
			if _, err := other.Store(t.Context(), tenant, archive.Incoming{Data: bytes.NewReader(file)}); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			got, err := other.samples(t, e.Ref)
			if err != nil || !sameSamples(got, want) {
				t.Errorf("%s: other samples, %v", name, err)
			}
			if d := otherElements(t, h, other, e.Ref); d != "" {
				t.Errorf("%s: %s", name, d)
			}
			made[to]++
		}
	}
	t.Logf("%d images, made %v", len(files), made)
	for _, to := range targets() {
		if made[to] < 5 {
			t.Errorf("only %d images were brought to %s", made[to], to)
		}
	}
}

// storeFile stores a file; false: it has no identity.
func (h house) storeFile(t *testing.T, path string) (index.Entry, bool) {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := h.Store(t.Context(), tenant, archive.Incoming{Data: bytes.NewReader(file)})
	if errs.Is(err, errs.Mismatch) {
		return index.Entry{}, false
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return h.mustSelect(t, s.Ref)[0], true
}

// described are the attributes that another syntax may need to be said otherwise.
var described = []tag.Tag{
	tag.SamplesPerPixel, tag.PhotometricInterpretation, tag.PlanarConfiguration, tag.BitsAllocated, tag.BitsStored, tag.HighBit,
	tag.PixelRepresentation, tag.LossyImageCompression, tag.LossyImageCompressionMethod, tag.IconImageSequence,
}

// otherElements names a difference of two headers that is none of the samples'.
func otherElements(t *testing.T, one, other house, r index.Ref) string {
	t.Helper()
	list := func(h house) (out []string) {
		for header, err := range h.Headers(t.Context(), tenant, r) {
			if err != nil {
				t.Fatal(err)
			}
			for e := range header.Dataset.All() {
				if e.Tag.Element() != 0 && !slices.Contains(described, e.Tag) && !strings.HasPrefix(e.Tag.Hex(), "7FE0") && !e.Tag.Private() {
					length := len(e.Value)
					if e.Bulk != nil {
						length = int(e.Bulk.Length)
					}
					out = append(out, fmt.Sprint(e.Tag, length, len(e.Items)))
				}
			}
		}
		return out
	}
	a, b := list(one), list(other)
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] && !strings.HasPrefix(a[i], "(300C,0002)") { // UN, which implicit VR makes a sequence again
			return a[i] + " became " + b[i]
		}
	}
	if len(a) != len(b) {
		return fmt.Sprintf("%d elements became %d", len(a), len(b))
	}
	return ""
}

// TestPlanarFrames: frames alone have their samples in the order that the object's header says.
func TestPlanarFrames(t *testing.T) {
	t.Parallel()
	h := newHouse(archive.Config{Codecs: codecs})
	f := h.frames(t, h.storeSample(t, "syntaxes/colour/rle-planar-rgb.dcm"))
	frame, err := h.DecodeFrame(t.Context(), tenant, f, 1)
	if err != nil {
		t.Fatal(err)
	}
	o, err := h.OpenFrameAs(t.Context(), tenant, f, 1, uid.ExplicitVRLittleEndian)
	got, n := read(t, o, err), len(frame.Data)/3
	if len(got) != len(frame.Data) {
		t.Fatalf("%d bytes, want %d", len(got), len(frame.Data))
	}
	for i := range n {
		if got[i] != frame.Data[3*i] || got[n+i] != frame.Data[3*i+1] || got[2*n+i] != frame.Data[3*i+2] {
			t.Fatalf("pixel %d is %d %d %d, want %v", i, got[i], got[n+i], got[2*n+i], frame.Data[3*i:3*i+3])
		}
	}
}
