package dicomweb_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// fragments returns what the items of a file's encapsulated pixel data hold, the offset table
// left out, by the bytes alone (PS3.5 A.4).
func fragments(t *testing.T, file []byte) (out [][]byte) {
	t.Helper()
	at := bytes.LastIndex(file, []byte("\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff"))
	if at < 0 {
		t.Fatal("no encapsulated pixel data")
	}
	for b := file[at+12:]; bytes.HasPrefix(b, []byte("\xfe\xff\x00\xe0")); {
		n := binary.LittleEndian.Uint32(b[4:])
		out = append(out, b[8:8+n])
		b = b[8+n:]
	}
	return out[1:]
}

func send(s *server, f testkit.Sample, dir string) (path string, file []byte) {
	s.Helper()
	file, err := os.ReadFile(filepath.Join(dir, f.Path))
	if err != nil {
		s.Fatal(err)
	}
	s.store(file)
	return "/studies/" + f.Study + "/series/" + f.Series + "/instances/" + f.SOP, file
}

// TestVideoPassesThrough: a stream goes out byte for byte, as one frame and as bulk data, under
// the type of what it is.
func TestVideoPassesThrough(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	dir, files := testkit.Corpus(t, func(f testkit.Sample) bool { return strings.HasPrefix(f.Path, "multiframe/video/") })
	if len(files) < 4 {
		t.Fatalf("%d videos, the corpus has more", len(files))
	}
	is := map[string]string{"h264-102": "video/mp4", "h264-fragmentable-102-1": "video/MP2T", "hevc-107": "video/mp4", "mpeg2-100": "video/mpeg2"}
	named := map[string]string{"hevc-107": "video/H265", "mpeg2-100": "video/mpeg2"} // by PS3.18; video/mp4 otherwise
	for _, f := range files {
		path, file := send(s, f, dir)
		name := strings.TrimSuffix(filepath.Base(f.Path), ".dcm")
		stream := bytes.Join(fragments(t, file), nil)
		if sum, cut := sha256.Sum256(stream), sha256.Sum256(bytes.TrimSuffix(stream, []byte{0})); // a pad byte
		hex.EncodeToString(sum[:]) != f.Pixels.StreamSHA256 && hex.EncodeToString(cut[:]) != f.Pixels.StreamSHA256 {
			t.Fatalf("%s: the test reads another stream than the manifest's", name)
		}
		want := is[name] + "; transfer-syntax=" + f.TransferSyntax
		standard := named[name]
		if standard == "" {
			standard = "video/mp4"
		}
		for _, resource := range []string{"/frames/1", "/bulkdata/7FE00010"} {
			for _, accept := range []string{is[name], standard, "video/*", standard + "; transfer-syntax=" + f.TransferSyntax} {
				a := s.accept(path+resource, accept)
				if a.StatusCode != 200 || a.Header.Get("Content-Type") != want || !bytes.Equal(a.body, stream) {
					t.Errorf("%s%s as %q: status %d, %s, %d bytes", name, resource, accept, a.StatusCode, a.Header.Get("Content-Type"), len(a.body))
				}
			}
			for _, accept := range []string{`multipart/related; type="` + standard + `"`, `multipart/related; type="video/*"`, `multipart/related; type="application/octet-stream"; transfer-syntax=*`,
				`multipart/related; type="application/octet-stream"`, "*/*"} {
				types, got := s.accept(path+resource, accept).parts(t)
				if len(got) != 1 || types[0] != want || !bytes.Equal(got[0], stream) {
					t.Errorf("%s%s as %q: %d parts of %v", name, resource, accept, len(got), types)
				}
			}
			if a := s.accept(path+resource, "image/jpeg"); a.StatusCode != 406 {
				t.Errorf("%s%s as image/jpeg: status %d", name, resource, a.StatusCode)
			}
		}
		part := s.get(path+"/frames/1", "Accept", is[name], "Range", "bytes=100-199") // as players ask
		if part.StatusCode != 206 || !bytes.Equal(part.body, stream[100:200]) {
			t.Errorf("%s: a range: status %d, %d bytes", name, part.StatusCode, len(part.body))
		}
		if a := s.accept(path+"/frames/2", is[name]); a.StatusCode != 404 {
			t.Errorf("%s: a second frame: status %d", name, a.StatusCode)
		}
	}
}

// TestJPEGXLPassesThrough: each frame is its fragment, byte for byte.
func TestJPEGXLPassesThrough(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	dir, files := testkit.Corpus(t, func(f testkit.Sample) bool { return strings.HasPrefix(f.Path, "syntaxes/jxl/") })
	if len(files) < 5 {
		t.Fatalf("%d images, the corpus has more", len(files))
	}
	for _, f := range files {
		path, file := send(s, f, dir)
		want := fragments(t, file)
		if len(want) != max(f.Frames, 1) {
			t.Fatalf("%s: %d fragments for %d frames", f.Path, len(want), f.Frames)
		}
		types, got := s.accept(path+"/bulkdata/7FE00010", `multipart/related; type="image/jxl"`).parts(t)
		if len(got) != len(want) {
			t.Fatalf("%s: %d parts, want %d", f.Path, len(got), len(want))
		}
		for i := range got {
			if !bytes.Equal(got[i], want[i]) || types[i] != "image/jxl; transfer-syntax="+f.TransferSyntax {
				t.Errorf("%s: frame %d is %d bytes of %s, want %d", f.Path, i+1, len(got[i]), types[i], len(want[i]))
			}
		}
		a := s.accept(path+"/frames/1", "image/jxl")
		if a.StatusCode != 200 || !bytes.Equal(a.body, want[0]) || a.Header.Get("Content-Type") != "image/jxl; transfer-syntax="+f.TransferSyntax {
			t.Errorf("%s: alone: status %d, %d bytes of %s", f.Path, a.StatusCode, len(a.body), a.Header.Get("Content-Type"))
		}
	}
}
