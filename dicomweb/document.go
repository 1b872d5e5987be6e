package dicomweb

import (
	"bytes"
	"hash/fnv"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/iod"
	"github.com/aurelius-imaging/aurelius/dicom/iod/doc"
	"github.com/aurelius-imaging/aurelius/dicom/iod/pr"
	"github.com/aurelius-imaging/aurelius/dicom/iod/sr"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/imaging/render/document"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/httpd"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

const (
	mediaHTML = "text/html"
	mediaText = "text/plain"
)

// reportTypes are the media types of structured reports, the default first (PS3.18 Table 8.7.4-1).
var reportTypes = []string{mediaHTML, mediaText, doc.PDF}

// renderDocument answers for an instance that has no frames.
func (s *Service) renderDocument(c *gin.Context, h *dicom.Header, accept []httpd.MediaType) {
	if sr.Is(h.Dataset) {
		// Text that is long was left out of the header.
		h, err := s.arch.Whole(c.Request.Context(), s.tenant, index.Ref{SOPInstanceUID: h.Dataset.UID(tag.SOPInstanceUID)})
		var report *sr.Document
		if err == nil {
			report, err = sr.Read(h.Dataset)
		}
		if err != nil {
			s.fail(c, unrendered(err))
			return
		}
		s.renderReport(c, h, report, accept)
		return
	}
	d, err := doc.Read(h.Dataset)
	if err == nil {
		s.renderEncapsulated(c, d, accept)
		return
	}
	if !errs.Is(err, errs.Mismatch) {
		s.fail(c, unrendered(err))
		return
	}
	offered := "nothing to be seen or read in it; as it is stored, or its thumbnail"
	if _, err := pr.Read(h.Dataset); err == nil {
		offered = "a presentation state is seen on its images: /rendered of those with presentation=" + string(appendSegment(nil, h.Dataset.UID(tag.SOPInstanceUID)))
	}
	refuse(c, offered)
}

// renderReport answers with a structured report as a page, a text or a PDF.
func (s *Service) renderReport(c *gin.Context, h *dicom.Header, report *sr.Document, accept []httpd.MediaType) {
	o, ok := formOf(accept, reportTypes, any1)
	if !ok {
		refuse(c, strings.Join(reportTypes, ", "))
		return
	}
	var b bytes.Buffer
	err := s.arch.Work(c.Request.Context(), 0, func() error {
		switch o.media {
		case mediaText:
			return document.Text(&b, report)
		case doc.PDF:
			return document.PDF(&b, report)
		}
		return document.HTML(&b, report, document.Options{Link: s.links(c, h.Dataset.UID(tag.StudyInstanceUID))})
	})
	if err != nil {
		if errs.Is(err, errs.Unsupported) { // a PDF of text that its fonts do not have
			err = &errs.Error{Kind: errs.Unsupported, Op: "dicomweb.rendered", Err: err, Msg: errs.Safe(err) + "; available: " + mediaHTML + ", " + mediaText}
		}
		s.fail(c, err)
		return
	}
	sum := fnv.New64a()
	sum.Write(b.Bytes())
	header := c.Writer.Header()
	header["Cache-Control"] = []string{revalidate}
	if s.unchanged(c, `W/"`+strconv.FormatUint(sum.Sum64(), 36)+`"`) {
		return
	}
	switch o.media {
	case mediaHTML:
		header.Set("Content-Security-Policy", document.Policy())
		o.media += "; charset=utf-8"
	case mediaText:
		o.media += "; charset=utf-8"
	}
	s.sendWhole(c, b.Bytes(), o)
}

// links says where what a report refers to can be seen; one that names no series is looked for in
// its own study no further.
func (s *Service) links(c *gin.Context, study string) func(iod.Reference) string {
	root := s.root(c)
	return func(r iod.Reference) string {
		if r.SeriesInstanceUID == "" || r.SOPInstanceUID == "" {
			return ""
		}
		if r.StudyInstanceUID == "" {
			r.StudyInstanceUID = study
		}
		b := appendURL(nil, root, index.Ref{StudyInstanceUID: r.StudyInstanceUID, SeriesInstanceUID: r.SeriesInstanceUID, SOPInstanceUID: r.SOPInstanceUID})
		if len(r.Frames) > 0 {
			b = append(b, "/frames/"...)
			b = strconv.AppendInt(b, int64(r.Frames[0]), 10)
		}
		return string(append(b, "/rendered"...))
	}
}

// renderEncapsulated answers with an encapsulated document, as what it is.
func (s *Service) renderEncapsulated(c *gin.Context, d *doc.Document, accept []httpd.MediaType) {
	where := index.Ref{StudyInstanceUID: d.StudyInstanceUID, SeriesInstanceUID: d.SeriesInstanceUID, SOPInstanceUID: d.SOPInstanceUID}
	open := func(off, n int64) (*archive.Object, error) {
		obj, err := s.arch.OpenBulk(c.Request.Context(), s.tenant, where, tag.EncapsulatedDocument.Hex())
		if err != nil {
			return nil, err
		}
		return section(obj, off, n)
	}
	first, err := open(0, min(d.Length, doc.HeadSize))
	if err != nil {
		s.fail(c, err)
		return
	}
	head, err := io.ReadAll(first)
	first.Close()
	if err != nil {
		s.fail(c, err)
		return
	}
	media := d.Type(head)
	o, ok := formOf(accept, []string{media}, any1)
	if !ok {
		refuse(c, media)
		return
	}
	entries, err := s.arch.Select(c.Request.Context(), s.tenant, where)
	if err != nil {
		s.fail(c, err)
		return
	}
	h := c.Writer.Header()
	h["Cache-Control"] = []string{s.caching}
	if media == doc.CDA { // XML can bring script along
		h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	}
	if s.unchanged(c, bulkTag(entries[0], "document", !o.multipart)) {
		return
	}
	if !o.multipart {
		s.sendRange(c, media, d.Length, open)
		return
	}
	obj, err := open(0, d.Length)
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendOnePart(c, obj, media)
}

// renderVideo answers with a video as it is stored: PS3.18 8.7.4 has no frames of it.
func (s *Service) renderVideo(c *gin.Context, f *archive.Frames, accept []httpd.MediaType) {
	is, err := s.asStream(c.Request.Context(), f)
	if err != nil {
		s.fail(c, err)
		return
	}
	o, ok := formOf(accept, []string{is.MediaType}, any1)
	if !ok {
		refuse(c, is.MediaType)
		return
	}
	c.Writer.Header()["Cache-Control"] = []string{s.caching}
	if s.unchanged(c, frameTag(f, []int{1}, !o.multipart, offer{stored: true})) {
		return
	}
	if o.multipart {
		s.sendFrameList(c, f, []int{1}, is.MediaType)
		return
	}
	s.sendFrameAlone(c, f, 1, is.MediaType)
}

// sendWhole answers with bytes as the body or as its one part.
func (s *Service) sendWhole(c *gin.Context, b []byte, o form) {
	if !o.multipart {
		s.sendMemory(c, o.media, b)
		return
	}
	s.sendOnePart(c, &archive.Object{ReadCloser: io.NopCloser(bytes.NewReader(b)), Size: int64(len(b))}, o.media)
}

// sendOnePart answers with a multipart body of one part, and closes it.
func (s *Service) sendOnePart(c *gin.Context, obj *archive.Object, contentType string) {
	m := httpd.NewMultipartWriter(httpd.Raw(c.Writer), httpd.Boundary())
	head := httpd.PartHead{ContentType: contentType}
	media, _, _ := strings.Cut(contentType, ";")
	h := c.Writer.Header()
	h["Content-Type"] = []string{m.ContentType(media)}
	h["Content-Length"] = []string{strconv.FormatInt(m.HeadLength(0, head)+obj.Size+m.TailLength(), 10)}
	sendHeader(c, http.StatusOK)
	if c.Request.Method == http.MethodHead {
		obj.Close()
		return
	}
	s.cut(c, s.sendPart(m, httpd.Raw(c.Writer), obj, head))
	s.cut(c, m.Close())
}
