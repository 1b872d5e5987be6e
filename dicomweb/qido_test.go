package dicomweb_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicomweb"
)

func TestSearch(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.store(first(t)...)
	s.store(
		spec{study: "2.25.2", series: "2.25.2.1", instance: "2.25.2.1.1", syntax: dicom.ExplicitVRLittleEndian}.make(t),
		spec{study: "2.25.2", series: "2.25.2.2", instance: "2.25.2.2.1", syntax: dicom.ExplicitVRLittleEndian}.make(t),
		spec{study: "2.25.3", series: "2.25.3.1", instance: "2.25.3.1.1", syntax: dicom.ExplicitVRLittleEndian, set: func(d *dicom.Dataset) {
			d.SetText(tag.SpecificCharacterSet, "ISO_IR 100")
			d.SetElement(dicom.Element{Tag: tag.PatientName, VR: tag.PatientName.VR(), Value: []byte("M\xfcller^J\xf6rg ")})
		}}.make(t),
	)
	for path, want := range map[string]int{
		"/studies": 3, "/series": 4, "/instances": 8, "/patients": 2,
		"/studies/" + firstStudy + "/series":                               1,
		"/studies/2.25.2/series":                                           2,
		"/studies/" + firstStudy + "/instances":                            5,
		"/studies/" + firstStudy + "/series/" + firstSeries + "/instances": 5,
		"/studies/1.2.3/series":                                            0,
		"/studies?PatientID=FIRST-1":                                       1,
		"/studies?00100020=FIRST-1":                                        1,
		"/studies?PatientID=NOBODY":                                        0,
		"/studies?PatientName=First*":                                      1,
		"/studies?PatientName=M%C3%BCller*":                                1,
		"/studies?StudyDate=20260101-20261231":                             1,
		"/studies?StudyInstanceUID=2.25.2,2.25.3":                          2,
		"/studies?StudyInstanceUID=2.25.2%5C2.25.3":                        2,
		"/studies?ModalitiesInStudy=CT":                                    1,
		"/series?Modality=OT":                                              3,
		"/instances?SOPInstanceUID=2.25.2.1.1":                             1,
		"/studies?limit=2":                                                 2,
		"/studies?limit=2&offset=2":                                        1,
		"/studies?offset=9":                                                0,
		"/studies?includefield=all":                                        3,
		"/studies?PatientID=FIRST-1&accept=application/dicom%2Bjson":       1,
	} {
		a := s.get(path)
		if got := a.json(t); a.StatusCode != 200 || len(got) != want {
			t.Errorf("%s: status %d, %d matches, want %d", path, a.StatusCode, len(got), want)
		}
	}
	for path, want := range map[string]string{
		"/studies/count": `{"count":3}`, "/studies/count?PatientID=FIRST-1": `{"count":1}`, "/instances/count": `{"count":8}`,
		"/series/count": `{"count":4}`, "/patients/count": `{"count":2}`, "/studies/2.25.2/series/count": `{"count":2}`,
		"/studies/2.25.2/instances/count": `{"count":2}`, "/studies/count?limit=1": `{"count":3}`,
	} {
		if got := string(s.get(path).body); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	for _, path := range []string{"/studies?NoSuchAttribute=1", "/studies?limit=x", "/studies?limit=-1", "/studies?StudyDate=yesterday",
		"/studies?includefield=Nonsense", "/studies?fuzzymatching=perhaps", "/studies?PatientID=A;B", "/studies?PatientID=A%zz",
		"/studies?;PatientID=NOBODY", "/studies?PatientID=%00"} {
		if a := s.get(path); a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: status %d: %s", path, a.StatusCode, a.body)
		}
	}
}

func TestSearchAnswersWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.store(first(t)...)
	m := s.get("/studies?includefield=StudyDescription&PatientID=FIRST-1").json(t)[0]
	for name, want := range map[string]string{
		"0020000D": firstStudy, "00100020": "FIRST-1", "00080020": "20260105", "00081030": "First study",
		"00201206": "1", "00201208": "5", "00080061": "CT", "00081190": s.URL + "/studies/" + firstStudy,
	} {
		if got := m[name].text(); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	series := s.get("/series").json(t)[0]
	if got, want := series["00081190"].text(), s.URL+"/studies/"+firstStudy+"/series/"+firstSeries; got != want {
		t.Errorf("series at %s, want %s", got, want)
	}
	for _, one := range s.get("/instances").json(t) {
		if a := s.get(one["00081190"].text()); a.StatusCode != 200 {
			t.Errorf("instance at %s: %d", one["00081190"].text(), a.StatusCode)
		}
	}
	names := keys(t, s.get("/studies").body)
	for i := 1; i < len(names); i++ {
		if names[i] <= names[i-1] {
			t.Errorf("%s stands behind %s", names[i], names[i-1])
		}
	}
}

// keys returns the member names of the first match in their order.
func keys(t *testing.T, body []byte) []string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	var out []string
	depth := 0
	for {
		tok, err := d.Token()
		if err != nil {
			return out
		}
		switch v := tok.(type) {
		case json.Delim:
			if v == '{' || v == '[' {
				depth++
			} else if depth--; depth == 1 {
				return out
			}
		case string:
			if depth == 2 && len(v) == 8 {
				out = append(out, v)
			}
		}
	}
}

// TestSearchIsCutOpenly: what the server's own limit leaves out is told.
func TestSearchIsCutOpenly(t *testing.T) {
	t.Parallel()
	s := newServerWith(t, dicomweb.Config{Results: 3})
	s.store(first(t)...)
	for path, want := range map[string]struct {
		matches int
		warning string
	}{
		"/instances":                  {3, "There are 2 additional results"},
		"/instances?limit=4":          {3, "There are 2 additional results"},
		"/instances?limit=3":          {3, ""}, // the client's own limit
		"/instances?offset=1":         {3, "There are 1 additional results"},
		"/instances?offset=2":         {3, ""},
		"/instances?offset=1&limit=9": {3, "There are 1 additional results"},
		"/studies":                    {1, ""},
	} {
		a := s.get(path)
		if got := a.Header.Get("Warning"); len(a.json(t)) != want.matches || !strings.Contains(got, want.warning) || want.warning == "" && got != "" {
			t.Errorf("%s: %d matches, Warning %q, want %d, %q", path, len(a.json(t)), got, want.matches, want.warning)
		}
	}
}

// TestLargeSearchIsStreamed, with and without compression and cut, beyond what is buffered.
func TestLargeSearchIsStreamed(t *testing.T) {
	t.Parallel()
	s := newServerWith(t, dicomweb.Config{Results: 900})
	for i := range 10 {
		var objects [][]byte
		for j := range 100 {
			objects = append(objects, spec{study: "2.25.1", series: "2.25.1.1", instance: fmt.Sprint("2.25.1.1.", i*100+j), syntax: dicom.ExplicitVRLittleEndian,
				set: func(d *dicom.Dataset) {
					d.SetText(tag.SpecificCharacterSet, "ISO_IR 192")
					d.SetText(tag.PatientName, strings.Repeat("é", 30))
				}}.make(t))
		}
		s.store(objects...)
	}
	for _, coding := range []string{"identity", "gzip"} {
		a := s.get("/instances?includefield=all", "Accept-Encoding", coding)
		if coding == "gzip" {
			a.body = gunzip(t, a.body)
		}
		if len(a.body) < 600<<10 {
			t.Fatalf("%d bytes are too few to be streamed", len(a.body))
		}
		if n := len(a.json(t)); n != 900 || a.ContentLength != -1 || !strings.Contains(a.Header.Get("Warning"), "100 additional") {
			t.Errorf("%s: %d matches, Content-Length %d, Warning %q", coding, n, a.ContentLength, a.Header.Get("Warning"))
		}
	}
	small := s.get("/instances?limit=1", "Accept-Encoding", "gzip")
	if small.ContentLength <= 0 {
		t.Errorf("small answer without a length")
	}
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var got struct {
		Resources []struct{ Transaction, Method, Path string }
	}
	a := s.do(http.MethodOptions, "/", nil)
	if err := json.Unmarshal(a.body, &got); err != nil || a.StatusCode != 200 {
		t.Fatalf("%d, %v: %s", a.StatusCode, err, a.body)
	}
	var all []string
	for _, r := range got.Resources {
		all = append(all, r.Transaction+" "+r.Method+" "+r.Path)
	}
	for _, want := range []string{"SearchForStudies GET /dicom-web/studies", "StoreInstances POST /dicom-web/studies/{study}",
		"RetrieveFrames GET /dicom-web/studies/{study}/series/{series}/instances/{instance}/frames/{frames}"} {
		if !strings.Contains(strings.Join(all, "\n"), want) {
			t.Errorf("not advertised: %s", want)
		}
	}
}

// TestEmptySegment: an empty UID in a path must not mean any.
func TestEmptySegment(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.store(first(t)...)
	for _, path := range []string{"/studies//series/" + firstSeries, "/studies/" + firstStudy + "/series//metadata", "/studies//series"} {
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			if a := s.do(method, path, nil); a.StatusCode != http.StatusNotFound && a.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: status %d", method, path, a.StatusCode)
			}
		}
	}
	if got := string(s.get("/instances/count").body); got != `{"count":5}` {
		t.Errorf("%s are left", got)
	}
}
