package dicomweb_test

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicomweb"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

func TestStore(t *testing.T) {
	t.Parallel()
	objects := first(t)
	other := spec{study: "2.25.1", series: "2.25.1.1", instance: "2.25.1.1.1", syntax: dicom.ExplicitVRLittleEndian}.make(t)
	changed := bytes.Replace(objects[0], []byte("First^Patient"), []byte("First^Changed"), 1)
	garbage := []byte("this is no DICOM object at all")
	cut := objects[1][:len(objects[1])-1000]
	whole := related(objects...).Bytes()
	guide := "multipart/related; type=application/dicom"
	for name, tc := range map[string]struct {
		path, contentType        string
		body                     []byte
		before                   [][]byte
		status                   int
		stored, failed, nameless int
		reason                   string
	}{
		"five slices":             {"/studies", stowType, whole, nil, 200, 5, 0, 0, ""},
		"into their study":        {"/studies/" + firstStudy, stowType, whole, nil, 200, 5, 0, 0, ""},
		"into another study":      {"/studies/1.2.3", stowType, whole, nil, 409, 0, 5, 0, "43264"},
		"again":                   {"/studies", stowType, whole, objects, 200, 5, 0, 0, ""},
		"other bytes, same UID":   {"/studies", stowType, related(changed).Bytes(), objects, 409, 0, 1, 0, "273"},
		"single object":           {"/studies", "application/dicom", objects[0], nil, 200, 1, 0, 0, ""},
		"the guide's curl line":   {"/studies", guide, objects[0], nil, 200, 1, 0, 0, ""},
		"boundary left out":       {"/studies", guide, whole, nil, 200, 5, 0, 0, ""},
		"no type":                 {"/studies", "multipart/related; boundary=XXYY", whole, nil, 200, 5, 0, 0, ""},
		"unquoted":                {"/studies", "Multipart/Related;type=application/dicom;boundary=XXYY", whole, nil, 200, 5, 0, 0, ""},
		"two studies":             {"/studies", stowType, related(objects[0], other).Bytes(), nil, 200, 2, 0, 0, ""},
		"one of two is garbage":   {"/studies", stowType, related(objects[0], garbage).Bytes(), nil, 202, 1, 0, 1, "49152"},
		"garbage":                 {"/studies", stowType, related(garbage).Bytes(), nil, 400, 0, 0, 1, "49152"},
		"a part cut short":        {"/studies", stowType, related(objects[0], cut).Bytes(), nil, 202, 1, 0, 1, "49152"},
		"wrong boundary":          {"/studies", strings.Replace(stowType, "XXYY", "other", 1), whole, nil, 400, 0, 0, 0, ""},
		"no end, first part":      {"/studies", stowType, whole[:5000], nil, 400, 0, 0, 1, "49152"},
		"no end, third part":      {"/studies", stowType, whole[:2*len(objects[0])+5000], nil, 202, 2, 0, 1, "49152"},
		"only the delimiter":      {"/studies", stowType, []byte("--XXYY--\r\n"), nil, 400, 0, 0, 0, ""},
		"empty":                   {"/studies", stowType, nil, nil, 400, 0, 0, 0, ""},
		"empty object":            {"/studies", "application/dicom", nil, nil, 400, 0, 0, 1, "49152"},
		"no boundary, no DICOM":   {"/studies", guide, garbage, nil, 400, 0, 0, 0, ""},
		"JSON":                    {"/studies", "application/json", []byte("{}"), nil, 415, 0, 0, 0, ""},
		"metadata and bulk data":  {"/studies", `multipart/related; type="application/dicom+json"; boundary=XXYY`, whole, nil, 415, 0, 0, 0, ""},
		"no Content-Type":         {"/studies", "", objects[0], nil, 415, 0, 0, 0, ""},
		"part of another type":    {"/studies", stowType, []byte("--XXYY\r\nContent-Type: text/plain\r\n\r\nx\r\n--XXYY--"), nil, 415, 0, 0, 1, "290"},
		"part without its header": {"/studies", stowType, append([]byte("--XXYY\r\n\r\n"), append(bytes.Clone(objects[0]), "\r\n--XXYY--"...)...), nil, 200, 1, 0, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			if tc.before != nil {
				s.store(tc.before...)
			}
			a := s.do(http.MethodPost, tc.path, bytes.NewReader(tc.body), "Content-Type", tc.contentType)
			if a.StatusCode != tc.status {
				t.Fatalf("status %d, want %d: %s", a.StatusCode, tc.status, a.body)
			}
			if tc.stored+tc.failed+tc.nameless == 0 {
				if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
					t.Errorf("Content-Type %s", got)
				}
				return
			}
			r := a.response(t)
			if len(r.Stored.Value) != tc.stored || len(r.Failed.Value) != tc.failed || len(r.Nameless.Value) != tc.nameless {
				t.Fatalf("stored %d, failed %d, nameless %d: %s", len(r.Stored.Value), len(r.Failed.Value), len(r.Nameless.Value), a.body)
			}
			for _, one := range append(r.Failed.Value, r.Nameless.Value...) {
				if got := one.Reason.text(); got != tc.reason {
					t.Errorf("FailureReason %s, want %s", got, tc.reason)
				}
			}
			for _, one := range r.Stored.Value { // every URL leads to the instance
				if got := s.get(one.URL.text()); got.StatusCode != 200 {
					t.Errorf("%s: %d", one.URL.text(), got.StatusCode)
				}
			}
		})
	}
}

func TestStoreAnswersXML(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	a := s.do(http.MethodPost, "/studies", related(append(first(t), []byte("garbage"))...),
		"Content-Type", stowType, "Accept", "application/dicom+xml")
	if got := a.Header.Get("Content-Type"); got != "application/dicom+xml" {
		t.Fatalf("Content-Type %s", got)
	}
	var model struct {
		Attributes []struct {
			Keyword string `xml:"keyword,attr"`
			Items   []struct {
				Attributes []struct {
					Keyword string `xml:"keyword,attr"`
					Value   string
				} `xml:"DicomAttribute"`
			} `xml:"Item"`
		} `xml:"DicomAttribute"`
	}
	if err := xml.Unmarshal(a.body, &model); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	var got []string
	for _, at := range model.Attributes {
		got = append(got, fmt.Sprint(at.Keyword, len(at.Items)))
	}
	if want := "[RetrieveURL0 ReferencedSOPSequence5 OtherFailuresSequence1]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestStoreOfManyParts(t *testing.T) {
	t.Parallel()
	part := []byte("--XXYY\r\nContent-Type: application/dicom\r\n\r\nno DICOM object\r\n")
	whole := related(spec{study: "2.25.1", series: "2.25.1.1", instance: "2.25.1.1.1", syntax: dicom.ExplicitVRLittleEndian}.make(t)).Bytes()
	whole = whole[:len(whole)-len("--XXYY--\r\n")]
	for name, tc := range map[string]struct{ limit, parts, failed int }{
		"100,000":    {100_000, 99_999, 99_999},
		"one beyond": {100, 100, 100},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServerWith(t, dicomweb.Config{Parts: tc.limit})
			body := io.MultiReader(bytes.NewReader(whole), bytes.NewReader(bytes.Repeat(part, tc.parts)), strings.NewReader("--XXYY--\r\n"))
			a := s.do(http.MethodPost, "/studies", body, "Content-Type", stowType)
			r := a.response(t)
			if a.StatusCode != http.StatusAccepted || len(r.Stored.Value) != 1 || len(r.Nameless.Value) != tc.failed {
				t.Errorf("status %d, stored %d, failed %d", a.StatusCode, len(r.Stored.Value), len(r.Nameless.Value))
			}
		})
	}
}

func TestStoreRefusesCompressedBodies(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	a := s.do(http.MethodPost, "/studies", related(first(t)...), "Content-Type", stowType, "Content-Encoding", "gzip")
	if a.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("status %d", a.StatusCode)
	}
}

// TestStoreLargeParts streams parts that are larger than what is read ahead, with no memory
// for reading ahead at all.
func TestStoreLargeParts(t *testing.T) {
	t.Parallel()
	frame := bytes.Repeat([]byte("\r\n--XXY-"), 1<<20)
	for name, memory := range map[string]int64{"read ahead": 0, "no memory": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServerWith(t, dicomweb.Config{StoreMemory: memory})
			var objects [][]byte
			for i := range 3 {
				o := spec{study: "2.25.1", series: "2.25.1.1", instance: fmt.Sprint("2.25.1.1.", i+1),
					syntax: dicom.ExplicitVRLittleEndian, frames: [][]byte{frame[:len(frame)>>(4*i)]}}
				objects = append(objects, o.make(t))
			}
			s.store(objects...)
			_, got := s.get("/studies/2.25.1").parts(t)
			if len(got) != 3 {
				t.Fatalf("%d objects came back", len(got))
			}
			for _, b := range got {
				if !bytes.Equal(b, objects[0]) && !bytes.Equal(b, objects[1]) && !bytes.Equal(b, objects[2]) {
					t.Errorf("an object of %d bytes came back changed", len(b))
				}
			}
		})
	}
}

// TestCorpusComesBack: what went in by STOW comes out by WADO, byte for byte.
func TestCorpusComesBack(t *testing.T) {
	t.Parallel()
	root := filepath.Join(testkit.Shared(t), "data")
	for _, folder := range []string{"syntaxes/ct-all", "syntaxes/mr-all", "charsets", "modalities", "derived", "multiframe"} {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			filepath.WalkDir(filepath.Join(root, folder), func(path string, e os.DirEntry, err error) error {
				if err != nil || e.IsDir() || filepath.Ext(path) != ".dcm" {
					return err
				}
				sent, err := os.ReadFile(path)
				if err != nil || len(sent) > 30<<20 {
					return err
				}
				name, _ := filepath.Rel(root, path)
				f, err := dicom.Read(bytes.NewReader(sent), dicom.Source{Lenient: true}, 0)
				if err != nil || f.Dataset.UID(tag.SOPInstanceUID) == "" {
					return err // text samples that are no instances
				}
				a := s.do(http.MethodPost, "/studies", related(sent), "Content-Type", stowType)
				r := a.response(t)
				if a.StatusCode == http.StatusConflict { // several files share a UID: one at a time
					s = newServer(t)
					a = s.do(http.MethodPost, "/studies", related(sent), "Content-Type", stowType)
					r = a.response(t)
				}
				if a.StatusCode != http.StatusOK || len(r.Stored.Value) != 1 {
					t.Errorf("%s: status %d: %s", name, a.StatusCode, a.body)
					return nil
				}
				got := s.accept(r.Stored.Value[0].URL.text(), "application/dicom")
				// What came without preamble and meta header gets them.
				if bare := f.Meta == nil; !bytes.Equal(got.body, sent) && !(bare && bytes.HasSuffix(got.body, sent)) {
					t.Errorf("%s: came back changed (%d bytes, sent %d)", name, len(got.body), len(sent))
				}
				return nil
			})
		})
	}
}

// TestStoreFromSlowClient: what came whole is kept and told; a client that goes silent gets 408.
func TestStoreFromSlowClient(t *testing.T) {
	t.Parallel()
	whole := related(first(t)...).Bytes()
	slice := len(first(t)[0])
	for name, tc := range map[string]struct {
		sent   int
		status int
		stored int
	}{
		"in the first part": {slice / 2, http.StatusRequestTimeout, 0},
		"in the third part": {2*slice + 5000, http.StatusAccepted, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			conn, err := net.Dial("tcp", strings.TrimPrefix(strings.TrimSuffix(s.URL, dicomweb.Root), "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", stowType, len(whole))
			if _, err := conn.Write(whole[:tc.sent]); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != tc.status {
				t.Errorf("status %d, want %d: %s", resp.StatusCode, tc.status, body)
			}
			if got := s.get("/instances").json(t); len(got) != tc.stored {
				t.Errorf("%d instances stored, want %d", len(got), tc.stored)
			}
		})
	}
}

// TestStoreFromManyClients sends the same and different slices at once.
func TestStoreFromManyClients(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	objects := first(t)
	var group errgroup.Group
	for i := range 8 {
		group.Go(func() error {
			own := spec{study: "2.25.7", series: "2.25.7.1", instance: fmt.Sprint("2.25.7.1.", i+1), syntax: dicom.ExplicitVRLittleEndian}.make(t)
			a, err := s.try(http.MethodPost, "/studies", related(append(first(t), own)...), "Content-Type", stowType)
			if err == nil && a.StatusCode != http.StatusOK {
				err = fmt.Errorf("status %d: %s", a.StatusCode, a.body)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := len(s.get("/instances").json(t)); got != len(objects)+8 {
		t.Errorf("%d instances, want %d", got, len(objects)+8)
	}
}
