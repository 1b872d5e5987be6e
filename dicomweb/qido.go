package dicomweb

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/dicomjson"
	"github.com/aurelius-imaging/aurelius/dicom/iod/doc"
	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// search answers QIDO-RS at one level (PS3.18 10.6). No match is 200 with an empty array, not
// 204: viewers parse the body before they look at the status.
func (s *Service) search(level query.Level) gin.HandlerFunc {
	return func(c *gin.Context) {
		q, mediaType := s.query(c, level)
		if q == nil {
			return
		}
		most := s.results
		limited := q.Limit > 0 && q.Limit <= most
		if !limited {
			q.Limit = most + 1 // one more, to see whether there is more
		}
		t := newText(c, mediaType)
		defer t.free()
		rest := int64(0) // matches that are left out
		t.before = func(more bool) error {
			if more && !limited {
				total, err := s.arch.Count(c.Request.Context(), s.tenant, q)
				if err != nil {
					return err
				}
				rest = total - int64(q.Offset) - int64(most)
			}
			if rest > 0 { // PS3.18 8.3.4.4
				c.Header("Warning", `299 aurelius "There are `+strconv.FormatInt(rest, 10)+
					` additional results that can be requested"`)
			}
			return nil
		}
		if err := s.matches(c, t, q, most, &rest); err != nil {
			s.fail(c, err)
			return
		}
		if err := t.end(); err != nil {
			s.cut(c, err)
		}
	}
}

// query reads the request, and how the answer shall be called; nil: answered.
func (s *Service) query(c *gin.Context, level query.Level) (_ *query.Query, mediaType string) {
	mediaType, ok := acceptsJSON(c.Request)
	if !ok {
		refuse(c, mediaJSON)
		return nil, ""
	}
	// URL.Query would drop what is not well-formed, and with a key gone everything matches.
	params, err := url.ParseQuery(c.Request.URL.RawQuery)
	if err != nil || strings.Contains(c.Request.URL.RawQuery, "%00") {
		s.fail(c, errs.Errorf(errs.Invalid, "dicomweb.search", "the query is not well-formed: escape semicolons and percent signs in values"))
		return nil, ""
	}
	delete(params, "accept")
	delete(params, "charset") // PS3.18 8.3.3.2; everything is UTF-8
	q, err := query.FromParams(level, c.Param("study"), c.Param("series"), params)
	if err != nil {
		s.fail(c, err)
		return nil, ""
	}
	return q, mediaType
}

// matches appends up to most matches, and counts in rest when there was one more.
func (s *Service) matches(c *gin.Context, t *text, q *query.Query, most int, rest *int64) error {
	root := s.root(c)
	row := row{level: q.Level, root: root}
	n := 0
	t.buf = append(t.buf, '[')
	for d, err := range s.arch.Find(c.Request.Context(), s.tenant, q) {
		if err != nil {
			return err
		}
		if n++; n > most {
			total, err := s.arch.Count(c.Request.Context(), s.tenant, q)
			if err != nil {
				return err
			}
			*rest = max(1, total-int64(q.Offset)-int64(most))
			break
		}
		if n > 1 {
			t.buf = append(t.buf, ',')
		}
		t.buf = row.append(t.buf, d)
		if err := t.spill(); err != nil {
			return err
		}
	}
	t.buf = append(t.buf, ']')
	return nil
}

// row makes matches into JSON, with the URL each can be retrieved from.
type row struct {
	level   query.Level
	root    string
	url     []byte
	scratch dicom.Dataset
}

func (r *row) append(dst []byte, d *dicom.Dataset) []byte {
	where := index.Ref{StudyInstanceUID: d.UID(tag.StudyInstanceUID)}
	switch r.level {
	case query.Patient:
		return dicomjson.Append(dst, d, dicomjson.Options{})
	case query.Series:
		where.SeriesInstanceUID = d.UID(tag.SeriesInstanceUID)
	case query.Instance:
		where.SeriesInstanceUID = d.UID(tag.SeriesInstanceUID)
		where.SOPInstanceUID = d.UID(tag.SOPInstanceUID)
	}
	r.url = appendURL(r.url[:0], r.root, where)
	d = with(&r.scratch, d, dicom.Element{Tag: tag.RetrieveURL, VR: vr.UR, Value: r.url})
	return dicomjson.Append(dst, d, dicomjson.Options{})
}

// with returns the data set with further elements in their places, built in scratch.
func with(scratch, d *dicom.Dataset, extra ...dicom.Element) *dicom.Dataset {
	all := append(scratch.Elements[:0], d.Elements...)
	for _, e := range extra {
		at, found := slices.BinarySearchFunc(all, e.Tag, func(have dicom.Element, t tag.Tag) int {
			return cmp.Compare(have.Tag, t)
		})
		if found {
			all[at] = e
		} else {
			all = slices.Insert(all, at, e)
		}
	}
	scratch.Elements = all
	return scratch
}

// count answers how many matches a search has (extension).
func (s *Service) count(level query.Level) gin.HandlerFunc {
	return func(c *gin.Context) {
		q, _ := s.query(c, level)
		if q == nil {
			return
		}
		n, err := s.arch.Count(c.Request.Context(), s.tenant, q)
		if err != nil {
			s.fail(c, err)
			return
		}
		body := append([]byte(`{"count":`), strconv.FormatInt(n, 10)...)
		c.Writer.Header()["Cache-Control"] = []string{revalidate}
		s.cut(c, sendBytes(c, "application/json", append(body, '}')))
	}
}

// routes is what is mounted, and what the capabilities tell.
func (s *Service) routes() []route {
	const (
		study    = "/studies/:study"
		series   = study + "/series/:series"
		instance = series + "/instances/:instance"
	)
	get, post, del := http.MethodGet, http.MethodPost, http.MethodDelete
	objects := []string{mediaMultipart + `; type="` + mediaDICOM + `"`}
	frames := []string{mediaMultipart, mediaOctets, "image/*"}
	json := []string{mediaJSON}
	pictures := append(slices.Clone(pictureTypes), mediaMultipart)
	shown := slices.Concat(pictures, []string{"video/*"}, reportTypes, []string{doc.CDA, "model/*"})
	out := []route{
		{get, "/studies", "SearchForStudies", json, s.search(query.Study)},
		{get, "/series", "SearchForSeries", json, s.search(query.Series)},
		{get, "/instances", "SearchForInstances", json, s.search(query.Instance)},
		{get, "/patients", "SearchForPatients", json, s.search(query.Patient)},
		{get, study + "/series", "SearchForSeries", json, s.search(query.Series)},
		{get, study + "/instances", "SearchForInstances", json, s.search(query.Instance)},
		{get, series + "/instances", "SearchForInstances", json, s.search(query.Instance)},
		{get, "/studies/count", "CountStudies", json, s.count(query.Study)},
		{get, "/series/count", "CountSeries", json, s.count(query.Series)},
		{get, "/instances/count", "CountInstances", json, s.count(query.Instance)},
		{get, "/patients/count", "CountPatients", json, s.count(query.Patient)},
		{get, study + "/series/count", "CountSeries", json, s.count(query.Series)},
		{get, study + "/instances/count", "CountInstances", json, s.count(query.Instance)},
		{get, series + "/instances/count", "CountInstances", json, s.count(query.Instance)},

		{get, study, "RetrieveStudy", objects, s.retrieve},
		{get, series, "RetrieveSeries", objects, s.retrieve},
		{get, instance, "RetrieveInstance", append(objects, mediaDICOM), s.retrieve},
		{get, study + "/metadata", "RetrieveStudyMetadata", json, s.metadata},
		{get, series + "/metadata", "RetrieveSeriesMetadata", json, s.metadata},
		{get, instance + "/metadata", "RetrieveInstanceMetadata", json, s.metadata},
		{get, instance + "/frames/:frames", "RetrieveFrames", frames, s.frames},
		{get, study + "/rendered", "RetrieveRenderedStudy", pictures, s.rendered},
		{get, series + "/rendered", "RetrieveRenderedSeries", pictures, s.rendered},
		{get, instance + "/rendered", "RetrieveRenderedInstance", shown, s.rendered},
		{get, instance + "/frames/:frames/rendered", "RetrieveRenderedFrames", pictures, s.rendered},
		{get, study + "/thumbnail", "RetrieveStudyThumbnail", pictureTypes, s.thumbnail},
		{get, series + "/thumbnail", "RetrieveSeriesThumbnail", pictureTypes, s.thumbnail},
		{get, instance + "/thumbnail", "RetrieveInstanceThumbnail", pictureTypes, s.thumbnail},
		{get, instance + "/frames/:frames/thumbnail", "RetrieveFrameThumbnail", pictureTypes, s.thumbnail},
		{get, uriPath, "RetrieveByURI", append([]string{mediaDICOM}, shown...), s.uri},
		{get, instance + "/bulkdata/*path", "RetrieveBulkData", frames[:2], s.bulkdata},

		{post, "/studies", "StoreInstances", []string{mediaJSON, mediaXML}, s.store},
		{post, study, "StoreInstances", []string{mediaJSON, mediaXML}, s.store},

		{del, study, "DeleteStudy", nil, s.delete},
		{del, series, "DeleteSeries", nil, s.delete},
		{del, instance, "DeleteInstance", nil, s.delete},
	}
	return append(out,
		route{get, "/", "RetrieveCapabilities", []string{"application/json"}, s.capabilities},
		route{http.MethodOptions, "/", "RetrieveCapabilities", []string{"application/json"}, s.capabilities})
}
