package dicomweb

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/imaging/render"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/httpd"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// pictureTypes are the media types of pictures, the default first (PS3.18 Table 8.7.4-1).
var pictureTypes = []string{archive.JPEG, archive.PNG, archive.GIF}

// pictureCaching is the Cache-Control of pictures: the object does not change, but a release may
// draw it better. After a day it is asked for again by its ETag.
const pictureCaching = "private, max-age=86400"

// drawing is part of the ETag of pictures: a release that draws differently has another one.
const drawing = "1"

// rendered answers with pictures, pages or videos of what is stored (PS3.18 10.4.1.1.3).
func (s *Service) rendered(c *gin.Context) {
	w, _, err := s.wishesOf(c, renderedParameters)
	if err != nil {
		s.fail(c, err)
		return
	}
	h := c.Writer.Header()
	h["Vary"] = append(h["Vary"], "Accept")
	accept, where := httpd.Accept(c.Request), ref(c)
	if where.SOPInstanceUID == "" {
		s.renderSeries(c, where, w, accept)
		return
	}
	x, err := s.subject(c, where)
	if err != nil {
		s.fail(c, err)
		return
	}
	s.renderSubject(c, x, c.Param("frames"), w, accept)
}

// subject is an instance that may have something to show: frames, or what its header has.
type subject struct {
	frames *archive.Frames
	header *dicom.Header // where there are no frames
}

func (s *Service) subject(c *gin.Context, where index.Ref) (subject, error) {
	f, err := s.arch.Frames(c.Request.Context(), s.tenant, where)
	if err == nil {
		return subject{frames: f}, nil
	}
	if !errs.Is(err, errs.NotFound) {
		return subject{}, noFrames(err)
	}
	h, err := s.header(c, where)
	return subject{header: h}, err
}

func (s *Service) header(c *gin.Context, where index.Ref) (*dicom.Header, error) {
	for h, err := range s.arch.Headers(c.Request.Context(), s.tenant, where) {
		return h, err
	}
	return nil, errs.Errorf(errs.NotFound, "dicomweb.rendered", "no such study, series or instance")
}

// renderSubject answers for one instance, or for frames of it: a list, "" for all.
func (s *Service) renderSubject(c *gin.Context, x subject, list string, w *wishes, accept []httpd.MediaType) {
	switch {
	case x.frames == nil && list != "":
		s.fail(c, errs.Errorf(errs.NotFound, "dicomweb.rendered", "the instance has no frames"))
	case x.frames == nil:
		s.renderDocument(c, x.header, accept)
	case x.frames.TransferSyntax.Video():
		s.renderVideo(c, x.frames, accept)
	case list == "":
		s.renderFrames(c, x.frames, nil, w, accept)
	default:
		numbers, err := frameList(list, x.frames.Index.Frames())
		if err != nil {
			s.fail(c, err)
			return
		}
		s.renderFrames(c, x.frames, numbers, w, accept)
	}
}

// form is how something rendered leaves.
type form struct {
	media     string // of the body or of its parts
	multipart bool
}

// formOf chooses what is accepted most of the media types there are; single says of which a
// body can hold all that is asked for. The type of who does not care is the first; the transfer
// syntax that some name with it has no meaning here (PS3.18 8.7.4).
func formOf(accept []httpd.MediaType, have []string, single func(media string) bool) (form, bool) {
	for _, m := range accept {
		media, multi := m.Type, false
		if media == mediaMultipart || media == "multipart/*" {
			multi = true
			if media = strings.ToLower(m.Param("type")); media == "" || media == "*" {
				media = "*/*"
			}
		}
		if media == "*/*" && !single(have[0]) {
			return form{have[0], true}, true
		}
		if media == "image/jpg" {
			media = archive.JPEG
		}
		for _, h := range have {
			if httpd.Covers(media, h) && (multi || single(h)) {
				return form{h, multi}, true
			}
		}
	}
	return form{}, false
}

func any1(string) bool { return true }

const picturesOffered = archive.JPEG + ", " + archive.PNG + ", " + archive.GIF + ", or multipart/related of one of them"

// renderFrames answers with pictures of frames: of those in the list, nil for all. A single body
// of all has the frame in the middle, as GIF all of them.
func (s *Service) renderFrames(c *gin.Context, f *archive.Frames, list []int, w *wishes, accept []httpd.MediaType) {
	o, ok := formOf(accept, pictureTypes, func(media string) bool { return len(list) < 2 || media == archive.GIF })
	if !ok {
		offered := picturesOffered
		if len(list) > 1 {
			offered = "multipart/related of " + archive.JPEG + ", " + archive.PNG + " or " + archive.GIF + "; " + archive.GIF + " as an animation"
		}
		refuse(c, offered)
		return
	}
	w.MediaType = o.media
	if err := s.find(c, f.Entry.StudyInstanceUID, w); err != nil {
		s.fail(c, err)
		return
	}
	all := f.Index.Frames()
	if len(list) == 0 && all > 1 && (o.multipart || o.media == archive.GIF) {
		if all > maxFrameList {
			refuse(c, "frames named one by one in /frames/.../rendered: there are too many for one answer")
			return
		}
		list = make([]int, all)
		for i := range list {
			list[i] = i + 1
		}
	}
	c.Writer.Header()["Cache-Control"] = []string{s.pictureCaching()}
	if s.unchanged(c, pictureTag(f.Entry, list, w, o)) {
		return
	}
	switch {
	case o.multipart:
		if len(list) == 0 {
			list = []int{1}
		}
		s.sendPictures(c, listed(f, list), w)
	case o.media == archive.GIF && len(list) > 1:
		s.sendCine(c, f, list, w)
	default:
		n := middleFrame(f)
		if len(list) == 1 {
			n = list[0]
		}
		p, err := s.arch.Render(c.Request.Context(), s.tenant, f, n, w.Rendering)
		if err != nil {
			s.fail(c, unrendered(err))
			return
		}
		s.sendPicture(c, p, o.media)
	}
}

func (s *Service) pictureCaching() string {
	if s.caching == revalidate {
		return revalidate
	}
	return pictureCaching
}

// middleFrame is the frame that stands for all: the first is often dark.
func middleFrame(f *archive.Frames) int { return f.Index.Frames()/2 + 1 }

func listed(f *archive.Frames, list []int) iter.Seq2[archive.Shown, error] {
	return func(yield func(archive.Shown, error) bool) {
		for _, n := range list {
			if !yield(archive.Shown{Frames: f, Number: n}, nil) {
				return
			}
		}
	}
}

// pictureTag names pictures by what they are made of and what was asked for. It is weak: another
// build may compress the same picture into other bytes.
func pictureTag(e index.Entry, list []int, w *wishes, o form) string {
	sum := fnv.New64a()
	wish, _ := json.Marshal(w.Rendering) // finite numbers and strings always marshal
	sum.Write(wish)
	sum.Write(w.sum)
	fmt.Fprint(sum, list, o)
	b := appendTag([]byte(`W/"`), e)
	b = append(b, "-r"+drawing+"."...)
	b = strconv.AppendUint(b, sum.Sum64(), 36)
	return string(append(b, '"'))
}

// unrendered says of what cannot be rendered whether the wish is to blame, or the object: that is
// not the request's fault, and comes as it is stored.
func unrendered(err error) error {
	if render.Wish(err) || errs.Is(err, errs.Mismatch) {
		return &errs.Error{Kind: errs.Invalid, Op: "dicomweb.rendered", Msg: errs.Safe(err), Err: err}
	}
	switch errs.KindOf(err) {
	case errs.Invalid, errs.Unsupported, errs.Exhausted:
		return &errs.Error{Kind: errs.Unsupported, Op: "dicomweb.rendered", Err: err,
			Msg: errs.Safe(err) + "; no picture can be made, it can be had as it is stored"}
	}
	return err
}

// sendPicture answers with one picture and says what was done to it.
func (s *Service) sendPicture(c *gin.Context, p archive.Rendered, media string) {
	tellApplied(c.Writer.Header(), p.Applied)
	s.sendMemory(c, media, p.Data)
}

// sendMemory answers with bytes, or the range of them that is asked for.
func (s *Service) sendMemory(c *gin.Context, contentType string, b []byte) {
	s.sendRange(c, contentType, int64(len(b)), func(off, n int64) (*archive.Object, error) {
		return &archive.Object{ReadCloser: io.NopCloser(bytes.NewReader(b[off : off+n])), Size: n}, nil
	})
}

// maxApplied bounds the headers that say what was done: more would not get through proxies.
const maxApplied = 4 << 10

// tellApplied says in the header what was done to a frame, for people and for programs. Labels of
// layers can be long; without them it is still said that they are there.
func tellApplied(h http.Header, a render.Applied) {
	text, data := a.String(), asciiJSON(a.JSON())
	if len(text) > maxApplied/2 || len(data) > maxApplied/2 {
		short := a
		short.Layers, short.Overlays = nil, nil
		short.Notes = []string{fmt.Sprintf("too long to be listed: %d overlays, %d layers, %d notes", len(a.Overlays), len(a.Layers), len(a.Notes))}
		if v := a.VOI; v != nil {
			plain := *v
			plain.Explanation = ""
			short.VOI = &plain
		}
		text, data = short.String(), asciiJSON(short.JSON())
	}
	if len(text) <= maxApplied/2 && len(data) <= maxApplied/2 {
		h["Aurelius-Rendering"] = []string{text}
		h["Aurelius-Rendering-Json"] = []string{data}
	}
}

// asciiJSON escapes what is not ASCII: headers have nothing else.
func asciiJSON(b []byte) string {
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r >= 0x10000:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		case r >= 0x7F:
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			out = append(out, b[0])
		}
		b = b[n:]
	}
	return string(out)
}

// sendPictures answers with pictures one after another. The first is made before the header
// leaves, so that its damage is said with a status.
func (s *Service) sendPictures(c *gin.Context, frames iter.Seq2[archive.Shown, error], w *wishes) {
	raw := httpd.Raw(c.Writer)
	m := httpd.NewMultipartWriter(raw, httpd.Boundary())
	root, first := s.root(c), true
	for p, err := range s.arch.RenderAll(c.Request.Context(), s.tenant, frames, w.Rendering) {
		if first {
			if err != nil {
				s.fail(c, unrendered(err))
				return
			}
			c.Writer.Header()["Content-Type"] = []string{m.ContentType(w.MediaType)}
			sendHeader(c, http.StatusOK)
			if c.Request.Method == http.MethodHead {
				return
			}
			first = false
		}
		s.cut(c, err)
		where := append(appendURL(nil, root, p.Of), "/frames/"...)
		where = append(strconv.AppendInt(where, int64(p.Applied.Frame), 10), "/rendered"...)
		s.cut(c, m.Begin(httpd.PartHead{ContentType: w.MediaType, Location: string(where)}))
		_, err = raw.Write(p.Data)
		s.cut(c, err)
		s.metrics.bytes.Add(float64(len(p.Data)))
	}
	if first {
		refuse(c, "what each instance's own /rendered offers: nothing here has frames")
		return
	}
	s.cut(c, m.Close())
}

// sendCine answers with an animation, frame by frame as they are made.
func (s *Service) sendCine(c *gin.Context, f *archive.Frames, list []int, w *wishes) {
	c.Writer.Header()["Content-Type"] = []string{archive.GIF}
	if c.Request.Method == http.MethodHead {
		sendHeader(c, http.StatusOK)
		return
	}
	body := &late{c: c}
	err := s.arch.WriteCine(c.Request.Context(), body, s.tenant, f, list, w.Rendering)
	if err != nil && !body.begun {
		s.fail(c, unrendered(err))
		return
	}
	s.cut(c, err)
}

// late sends the header with the first byte of the body: until then an error has a status.
type late struct {
	c     *gin.Context
	begun bool
}

func (l *late) Write(p []byte) (int, error) {
	if !l.begun {
		l.begun = true
		sendHeader(l.c, http.StatusOK)
	}
	return httpd.Raw(l.c.Writer).Write(p)
}

// renderSeries answers for a study or a series: all of its frames in parts, or in a single body
// the one that stands for it.
func (s *Service) renderSeries(c *gin.Context, where index.Ref, w *wishes, accept []httpd.MediaType) {
	if err := s.find(c, where.StudyInstanceUID, w); err != nil {
		s.fail(c, err)
		return
	}
	c.Writer.Header()["Cache-Control"] = []string{revalidate}
	o, pictures := formOf(accept, pictureTypes, any1)
	w.MediaType = o.media
	if pictures && o.multipart {
		entries, err := s.arch.Select(c.Request.Context(), s.tenant, where)
		if err != nil {
			s.fail(c, err)
			return
		}
		s.sendPictures(c, s.framesOf(c, entries), w)
		return
	}
	p, e, other, err := s.representative(c, where, w, pictures)
	if other != nil && errs.Is(err, errs.NotFound) {
		x, err := s.subject(c, other.Ref)
		if err != nil {
			s.fail(c, err)
			return
		}
		s.renderSubject(c, x, "", w, accept)
		return
	}
	if !pictures && e.SOPInstanceUID != "" {
		refuse(c, picturesOffered)
		return
	}
	if err != nil {
		s.fail(c, unrendered(err))
		return
	}
	if s.unchanged(c, pictureTag(e, []int{p.Applied.Frame}, w, o)) {
		return
	}
	s.sendPicture(c, p, o.media)
}

// framesOf yields every frame of the instances that have some.
func (s *Service) framesOf(c *gin.Context, entries []index.Entry) iter.Seq2[archive.Shown, error] {
	return func(yield func(archive.Shown, error) bool) {
		for _, e := range entries {
			f, err := s.arch.Frames(c.Request.Context(), s.tenant, e.Ref)
			if errs.Is(err, errs.NotFound) || err == nil && f.TransferSyntax.Video() {
				continue
			}
			if err != nil {
				yield(archive.Shown{}, err)
				return
			}
			for n := 1; n <= f.Index.Frames(); n++ {
				if !yield(archive.Shown{Frames: f, Number: n}, nil) {
					return
				}
			}
		}
	}
}

// maxTries bounds how many images are tried before a study or series counts as having none that
// can be shown.
const maxTries = 24

// representative makes a picture of the image that stands for a study or series: the first that
// can be shown of those that archive.Representatives names. Where there is none, failed says why
// not of the first (NotFound: there are no images), of is that one, and other the first instance
// that is no image. Without pictures none is made.
func (s *Service) representative(c *gin.Context, where index.Ref, w *wishes, pictures bool) (p archive.Rendered, of index.Entry, other *index.Entry, failed error) {
	ctx, tries := c.Request.Context(), 0
	for e, err := range s.arch.Representatives(ctx, s.tenant, where) {
		if err != nil {
			return p, index.Entry{}, nil, err
		}
		f, err := s.arch.Frames(ctx, s.tenant, e.Ref)
		if errs.Is(err, errs.NotFound) || err == nil && f.TransferSyntax.Video() {
			if other == nil {
				other = &e
			}
			continue
		}
		if !pictures {
			of = e
			continue
		}
		if err == nil {
			if p, err = s.arch.Render(ctx, s.tenant, f, middleFrame(f), w.Rendering); err == nil {
				return p, e, nil, nil
			}
		}
		switch errs.KindOf(err) {
		case errs.Invalid, errs.Unsupported, errs.Exhausted:
		default:
			return p, index.Entry{}, nil, err
		}
		if failed == nil {
			failed, of = err, e
		}
		if tries++; tries == maxTries || render.Wish(err) {
			break
		}
	}
	if failed == nil {
		failed = errs.Errorf(errs.NotFound, "dicomweb.rendered", "no such study or series")
	}
	return p, of, other, failed
}
