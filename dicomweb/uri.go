package dicomweb

import (
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/imaging"
	"github.com/aurelius-imaging/aurelius/imaging/render"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/httpd"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// uriPath is where the URI service is mounted, below Root and beside it.
const uriPath = "/wado"

// uriParameters are those of the URI service that are also parameters of rendered resources, under
// other names (PS3.18 9.5.1.2); uriOthers are read beside them.
var (
	uriParameters = parameters{
		"annotation": annotation, "imageAnnotation": annotation, "imageQuality": quality, "presentationUID": presentation,
		"region": uriRegion,
		"rows":   func(w *wishes, value string) error { return uriSize(w, "rows", value) },
		"columns": func(w *wishes, value string) error {
			return uriSize(w, "columns", value)
		},
	}
	uriOthers = []string{"requestType", "studyUID", "seriesUID", "objectUID", "contentType", "transferSyntax", "frameNumber",
		"windowCenter", "windowWidth", "presentationSeriesUID", "anonymize"}
)

// uri answers the URI service (PS3.18 9): one instance, as a picture, page or video, or as an
// object. The standard wants the UIDs of study and series too; old viewers leave them out, and
// the one of the instance finds it.
func (s *Service) uri(c *gin.Context) {
	w, q, err := s.wishesOf(c, uriParameters, uriOthers...)
	if err == nil {
		err = uriCheck(w, q)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	switch q.Get("anonymize") {
	case "":
	case "yes":
		httpd.Problem(c.Writer, http.StatusNotImplemented, "nothing is de-identified here yet: anonymize=yes cannot be had")
		return
	default:
		s.fail(c, wrong("anonymize", "yes, or not given"))
		return
	}
	where := index.Ref{StudyInstanceUID: q.Get("studyUID"), SeriesInstanceUID: q.Get("seriesUID"), SOPInstanceUID: q.Get("objectUID")}
	h := c.Writer.Header()
	h["Vary"] = append(h["Vary"], "Accept")
	accept := uriAccept(c.Request, q)
	if accept[0].Type == mediaDICOM {
		s.uriObject(c, where, q)
		return
	}
	if q.Has("transferSyntax") {
		s.fail(c, wrong("transferSyntax", "it is for contentType=application/dicom"))
		return
	}
	if err := s.uriPresentation(c, where, q); err != nil {
		s.fail(c, err)
		return
	}
	x, err := s.subject(c, where)
	if err != nil {
		s.fail(c, err)
		return
	}
	frame := q.Get("frameNumber")
	if x.frames != nil && frame != "" {
		if n, err := strconv.Atoi(frame); err != nil || n < 1 || n > x.frames.Index.Frames() { // PS3.18 9.5.2.1
			s.fail(c, wrong("frameNumber", "the instance has "+strconv.Itoa(x.frames.Index.Frames())+" frames"))
			return
		}
	}
	if x.frames == nil && frame != "" {
		s.fail(c, wrong("frameNumber", "the instance has no frames"))
		return
	}
	s.renderSubject(c, x, frame, w, accept)
}

// uriAccept returns what is accepted: contentType goes before Accept.
func uriAccept(r *http.Request, q url.Values) []httpd.MediaType {
	var out []httpd.MediaType
	for item := range strings.SplitSeq(q.Get("contentType"), ",") {
		// An unescaped "+" arrives as a blank.
		if m := httpd.ParseMediaType(strings.ReplaceAll(strings.TrimSpace(item), " ", "+")); m.Type != "" {
			out = append(out, m)
		}
	}
	if len(out) == 0 {
		out = httpd.Accept(r)
	}
	if len(out) == 0 {
		out = []httpd.MediaType{{Type: "*/*", Q: 1}}
	}
	return out
}

// uriCheck reads the parameters that belong together.
func uriCheck(w *wishes, q url.Values) error {
	if q.Get("requestType") != "WADO" {
		return wrong("requestType", "WADO")
	}
	if q.Get("objectUID") == "" {
		return wrong("objectUID", "the SOP Instance UID of the object")
	}
	if q.Has("windowCenter") != q.Has("windowWidth") {
		return wrong("windowCenter, windowWidth", "one is given without the other")
	}
	if q.Has("windowCenter") {
		center, ok1 := decimal(q.Get("windowCenter"))
		width, ok2 := decimal(q.Get("windowWidth"))
		win := imaging.Window{Center: center, Width: width, Function: imaging.Linear}
		if !ok1 || !ok2 || !win.Valid() {
			return wrong("windowCenter, windowWidth", "decimal numbers, the width at least 1")
		}
		if w.Window = &win; w.State != "" {
			return wrong("windowCenter, windowWidth", "a presentation state has its own")
		}
	}
	if q.Has("presentationSeriesUID") && w.State == "" {
		return wrong("presentationSeriesUID", "presentationUID is missing")
	}
	if v := w.Viewport; v != nil && v.Width == math.MaxInt32 && v.Height == math.MaxInt32 {
		v.Shrink = true // a region alone keeps its size (PS3.18 9.5.2.5)
	}
	return nil
}

func uriViewport(w *wishes) *render.Viewport {
	if w.Viewport == nil {
		w.Viewport = &render.Viewport{Width: math.MaxInt32, Height: math.MaxInt32}
	}
	return w.Viewport
}

func uriSize(w *wishes, key, value string) error {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > math.MaxInt32 {
		return wrong(key, "a positive integer")
	}
	if v := uriViewport(w); key == "rows" {
		v.Height = n
	} else {
		v.Width = n
	}
	return nil
}

// uriRegion reads "xmin,ymin,xmax,ymax" in parts of the image (PS3.18 9.5.1.2.5).
func uriRegion(w *wishes, value string) error {
	fields := strings.Split(value, ",")
	var at [4]float64
	ok := len(fields) == 4
	for i := 0; ok && i < 4; i++ {
		at[i], ok = decimal(strings.TrimSpace(fields[i]))
		ok = ok && at[i] >= 0 && at[i] <= 1
	}
	if !ok || at[0] >= at[2] || at[1] >= at[3] {
		return wrong("region", "xmin,ymin,xmax,ymax between 0 and 1, xmin < xmax, ymin < ymax")
	}
	uriViewport(w).Region = &render.Region{X: at[0], Y: at[1], Width: at[2] - at[0], Height: at[3] - at[1], Relative: true}
	return nil
}

// uriPresentation holds that the presentation state is in the series that was named.
func (s *Service) uriPresentation(c *gin.Context, where index.Ref, q url.Values) error {
	series := q.Get("presentationSeriesUID")
	if series == "" {
		return nil
	}
	_, err := s.arch.Select(c.Request.Context(), s.tenant,
		index.Ref{StudyInstanceUID: where.StudyInstanceUID, SeriesInstanceUID: series, SOPInstanceUID: q.Get("presentationUID")})
	if errs.Is(err, errs.NotFound) { // PS3.18 8.3.5.1.6
		return wrong("presentationUID, presentationSeriesUID", "there is no such presentation state")
	}
	return err
}

// uriObject answers with the object: in Explicit VR Little Endian where no transfer syntax is
// named (PS3.18 9.4.2.4), which is not possible of every image: then as it is stored, and said so.
func (s *Service) uriObject(c *gin.Context, where index.Ref, q url.Values) {
	for _, key := range []string{"windowCenter", "presentationUID", "region", "rows", "columns", "frameNumber"} {
		if q.Has(key) {
			s.fail(c, wrong(key, "it is not for contentType=application/dicom"))
			return
		}
	}
	syntax := q.Get("transferSyntax")
	if syntax != "" && syntax != "*" && strings.Trim(syntax, "0123456789.") != "" {
		s.fail(c, wrong("transferSyntax", "a UID"))
		return
	}
	entries, err := s.arch.Select(c.Request.Context(), s.tenant, where)
	if err != nil {
		s.fail(c, err)
		return
	}
	w := want{media: mediaDICOM, syntax: syntax}
	if syntax == "" {
		w.syntax = dicom.ExplicitVRLittleEndian.UID
	}
	o, ok := s.objectOffer(w, entries[0].TransferSyntaxUID)
	if !ok && syntax == "" {
		o, ok = offer{syntax: entries[0].TransferSyntaxUID}, true
		warn(c, "The object is sent as it is stored: it cannot be brought to Explicit VR Little Endian")
	}
	if !ok {
		refuse(c, s.available(c, entries, true))
		return
	}
	out := object{entries[0], o.syntax}
	c.Writer.Header()["Cache-Control"] = []string{s.caching}
	if !s.unchanged(c, out.etag(true)) {
		s.sendObject(c, out)
	}
}
