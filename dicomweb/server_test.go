package dicomweb_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/archive/archivetest"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/dicomweb"
	"github.com/aurelius-imaging/aurelius/internal/httpd"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	os.Exit(m.Run())
}

var quiet = slog.New(slog.DiscardHandler)

// slowBody is short enough for a test to wait for, and long enough for a loaded machine.
const slowBody = time.Second

// server is the door on a real archive, reached over a real socket.
type server struct {
	*testing.T
	URL  string // of Root
	arch *archive.Archive
}

func newServer(t *testing.T) *server { return newServerWith(t, dicomweb.Config{}) }

func newServerWith(t *testing.T, cfg dicomweb.Config) *server {
	t.Helper()
	return newServerOn(t, cfg, archivetest.New(t))
}

func newServerOn(t *testing.T, cfg dicomweb.Config, arch *archive.Archive) *server {
	cfg.Log = quiet
	engine := gin.New()
	dicomweb.New(cfg, arch).Register(engine)
	srv := httptest.NewServer(httpd.NewHandler(httpd.HandlerConfig{Log: quiet, SlowBody: slowBody}, engine))
	t.Cleanup(srv.Close)
	return &server{T: t, URL: srv.URL + dicomweb.Root, arch: arch}
}

// answer is a response read to its end.
type answer struct {
	*http.Response
	body []byte
}

// do sends a request; header is name, value, name, value...
func (s *server) do(method, path string, body io.Reader, header ...string) answer {
	s.Helper()
	a, err := s.try(method, path, body, header...)
	if err != nil {
		s.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (s *server) try(method, path string, body io.Reader, header ...string) (answer, error) {
	resp, err := s.send(method, path, body, header...)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp, b}, err
}

// send leaves the body of the answer to be read.
func (s *server) send(method, path string, body io.Reader, header ...string) (*http.Response, error) {
	url := path
	if !strings.HasPrefix(path, "http") {
		url = s.URL + path
	}
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return (&http.Client{Transport: transport}).Do(r)
}

var transport = &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 4}

func (s *server) get(path string, header ...string) answer {
	s.Helper()
	return s.do(http.MethodGet, path, nil, header...)
}

func (s *server) accept(path, accept string) answer {
	s.Helper()
	return s.get(path, "Accept", accept)
}

// json reads the answer as DICOM JSON.
func (a answer) json(t *testing.T) []map[string]attribute {
	t.Helper()
	var out []map[string]attribute
	if err := json.Unmarshal(a.body, &out); err != nil {
		t.Fatalf("status %d, not DICOM JSON: %v: %.200s", a.StatusCode, err, a.body)
	}
	return out
}

type attribute struct {
	VR          string            `json:"vr"`
	Value       []json.RawMessage `json:"Value"`
	BulkDataURI string            `json:"BulkDataURI"`
}

func (a attribute) text() string {
	if len(a.Value) == 0 {
		return ""
	}
	return strings.Trim(string(a.Value[0]), `"`)
}

// response is a Store Instances Response.
type response struct {
	URL      attribute `json:"00081190"`
	Failed   sequence  `json:"00081198"`
	Stored   sequence  `json:"00081199"`
	Nameless sequence  `json:"0008119A"`
}

type sequence struct {
	Value []struct {
		Class    attribute `json:"00081150"`
		Instance attribute `json:"00081155"`
		URL      attribute `json:"00081190"`
		Reason   attribute `json:"00081197"`
	} `json:"Value"`
}

func (a answer) response(t *testing.T) response {
	t.Helper()
	var out response
	if err := json.Unmarshal(a.body, &out); err != nil {
		t.Fatalf("status %d, no Store Instances Response: %v: %.200s", a.StatusCode, err, a.body)
	}
	return out
}

// parts takes a multipart answer apart with the standard library's reader.
func (a answer) parts(t *testing.T) (types []string, bodies [][]byte) {
	t.Helper()
	media, params, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	if err != nil || media != "multipart/related" {
		t.Fatalf("status %d, Content-Type %q: %.200s", a.StatusCode, a.Header.Get("Content-Type"), a.body)
	}
	if a.ContentLength != int64(len(a.body)) {
		t.Errorf("Content-Length %d, body %d", a.ContentLength, len(a.body))
	}
	r := multipart.NewReader(bytes.NewReader(a.body), params["boundary"])
	for {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return types, bodies
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		types, bodies = append(types, p.Header.Get("Content-Type")), append(bodies, b)
	}
}

const stowType = `multipart/related; type="application/dicom"; boundary=XXYY`

// related makes a multipart body.
func related(objects ...[]byte) *bytes.Buffer {
	var b bytes.Buffer
	for _, o := range objects {
		b.WriteString("--XXYY\r\nContent-Type: application/dicom\r\n\r\n")
		b.Write(o)
		b.WriteString("\r\n")
	}
	b.WriteString("--XXYY--\r\n")
	return &b
}

// store stores objects and holds that all went in.
func (s *server) store(objects ...[]byte) {
	s.Helper()
	a := s.do(http.MethodPost, "/studies", related(objects...), "Content-Type", stowType)
	if a.StatusCode != http.StatusOK {
		s.Fatalf("store: status %d: %s", a.StatusCode, a.body)
	}
}

// first returns the slices of testdata/first.
func first(t testing.TB) [][]byte {
	t.Helper()
	var out [][]byte
	for i := range 5 {
		b, err := os.ReadFile(testkit.Testdata("first", fmt.Sprint(i+1, ".dcm")))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

// The UIDs of testdata/first.
const (
	firstStudy  = "2.25.311111111111111111111111111111111111"
	firstSeries = firstStudy + ".1"
)

func firstInstance(n int) string { return fmt.Sprintf("%s.1.1.%d", firstStudy, n) }

func firstPath(n int) string {
	return "/studies/" + firstStudy + "/series/" + firstSeries + "/instances/" + firstInstance(n)
}

// spec describes an object to be made.
type spec struct {
	study, series, instance string
	syntax                  dicom.TransferSyntax
	frames                  [][]byte
	set                     func(*dicom.Dataset)
}

func (o spec) path() string {
	return "/studies/" + o.study + "/series/" + o.series + "/instances/" + o.instance
}

// make writes the object: 8-bit frames of 4 columns, native or one fragment per frame.
func (o spec) make(t *testing.T) []byte {
	t.Helper()
	d := &dicom.Dataset{}
	d.SetUID(tag.SOPClassUID, uid.SecondaryCaptureImageStorage)
	d.SetUID(tag.SOPInstanceUID, o.instance)
	d.SetText(tag.Modality, "OT")
	d.SetText(tag.PatientName, "Made^Up")
	d.SetText(tag.PatientID, "MADE")
	d.SetUID(tag.StudyInstanceUID, o.study)
	d.SetUID(tag.SeriesInstanceUID, o.series)
	d.SetText(tag.InstanceNumber, "1")
	if o.frames != nil {
		d.SetInts(tag.SamplesPerPixel, 1)
		d.SetText(tag.PhotometricInterpretation, "MONOCHROME2")
		d.SetText(tag.NumberOfFrames, fmt.Sprint(len(o.frames)))
		d.SetInts(tag.Rows, int64(len(o.frames[0])/4))
		d.SetInts(tag.Columns, 4)
		d.SetInts(tag.BitsAllocated, 8)
		d.SetInts(tag.BitsStored, 8)
		d.SetInts(tag.HighBit, 7)
		d.SetInts(tag.PixelRepresentation, 0)
		e := dicom.Element{Tag: tag.PixelData, VR: vr.OB}
		if o.syntax.Encapsulated {
			e.Undefined, e.Fragments = true, append([][]byte{{}}, o.frames...)
		} else {
			e.Value = bytes.Join(o.frames, nil)
		}
		d.SetElement(e)
	}
	if o.set != nil {
		o.set(d)
	}
	out := dicom.AppendMeta(nil, uid.SecondaryCaptureImageStorage, o.instance, o.syntax, "")
	out, err := dicom.AppendDataset(out, d, o.syntax)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
