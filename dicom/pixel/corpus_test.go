package pixel_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/pixel"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

func corpus(t *testing.T) (root string, samples []testkit.Sample) {
	t.Helper()
	return testkit.Corpus(t, func(s testkit.Sample) bool {
		return strings.HasSuffix(s.Path, ".dcm") && !strings.HasPrefix(s.Path, "worklist/") && !strings.HasPrefix(s.Path, "dicomdir/")
	})
}

// TestCorpusFrames counts the frames of every image and compares those that are not compressed
// with the manifest's checksums of decoded samples.
func TestCorpusFrames(t *testing.T) {
	t.Parallel()
	root, samples := corpus(t)
	var counted, compared, streams int
	for _, s := range samples {
		if s.Pixels == nil || strings.HasPrefix(s.Path, "malformed/") {
			continue
		}
		f, x := index(t, filepath.Join(root, s.Path))
		if x == nil {
			t.Errorf("%s: no frame table", s.Path)
			continue
		}
		want := max(s.Frames, 1)
		if strings.Contains(s.Path, "/video/") {
			want = 1
		}
		if x.Frames() != want {
			t.Errorf("%s: %d frames, want %d", s.Path, x.Frames(), want)
			continue
		}
		counted++
		if s.Pixels.StreamSHA256 != "" {
			b, err := read(f, x, 1, s.BitsAllocated)
			whole, cut := sha256.Sum256(b), sha256.Sum256(bytes.TrimSuffix(b, []byte{0})) // a pad byte
			if err != nil || hex.EncodeToString(whole[:]) != s.Pixels.StreamSHA256 && hex.EncodeToString(cut[:]) != s.Pixels.StreamSHA256 {
				t.Errorf("%s: another stream than the manifest's: %v", s.Path, err)
			}
			streams++
		}
		if plain(s) {
			compared += compare(t, s, f, x)
		}
		f.Close()
	}
	if counted < 400 || compared < 300 || streams < 4 {
		t.Errorf("%d files counted, %d frames and %d videos compared: the corpus has more", counted, compared, streams)
	}
}

// plain says that a frame's bytes are its decoded samples in the manifest's form.
func plain(s testkit.Sample) bool {
	switch s.TransferSyntax {
	case "", dicom.ImplicitVRLittleEndian.UID, dicom.ExplicitVRLittleEndian.UID, dicom.EncapsulatedUncompressed.UID:
		return s.Planar == 0 && s.Pixels.SHA256 != "" && !aboveStored[s.Path] && !strings.HasSuffix(s.Photometric, "_422")
	}
	return false
}

// aboveStored are images with other things above Bits Stored, which the manifest's samples have
// not.
var aboveStored = map[string]bool{"syntaxes/edge/modality-lut-test.dcm": true, "syntaxes/edge/overlay-embedded.dcm": true}

// compare returns how many frames it compared.
func compare(t *testing.T, s testkit.Sample, f *os.File, x *pixel.FrameIndex) int {
	t.Helper()
	all, n := sha256.New(), 0
	for k := 1; k <= x.Frames(); k++ {
		b, err := read(f, x, k, s.BitsAllocated)
		if err != nil {
			t.Errorf("%s: frame %d: %v", s.Path, k, err)
			return n
		}
		all.Write(b)
		if want := s.Pixels.FrameSHA256[strconv.Itoa(k)]; want != "" {
			n++
			if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != want {
				t.Errorf("%s: frame %d has other samples", s.Path, k)
			}
		}
	}
	if got := hex.EncodeToString(all.Sum(nil)); got != s.Pixels.SHA256 {
		t.Errorf("%s: the frames together have other samples", s.Path)
	}
	return n + 1
}

func read(f io.ReaderAt, x *pixel.FrameIndex, n, bits int) ([]byte, error) {
	spans, skip, err := x.Frame(n)
	if err != nil {
		return nil, err
	}
	var b []byte
	for _, s := range spans {
		part := make([]byte, s.Length)
		if _, err := f.ReadAt(part, s.Offset); err != nil {
			return nil, err
		}
		b = append(b, part...)
	}
	if bits%8 == 0 {
		return b, nil
	}
	// The frame's bits: as many as it begins behind the one before, or all but a pad for the only.
	size := len(b)*8 - skip
	if x.Frames() > 1 {
		first, _, _ := x.Frame(1)
		second, bit, err := x.Frame(2)
		if err != nil {
			return nil, err
		}
		size = int(second[0].Offset-first[0].Offset)*8 + bit
	}
	var out []byte
	for i := 0; i+bits <= size; i += bits {
		var v uint16
		for k := range bits {
			at := skip + i + k
			v |= uint16(b[at/8]>>(at%8)&1) << k
		}
		if out = append(out, byte(v)); bits > 8 {
			out = append(out, byte(v>>8))
		}
	}
	return out, nil
}

func index(t *testing.T, path string) (*os.File, *pixel.FrameIndex) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	h, err := dicom.ReadHeader(f, dicom.Source{Lenient: true}, dicom.Limits{})
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return f, nil
	}
	x, err := pixel.Index(h)
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return f, nil
	}
	return f, x
}

// TestDamagedCorpus: whatever is wrong with a file, looking for its frames ends in a table or in
// an error.
func TestDamagedCorpus(t *testing.T) {
	t.Parallel()
	root, samples := corpus(t)
	want := map[string]bool{ // files whose frames cannot be found
		"enc-no-fragments": false, "frames-1e9": false, "frames-negative": false, "bits-allocated-0": false,
		"rows-65535": false, "rows-missing": false, "rows-zero": false, "pixels-short": false,
		"ts-jpeg-has-native": false,
		"enc-bot-wrong":      true, "enc-zero-fragment": true, "pixels-long": true, "html-in-name": true,
	}
	for _, s := range samples {
		if !strings.HasPrefix(s.Path, "malformed/") {
			continue
		}
		f, err := os.Open(filepath.Join(root, s.Path))
		if err != nil {
			t.Fatal(err)
		}
		h, err := dicom.ReadHeader(f, dicom.Source{}, dicom.Limits{})
		f.Close()
		name := strings.TrimSuffix(filepath.Base(s.Path), ".dcm")
		found, listed := want[name]
		if err != nil {
			if listed && found {
				t.Errorf("%s: header: %v", s.Path, err)
			}
			continue
		}
		x, err := pixel.Index(h)
		if listed && (x != nil) != found {
			t.Errorf("%s: table %v, error %v", s.Path, x != nil, err)
		}
	}
}
