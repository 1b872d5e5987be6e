package dicomweb_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the answers into the golden files")

// TestGolden sends the request at the top of each file of testdata/golden to a server that has
// testdata/first, and holds the answer to the one below. "< first/N" as a body stands for a
// multipart body of that slice.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/golden/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			request, want, _ := strings.Cut(string(text), "\n----\n")
			s := newServer(t)
			s.store(first(t)...)
			got := s.exchange(request)
			if *update {
				if err := os.WriteFile(file, []byte(request+"\n----\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("%s\ngot:\n%s\nwant:\n%s", request, got, want)
			}
		})
	}
}

func (s *server) exchange(request string) string {
	head, body, _ := strings.Cut(request, "\n\n")
	lines := strings.Split(head, "\n")
	method, path, _ := strings.Cut(lines[0], " ")
	var header []string
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ": ")
		header = append(header, name, value)
	}
	content := []byte(body)
	if n, ok := strings.CutPrefix(strings.TrimSpace(body), "< first/"); ok {
		content = related(first(s.T)[n[0]-'1']).Bytes()
	}
	return s.golden(s.do(method, strings.TrimPrefix(path, "/dicom-web"), bytes.NewReader(content), header...))
}

var (
	boundaries = regexp.MustCompile(`boundary=[0-9a-f]{32}`)
	tags       = regexp.MustCompile(`"[0-9a-z]+(-[0-9a-z]+)?(-[fb.0-9A-Z]+)?(-m)?"`)
)

// golden writes an answer with what differs from run to run replaced.
func (s *server) golden(a answer) string {
	var out strings.Builder
	fmt.Fprintln(&out, a.StatusCode, http.StatusText(a.StatusCode))
	var names []string
	for name := range a.Header {
		if name != "Date" && name != "X-Request-Id" && name != "X-Content-Type-Options" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	base := strings.TrimSuffix(s.URL, "/dicom-web")
	for _, name := range names {
		value := boundaries.ReplaceAllString(strings.Join(a.Header[name], ", "), "boundary=BOUNDARY")
		switch name {
		case "Etag":
			value = tags.ReplaceAllString(value, `"TAG$2$3"`)
		case "Content-Length":
			if t := a.Header.Get("Content-Type"); strings.Contains(t, "json") || strings.Contains(t, "xml") {
				continue // the server's port has four or five digits
			}
		}
		fmt.Fprintf(&out, "%s: %s\n", name, value)
	}
	out.WriteByte('\n')
	media, _, _ := mime.ParseMediaType(a.Header.Get("Content-Type"))
	switch {
	case strings.HasSuffix(media, "json"):
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, a.body, "", " "); err != nil {
			s.Errorf("not JSON: %v", err)
		}
		out.WriteString(strings.ReplaceAll(pretty.String(), base, "http://server"))
		out.WriteByte('\n')
	case media == "multipart/related":
		types, parts := a.parts(s.T)
		for i := range parts {
			fmt.Fprintf(&out, "part %s\n%s\n", types[i], digest(parts[i]))
		}
	case media == "application/dicom+xml":
		out.WriteString(strings.ReplaceAll(string(a.body), base, "http://server"))
		out.WriteByte('\n')
	case len(a.body) > 0:
		fmt.Fprintln(&out, digest(a.body))
	}
	return out.String()
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return fmt.Sprintf("%d bytes, sha256 %s", len(b), hex.EncodeToString(sum[:8]))
}
