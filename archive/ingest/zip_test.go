package ingest_test

import (
	"archive/zip"
	"bytes"
	"hash/crc32"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/archive/ingest"
)

// entry of a zip; the zero method is stored.
type entry struct {
	name   string
	b      []byte
	method uint16
	flags  uint16
}

func zipOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: e.method, Flags: e.flags}
		var w io.Writer
		var err error
		if e.flags != 0 { // as it is
			h.CRC32, h.CompressedSize64, h.UncompressedSize64 = crc32.ChecksumIEEE(e.b), uint64(len(e.b)), uint64(len(e.b))
			w, err = z.CreateRaw(h)
		} else {
			w, err = z.CreateHeader(h)
		}
		if err == nil {
			_, err = w.Write(e.b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestZip(t *testing.T) {
	t.Parallel()
	third := zipOf(t, entry{name: "deepest", b: object(t, 9)})
	inner := func(n int) []byte {
		return zipOf(t, entry{name: "object", b: object(t, n), method: zip.Deflate}, entry{name: "third.zip", b: third})
	}
	damaged, early := object(t, 7), object(t, 8)
	whole := zipOf(t,
		entry{name: "stored", b: object(t, 1)},
		entry{name: "../../deflated", b: object(t, 2), method: zip.Deflate},
		entry{name: "folder/"},
		entry{name: "folder/bare", b: bareObject(t, 3), method: zip.Deflate},
		entry{name: "inner.zip", b: inner(4)},
		entry{name: "deflated.ZIP", b: inner(5), method: zip.Deflate},
		entry{name: "broken.zip", b: []byte("PK\x03\x04 and nothing else")},
		entry{name: "secret", b: object(t, 6), flags: 1},
		entry{name: "damaged", b: damaged},
		entry{name: "damaged early", b: early},
		entry{name: "README", b: []byte("read me")},
	)
	at := bytes.Index(whole, damaged)
	whole[at+len(damaged)-1] ^= 1 // in the pixels: only the checksum knows
	at = bytes.Index(whole, early)
	whole[at+400] ^= 0x80 // in the header: it cannot be read either
	want := map[string]string{
		"!stored": "stored", "!../../deflated": "stored", "!folder/bare": "stored",
		"!inner.zip!object": "stored", "!deflated.ZIP!object": "stored",
		"!inner.zip!third.zip": "not DICOM", "!deflated.ZIP!third.zip": "not DICOM",
		"!broken.zip": "damaged", "!secret": "refused", "!damaged": "damaged", "!damaged early": "damaged", "!README": "not DICOM",
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "export.zip")
	write(t, file, whole)
	for name, src := range map[string]ingest.Source{
		"named":  ingest.Files(ingest.Limits{}, file),
		"met":    ingest.Files(ingest.Limits{}, dir),
		"reader": ingest.Zip(ingest.Limits{}, file, bytes.NewReader(whole), int64(len(whole)), time.Now()),
		"stream": ingest.Stream(ingest.Limits{}, file, onlyReader{bytes.NewReader(whole)}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, _ := outcomes(t, file, src, ingest.Options{})
			expect(t, got, want)
		})
	}
	t.Run("object from a stream", func(t *testing.T) {
		t.Parallel()
		got, _ := outcomes(t, "", ingest.Stream(ingest.Limits{}, "-", onlyReader{bytes.NewReader(object(t, 1))}), ingest.Options{})
		expect(t, got, map[string]string{"-": "stored"})
	})
}

type onlyReader struct{ io.Reader }

// TestZipBomb: what a zip may inflate to is bounded, in sum and by what is read, not declared.
func TestZipBomb(t *testing.T) {
	t.Parallel()
	zeros := make([]byte, 4<<20)
	big := append(object(t, 1), zeros...) // zeros behind a data set are none of its content
	entries := []entry{{name: "small", b: object(t, 2)}}
	for _, name := range []string{"a", "b", "c", "d"} {
		entries = append(entries, entry{name: name, b: big, method: zip.Deflate})
	}
	b := zipOf(t, entries...)
	lim := ingest.Limits{Ratio: 1, Slack: 9 << 20}
	got, s := outcomes(t, "z", ingest.Zip(lim, "z", bytes.NewReader(b), int64(len(b)), time.Now()), ingest.Options{Workers: 1})
	if got["!small"] != "stored" || got["!a"] == "damaged" || got["!d"] != "damaged" || s.Count(ingest.Damaged) != 2 {
		t.Errorf("a sum that is too large: %v", got)
	}

	nested := zipOf(t, entry{name: "bomb.zip", b: zipOf(t, entry{name: "x", b: zeros, method: zip.Deflate}), method: zip.Deflate})
	lim = ingest.Limits{Ratio: 1, Slack: 1 << 20}
	got, _ = outcomes(t, "z", ingest.Zip(lim, "z", bytes.NewReader(nested), int64(len(nested)), time.Now()), ingest.Options{})
	expect(t, got, map[string]string{"!bomb.zip!x": "damaged"})

	many := make([]entry, 2000)
	for i := range many {
		many[i].name = strings.Repeat("n", 100)
	}
	b = zipOf(t, many...)
	got, _ = outcomes(t, "z", ingest.Zip(ingest.Limits{Directory: 100 << 10}, "z", bytes.NewReader(b), int64(len(b)), time.Now()), ingest.Options{})
	expect(t, got, map[string]string{"": "damaged"})
}
