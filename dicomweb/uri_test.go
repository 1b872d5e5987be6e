package dicomweb_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
)

// wado makes a request of the URI service; params is name, value, name, value...
func (s *server) wado(p placed, params ...string) answer {
	s.Helper()
	q := url.Values{"requestType": {"WADO"}, "studyUID": {uidOf(p.study)}, "seriesUID": {uidOf(p.series)}, "objectUID": {uidOf(p.instance)}}
	for i := 0; i < len(params); i += 2 {
		q.Set(params[i], params[i+1])
	}
	return s.get("/wado?" + q.Encode())
}

// TestURI asks for each kind of object as old viewers do.
func TestURI(t *testing.T) {
	t.Parallel()
	s := newTranscoder(t)
	s.store(first(t)...)
	ct := placed{"/" + firstStudy, "/" + firstSeries, "/" + firstInstance(1)}
	cine, report, document := s.place("multiframe/us-palette-10-rle.dcm"), s.place("derived/head-ct/sr-tid1500.dcm"), s.place("derived/head-ct/report-pdf.dcm")
	video := s.place("multiframe/video/h264-102.dcm")
	for _, c := range []struct {
		of     placed
		params string
		want   string
	}{
		{ct, "", "image/jpeg"}, {ct, "contentType=image/png", "image/png"}, {ct, "contentType=image/gif", "image/gif"},
		{ct, "contentType=image/webp,image/png", "image/png"}, {ct, "contentType=text/html", "406"}, {ct, "frameNumber=1", "image/jpeg"},
		{ct, "contentType=application/dicom", "application/dicom"}, {ct, "contentType=application%2Fdicom&transferSyntax=*", "application/dicom"},
		{cine, "", "image/jpeg"}, {cine, "frameNumber=10", "image/jpeg"}, {cine, "contentType=image/gif", "image/gif"},
		{cine, "frameNumber=11", "400"}, {cine, "frameNumber=0", "400"}, {cine, "frameNumber=999999", "400"}, {cine, "frameNumber=1,2", "400"}, {cine, "frameNumber=x", "400"},
		{report, "", "text/html"}, {report, "contentType=text/plain", "text/plain"}, {report, "contentType=application/pdf", "application/pdf"},
		{report, "contentType=image/jpeg", "406"}, {report, "frameNumber=1", "400"}, {document, "", "application/pdf"}, {video, "", "video/mp4"},
		{ct, "rows=10", "image/jpeg"}, {ct, "rows=0", "400"}, {ct, "rows=10&columns=-1", "400"}, {ct, "rows=1e9", "400"}, {ct, "rows=1000000000&columns=1000000000", "400"},
		{ct, "region=0,0,0.5,0.5", "image/jpeg"}, {ct, "region=0,0,2,1", "400"}, {ct, "region=0.5,0,0.5,1", "400"}, {ct, "region=0,0,1", "400"}, {ct, "region=NaN,0,1,1", "400"},
		{ct, "windowCenter=40&windowWidth=400", "image/jpeg"}, {ct, "windowCenter=40", "400"}, {ct, "windowWidth=40", "400"}, {ct, "windowCenter=NaN&windowWidth=4", "400"},
		{ct, "windowCenter=40&windowWidth=0", "400"}, {ct, "windowCenter=40&windowWidth=400&presentationUID=1.2", "400"},
		{ct, "windowCenter=40&windowWidth=400&contentType=application/dicom", "400"}, {ct, "frameNumber=1&contentType=application/dicom", "400"},
		{ct, "imageQuality=50&annotation=patient", "image/jpeg"}, {ct, "imageQuality=500", "400"}, {ct, "annotation=", "400"},
		{ct, "presentationUID=1.2", "400"}, {ct, "presentationSeriesUID=1.2", "400"}, {ct, "presentationUID=1.2&presentationSeriesUID=1.2", "400"},
		{ct, "anonymize=yes", "501"}, {ct, "anonymize=yes&contentType=application/dicom", "501"}, {ct, "anonymize=no", "400"},
		{ct, "requestType=QIDO", "400"}, {ct, "requestType=", "400"}, {ct, "objectUID=", "400"}, {ct, "objectUID=1.2.3", "404"}, {ct, "studyUID=1.2.3", "404"}, {ct, "seriesUID=1.2.3", "404"},
		{ct, "studyUID=&seriesUID=", "image/jpeg"}, {ct, "charset=utf-8", "image/jpeg"},
		{ct, "contentType=application/dicom&transferSyntax=1.2.3", "406"}, {ct, "contentType=application/dicom&transferSyntax=abc", "400"}, {ct, "transferSyntax=1.2.3", "400"},
	} {
		params, err := url.ParseQuery(c.params)
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for k, v := range params {
			list = append(list, k, v[0])
		}
		a := s.wado(c.of, list...)
		if got := a.form(t); got != c.want {
			t.Errorf("%s of %s: %s, want %s: %.200s", c.params, c.of.instance, got, c.want, a.body)
		}
	}
	// What is asked for is done.
	for params, want := range map[string]string{
		"region=0,0,0.5,0.25": "region 0,0 64x32", "rows=16": "scaled 128x128 to 16x16", "columns=8&rows=16": "to 8x8",
		"region=0.5,0.5,1,1&columns=96": "region 64,64 64x64; scaled 64x64 to 96x96", "windowCenter=-5&windowWidth=7": "window -5/7 LINEAR (request)",
		"imageAnnotation=technique": "annotated technique",
	} {
		a := s.get(fmt.Sprintf("/wado?requestType=WADO&objectUID=%s&%s", firstInstance(1), params))
		if said := a.Header.Get("Aurelius-Rendering"); a.StatusCode != 200 || !strings.Contains(said, want) {
			t.Errorf("%s: %d %q", params, a.StatusCode, said)
		}
	}
	// Beside Root, too.
	top := strings.TrimSuffix(s.URL, "/dicom-web") + "/wado?requestType=WADO&objectUID=" + firstInstance(1)
	if a, b := s.get(top), s.wado(ct); a.StatusCode != http.StatusOK || !bytes.Equal(a.body, b.body) || a.Header.Get("Etag") == "" {
		t.Errorf("/wado: %d", a.StatusCode)
	}
	if a := s.get("/wado?requestType=WADO&objectUID=" + firstInstance(1) + "&x=1"); a.StatusCode != 200 || a.Header.Get("Warning") == "" {
		t.Errorf("an unknown parameter: %d", a.StatusCode)
	}
}

// TestURIObjects: the default is Explicit VR Little Endian (PS3.18 9.4.2.4).
func TestURIObjects(t *testing.T) {
	t.Parallel()
	s := newTranscoder(t)
	frames := someFrames(2, frameBytes, 0)
	rle := spec{study: "2.25.1", series: "2.25.1.1", instance: "2.25.1.1.1", syntax: dicom.RLELossless, frames: encoded(t, rleUID, frames),
		set: func(d *dicom.Dataset) { d.SetInts(tag.Rows, frameRows) }}
	j2k := spec{study: "2.25.1", series: "2.25.1.1", instance: "2.25.1.1.2", syntax: dicom.HTJ2KLosslessRPCL, frames: someFrames(2, 64, 0)}
	s.store(rle.make(t), j2k.make(t))
	for _, c := range []struct {
		of           spec
		syntax, want string
		warned       bool
	}{
		{rle, "", explicitLE, false}, {rle, "*", rleUID, false}, {rle, rleUID, rleUID, false}, {rle, jlsUID, jlsUID, false}, {rle, implicitLE, implicitLE, false},
		{j2k, "", dicom.HTJ2KLosslessRPCL.UID, true}, {j2k, "*", dicom.HTJ2KLosslessRPCL.UID, false}, {j2k, explicitLE, "", false},
	} {
		path := "/wado?requestType=WADO&contentType=application/dicom&objectUID=" + c.of.instance
		if c.syntax != "" {
			path += "&transferSyntax=" + c.syntax
		}
		a := s.get(path)
		if c.want == "" {
			if a.StatusCode != http.StatusNotAcceptable {
				t.Errorf("%s as %q: %d", c.of.syntax, c.syntax, a.StatusCode)
			}
			continue
		}
		f, err := dicom.Read(bytes.NewReader(a.body), dicom.Source{}, 0)
		if a.StatusCode != 200 || err != nil || f.TransferSyntax.UID != c.want || (a.Header.Get("Warning") != "") != c.warned {
			t.Errorf("%s as %q: %d, %v, warning %q", c.of.syntax, c.syntax, a.StatusCode, err, a.Header.Get("Warning"))
		}
	}
}
