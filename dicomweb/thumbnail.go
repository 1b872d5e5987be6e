package dicomweb

import (
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/imaging/render"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/httpd"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

const (
	thumbnailSize    = 256 // of who names no viewport
	thumbnailQuality = 80
)

// thumbnail answers with a small picture that stands for a study, series, instance or frame
// (PS3.18 10.4.1.1.4). What cannot be shown as a picture gets a drawn page; an image that is
// damaged is an error where it was asked for by name.
func (s *Service) thumbnail(c *gin.Context) {
	w, _, err := s.wishesOf(c, thumbnailParameters)
	if err != nil {
		s.fail(c, err)
		return
	}
	if w.Viewport == nil {
		w.Viewport = &render.Viewport{Width: thumbnailSize, Height: thumbnailSize}
	}
	w.Viewport.Shrink, w.Quality = true, thumbnailQuality
	h := c.Writer.Header()
	h["Vary"] = append(h["Vary"], "Accept")
	o, ok := formOf(httpd.Accept(c.Request), pictureTypes, any1)
	if !ok {
		refuse(c, picturesOffered)
		return
	}
	w.MediaType = o.media
	where := ref(c)
	if where.SOPInstanceUID != "" {
		s.instanceThumbnail(c, where, w, o)
		return
	}
	h["Cache-Control"] = []string{revalidate}
	p, e, other, err := s.representative(c, where, w, true)
	switch {
	case err == nil:
		if !s.unchanged(c, pictureTag(e, []int{p.Applied.Frame}, w, o)) {
			s.sendThumbnail(c, p.Data, p.Applied, o)
		}
	case e.SOPInstanceUID != "": // images, and none that can be decoded
		s.placeholder(c, e.Ref, w, o)
	case other != nil:
		s.placeholder(c, other.Ref, w, o)
	default:
		s.fail(c, err)
	}
}

func (s *Service) instanceThumbnail(c *gin.Context, where index.Ref, w *wishes, o form) {
	x, err := s.subject(c, where)
	if err != nil {
		s.fail(c, err)
		return
	}
	list := c.Param("frames")
	if x.frames == nil && list != "" {
		s.fail(c, errs.Errorf(errs.NotFound, "dicomweb.thumbnail", "the instance has no frames"))
		return
	}
	if x.frames == nil || x.frames.TransferSyntax.Video() {
		c.Writer.Header()["Cache-Control"] = []string{s.pictureCaching()}
		s.placeholder(c, where, w, o)
		return
	}
	n := middleFrame(x.frames)
	if list != "" {
		numbers, err := frameList(list, x.frames.Index.Frames())
		if err != nil {
			s.fail(c, err)
			return
		}
		n = numbers[0]
	}
	c.Writer.Header()["Cache-Control"] = []string{s.pictureCaching()}
	if s.unchanged(c, pictureTag(x.frames.Entry, []int{n}, w, o)) {
		return
	}
	p, err := s.arch.Render(c.Request.Context(), s.tenant, x.frames, n, w.Rendering)
	if err != nil {
		s.fail(c, unrendered(err))
		return
	}
	s.sendThumbnail(c, p.Data, p.Applied, o)
}

func (s *Service) sendThumbnail(c *gin.Context, b []byte, a render.Applied, o form) {
	tellApplied(c.Writer.Header(), a)
	s.sendWhole(c, b, o)
}

// placeholder answers with a page that says what the instance is.
func (s *Service) placeholder(c *gin.Context, where index.Ref, w *wishes, o form) {
	h, err := s.header(c, where)
	if err != nil {
		s.fail(c, err)
		return
	}
	d := h.Dataset
	kind := strings.TrimSuffix(uid.Name(d.UID(tag.SOPClassUID)), " Storage")
	p, err := s.arch.Placeholder(c.Request.Context(), s.tenant, d.Text(tag.Modality), kind, w.Rendering)
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendThumbnail(c, p.Data, p.Applied, o)
}
