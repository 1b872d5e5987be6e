package httpd_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/httpd"
)

// readAll takes a body apart; content of the parts, and the error that ended it (nil: closed).
func readAll(src io.Reader, boundary string) ([]string, error) {
	m, err := httpd.NewMultipartReader(src, boundary)
	if err != nil {
		return nil, err
	}
	var out []string
	for {
		p, err := m.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		content, err := io.ReadAll(p)
		if err != nil {
			return out, err
		}
		out = append(out, string(content))
	}
}

func TestMultipartReader(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("0123456789abcdef", 40_000) // larger than the window
	near := "\r\n--bound" + strings.Repeat("\r\n--boun", 50_000)
	for name, tc := range map[string]struct {
		body string
		want []string
		err  error
	}{
		"two parts":              {"--b\r\nContent-Type: a/b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n", []string{"one", "two"}, nil},
		"no line behind the end": {"--b\r\n\r\none\r\n--b--", []string{"one"}, nil},
		"preamble, epilogue":     {"hello\r\n--b\r\n\r\none\r\n--b--\r\nbye --b", []string{"one"}, nil},
		"empty part":             {"--b\r\n\r\n\r\n--b--", []string{""}, nil},
		"no part":                {"--b--\r\n", nil, nil},
		"padding":                {"--b  \t\r\n\r\none\r\n--b \r\n\r\ntwo\r\n--b--", []string{"one", "two"}, nil},
		"bare line feeds":        {"--b\nX: y\n\none\n--b\n\ntwo\n--b--\n", []string{"one", "two"}, nil},
		"longer boundary inside": {"--b\r\n\r\none\r\n--bc\r\nmore\r\n--b--", []string{"one\r\n--bc\r\nmore"}, nil},
		"dashes inside":          {"--b\r\n\r\n\r\n--\r\n-\r\n--b--", []string{"\r\n--\r\n-"}, nil},
		"large":                  {"--b\r\n\r\n" + big + "\r\n--b\r\n\r\n" + big + "x\r\n--b--", []string{big, big + "x"}, nil},
		"nearly the boundary":    {"--b\r\n\r\n" + near + "\r\n--b--", []string{near}, nil},
		"without end":            {"--b\r\n\r\none", nil, httpd.ErrTruncated},
		"without end, at part":   {"--b\r\n\r\none\r\n--b\r\n", []string{"one"}, httpd.ErrTruncated},
		"ends in delimiter":      {"--b\r\n\r\none\r\n--b", nil, httpd.ErrTruncated},
		"wrong boundary":         {"--other\r\n\r\none\r\n--other--", nil, httpd.ErrNoBoundary},
		"empty body":             {"", nil, httpd.ErrNoBoundary},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for how, src := range map[string]io.Reader{
				"at once":     strings.NewReader(tc.body),
				"with end":    iotest.DataErrReader(strings.NewReader(tc.body)),
				"half":        iotest.HalfReader(strings.NewReader(tc.body)),
				"one by one":  iotest.OneByteReader(strings.NewReader(tc.body)),
				"in the lump": &lumps{s: tc.body, n: 4093},
			} {
				got, err := readAll(src, "b")
				if !errors.Is(err, tc.err) || len(got) != len(tc.want) {
					t.Fatalf("%s: %d parts, %v; want %d, %v", how, len(got), err, len(tc.want), tc.err)
				}
				for i := range got {
					if got[i] != tc.want[i] {
						t.Errorf("%s: part %d differs (%d bytes, want %d)", how, i, len(got[i]), len(tc.want[i]))
					}
				}
			}
		})
	}
}

// lumps reads n bytes at a time, to move the delimiter through every place in the window.
type lumps struct {
	s string
	n int
}

func (l *lumps) Read(p []byte) (int, error) {
	if l.s == "" {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), l.n)], l.s)
	l.s = l.s[n:]
	return n, nil
}

func TestMultipartLimits(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"header without end": "--b\r\nX: " + strings.Repeat("y", 1<<20),
		"too many lines":     "--b\r\n" + strings.Repeat("X: y\r\n", 1<<18),
		"endless preamble":   strings.Repeat("x", 1<<20) + "\r\n--b--",
		"text behind it":     "--b hello\r\n\r\n",
	} {
		if _, err := readAll(strings.NewReader(body), "b"); err == nil {
			t.Errorf("%s: no error", name)
		} else if k := errs.KindOf(err); k != errs.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, boundary := range []string{"", strings.Repeat("x", 300)} {
		if _, err := httpd.NewMultipartReader(strings.NewReader(""), boundary); !errs.Is(err, errs.Invalid) {
			t.Errorf("boundary of %d bytes: %v", len(boundary), err)
		}
	}
}

func TestMultipartPartsThatAreNotRead(t *testing.T) {
	t.Parallel()
	var body bytes.Buffer
	const parts = 100_000
	for i := range parts {
		fmt.Fprintf(&body, "--b\r\nContent-Type: application/dicom\r\n\r\npart %d\r\n", i)
	}
	body.WriteString("--b--\r\n")
	m, err := httpd.NewMultipartReader(&body, "b")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for {
		p, err := m.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Header.Get("Content-Type"); got != "application/dicom" {
			t.Fatalf("part %d: Content-Type %q", n, got)
		}
		n++
	}
	if n != parts {
		t.Errorf("%d parts, want %d", n, parts)
	}
}

func TestMultipartWriter(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	m := httpd.NewMultipartWriter(&out, "bound")
	heads := []httpd.PartHead{
		{ContentType: "application/dicom; transfer-syntax=1.2"},
		{ContentType: "image/jpeg", Location: "http://x/frames/2"},
		{ContentType: "image/jpeg"},
	}
	want := m.TailLength()
	for i, h := range heads {
		want += m.HeadLength(i, h) + 5
		if err := m.Begin(h); err != nil {
			t.Fatal(err)
		}
		out.WriteString("hello")
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if int64(out.Len()) != want {
		t.Errorf("told %d bytes, wrote %d", want, out.Len())
	}
	std := multipart.NewReader(&out, "bound")
	for i, h := range heads {
		p, err := std.NextPart()
		if err != nil {
			t.Fatalf("part %d: %v", i, err)
		}
		content, err := io.ReadAll(p)
		if err != nil || string(content) != "hello" {
			t.Errorf("part %d: %q %v", i, content, err)
		}
		if p.Header.Get("Content-Type") != h.ContentType || p.Header.Get("Content-Location") != h.Location {
			t.Errorf("part %d: header %v", i, p.Header)
		}
	}
}

// naive is the oracle of FuzzMultipart: it splits the whole body in memory.
func naive(body []byte, boundary string) (parts []string, closed bool) {
	body = append([]byte("\r\n"), body...)
	delim := []byte("\r\n--" + boundary)
	i := bytes.Index(body, delim)
	if i < 0 {
		return nil, false
	}
	body = body[i+len(delim):]
	for {
		if bytes.HasPrefix(body, []byte("--")) {
			return parts, true
		}
		nl := bytes.Index(body, []byte("\n"))
		if nl < 0 || len(bytes.TrimSpace(body[:nl])) > 0 {
			return parts, false
		}
		body = body[nl+1:]
		for { // header lines
			nl = bytes.Index(body, []byte("\n"))
			if nl < 0 {
				return parts, false
			}
			line := bytes.TrimSuffix(body[:nl], []byte("\r"))
			body = body[nl+1:]
			if len(line) == 0 {
				break
			}
		}
		at := 0
		for {
			i = bytes.Index(body[at:], delim)
			if i < 0 {
				return parts, false
			}
			i += at
			rest := body[i+len(delim):]
			if len(rest) < 2 {
				return parts, false
			}
			if strings.IndexByte("\r\n \t", rest[0]) >= 0 || string(rest[:2]) == "--" {
				break
			}
			at = i + 1
		}
		parts = append(parts, string(body[:i]))
		body = body[i+len(delim):]
	}
}

// bareLF tells bodies whose first delimiter stands between bare line feeds.
func bareLF(body []byte) bool {
	body = append([]byte("\r\n"), body...)
	i := bytes.Index(body, []byte("\n--b"))
	if i < 0 {
		return false
	}
	end := bytes.IndexByte(body[i+1:], '\n')
	return body[i-1] != '\r' || end < 0 || body[i+end] != '\r'
}

func FuzzMultipart(f *testing.F) {
	f.Add([]byte("--b\r\nContent-Type: a/b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n"), 7)
	f.Add([]byte("x\r\n--b\r\n\r\n\r\n--bx\r\n--b--"), 1)
	f.Add([]byte("--b \r\n\r\n\r\n--b"), 3)
	f.Fuzz(func(t *testing.T, body []byte, step int) {
		if len(body) > 8<<10 { // below the limits on headers and preamble, which naive lacks
			return
		}
		if bareLF(body) {
			return // leniency the oracle does not have
		}
		want, closed := naive(body, "b")
		got, err := readAll(&lumps{s: string(body), n: 1 + step&0xff}, "b")
		if closed != (err == nil) {
			t.Fatalf("closed %v, err %v", closed, err)
		}
		if len(got) != len(want) {
			t.Fatalf("%d parts, want %d", len(got), len(want))
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("part %d: %q, want %q", i, got[i], want[i])
			}
		}
	})
}

func BenchmarkMultipartReader(b *testing.B) {
	var body bytes.Buffer
	slice := make([]byte, 526<<10)
	for i := range slice { // 12-bit samples: the high byte is small, CR and LF occur
		slice[i] = byte(i * 7)
		if i&1 == 1 {
			slice[i] = byte(i>>9) & 0x0f
		}
	}
	for range 20 {
		body.WriteString("--dcmharness-boundary\r\nContent-Type: application/dicom\r\n\r\n")
		body.Write(slice)
		body.WriteString("\r\n")
	}
	body.WriteString("--dcmharness-boundary--\r\n")
	b.SetBytes(int64(body.Len()))
	for b.Loop() {
		m, err := httpd.NewMultipartReader(bytes.NewReader(body.Bytes()), "dcmharness-boundary")
		if err != nil {
			b.Fatal(err)
		}
		for {
			p, err := m.Next()
			if err != nil {
				break
			}
			if _, err := p.WriteTo(io.Discard); err != nil {
				b.Fatal(err)
			}
		}
	}
}
