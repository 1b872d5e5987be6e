package dicomweb

import (
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/httpd"
)

// maxFrameList bounds the frames of one request: no slide level asked for at once has more, and
// a header of 64 KiB cannot name more by much.
const maxFrameList = 1 << 16

// frames answers with frames (PS3.18 10.4.1.1.6), as they are stored or in the transfer syntax
// asked for: in the order asked for, duplicates included.
func (s *Service) frames(c *gin.Context) {
	f, err := s.arch.Frames(c.Request.Context(), s.tenant, ref(c))
	if err != nil {
		s.fail(c, noFrames(err))
		return
	}
	list, err := frameList(c.Param("frames"), f.Index.Frames())
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendFrames(c, f, list)
}

// noFrames: that stored frames cannot be told apart is not the request's fault.
func noFrames(err error) error {
	if errs.Is(err, errs.Invalid) {
		return &errs.Error{Kind: errs.NotFound, Op: "dicomweb.frames", Msg: errs.Safe(err), Err: err}
	}
	return err
}

// frameList reads "1,3,2" (1-based).
func frameList(s string, frames int) ([]int, error) {
	if n := strings.Count(s, ",") + 1; n > maxFrameList {
		return nil, errs.Errorf(errs.Invalid, "dicomweb.frames", "more than %d frames in one request", maxFrameList)
	}
	out := make([]int, 0, strings.Count(s, ",")+1)
	for item := range strings.SplitSeq(s, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(item))
		if err != nil || n < 1 {
			return nil, errs.Errorf(errs.Invalid, "dicomweb.frames", "the frame list is not numbers from 1 on, separated by commas")
		}
		if n > frames {
			return nil, errs.Errorf(errs.NotFound, "dicomweb.frames", "the instance has %d frames", frames)
		}
		out = append(out, n)
	}
	return out, nil
}

// sendFrames answers with the frames in the form Accept asks for.
func (s *Service) sendFrames(c *gin.Context, f *archive.Frames, list []int) {
	h := c.Writer.Header()
	h["Vary"] = append(h["Vary"], "Accept")
	is, err := s.asStream(c.Request.Context(), f)
	if err != nil {
		s.fail(c, err)
		return
	}
	var offers []offer
	for _, w := range wants(c.Request) {
		if o, ok := s.frameOffer(w, f.TransferSyntax, is); ok && (w.multipart || len(list) == 1) {
			offers = append(offers, o)
		}
	}
	o, ok := best(offers)
	if !ok {
		s.refuseFrames(c, f, is)
		return
	}
	single := !o.multipart
	h["Cache-Control"] = []string{s.caching}
	if s.unchanged(c, frameTag(f, list, single, o)) {
		return
	}
	if !o.stored {
		s.sendMade(c, f, list, o)
		return
	}
	contentType := frameType(is)
	if !single {
		s.sendFrameList(c, f, list, contentType)
		return
	}
	s.sendFrameAlone(c, f, list[0], contentType)
}

// sendFrameAlone answers with one frame as it is stored, or a range of it.
func (s *Service) sendFrameAlone(c *gin.Context, f *archive.Frames, number int, contentType string) {
	size, err := s.frameSize(c, f, number)
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendRange(c, contentType, size, func(off, n int64) (*archive.Object, error) {
		if at, ok := plainSpan(f, number); ok { // stays a file: sendfile
			return s.arch.OpenFile(c.Request.Context(), s.tenant, f.Entry, at+off, n)
		}
		obj, err := s.arch.OpenFrame(c.Request.Context(), s.tenant, f, number)
		if err != nil {
			return nil, err
		}
		return section(obj, off, n)
	})
}

// refuseFrames says in which forms the frames can be had.
func (s *Service) refuseFrames(c *gin.Context, f *archive.Frames, is dicom.TransferSyntax) {
	all, err := s.arch.FrameSyntaxes(c.Request.Context(), s.tenant, f)
	if err != nil {
		s.fail(c, err)
		return
	}
	types := make([]string, len(all))
	for i, ts := range all {
		if ts.UID == is.UID {
			ts = is
		}
		types[i] = frameType(ts)
	}
	refuse(c, strings.Join(types, ", ")+" (single frame, or multipart/related)")
}

// sendMade answers with frames in another transfer syntax than they are stored in. The first is
// made before the header leaves, so that its damage is said with a status.
func (s *Service) sendMade(c *gin.Context, f *archive.Frames, list []int, o offer) {
	to, _ := dicom.LookupTransferSyntax(o.syntax)
	contentType := frameType(to)
	if !o.multipart {
		obj, err := s.arch.OpenFrameAs(c.Request.Context(), s.tenant, f, list[0], to.UID)
		if err != nil {
			s.fail(c, unmade(err))
			return
		}
		release, err := s.hold(obj)
		if err != nil {
			s.fail(c, err)
			return
		}
		defer release()
		s.sendRange(c, contentType, obj.Size, func(off, n int64) (*archive.Object, error) { return section(obj, off, n) })
		return
	}
	raw := httpd.Raw(c.Writer)
	m := httpd.NewMultipartWriter(raw, httpd.Boundary())
	head := httpd.PartHead{ContentType: contentType}
	first := true
	for obj, err := range s.arch.OpenFrames(c.Request.Context(), s.tenant, f, list, to.UID) {
		if first {
			if err != nil {
				s.fail(c, unmade(err))
				return
			}
			release, err := s.hold(obj) // those behind it are no larger, and few are made ahead
			if err != nil {
				s.fail(c, err)
				return
			}
			defer release()
			h := c.Writer.Header()
			media, _, _ := strings.Cut(contentType, ";")
			h["Content-Type"] = []string{m.ContentType(media)}
			if len(list) == 1 {
				h["Content-Length"] = []string{strconv.FormatInt(m.HeadLength(0, head)+obj.Size+m.TailLength(), 10)}
			}
			sendHeader(c, http.StatusOK)
			if c.Request.Method == http.MethodHead {
				obj.Close()
				return
			}
			first = false
		}
		s.cut(c, err)
		s.cut(c, s.sendPart(m, raw, obj, head))
	}
	s.cut(c, m.Close())
}

// hold counts a made frame until release. When clients that are slow hold too much already, the
// object is closed and the client told to come again; one frame goes out always.
func (s *Service) hold(obj *archive.Object) (release func(), err error) {
	n := obj.Size
	release = func() { s.sending.Add(-n) }
	if all := s.sending.Add(n); all > s.made && all != n {
		release()
		obj.Close()
		return nil, errs.Errorf(errs.Unavailable, "dicomweb.frames", "too many large frames are on their way to slow clients")
	}
	return release, nil
}

// plainSpan returns where in the stored object a frame begins that goes out as it lies there.
func plainSpan(f *archive.Frames, n int) (offset int64, ok bool) {
	spans, bit, err := f.Index.Frame(n)
	if err != nil || len(spans) != 1 || bit != 0 || f.TransferSyntax.Deflated || f.TransferSyntax.BigEndian {
		return 0, false
	}
	return spans[0].Offset, f.TransferSyntax.Encapsulated || !packed(f)
}

// packed reports whether native frames share bytes: then even those that begin on a byte need
// the bits behind them cleared.
func packed(f *archive.Frames) bool {
	for n := 2; n <= min(f.Index.Frames(), 8); n++ { // eight frames end on a byte at the latest
		if _, bit, err := f.Index.Frame(n); err != nil || bit != 0 {
			return true
		}
	}
	return false
}

// frameTag names the bytes of the frames; see object.etag.
func frameTag(f *archive.Frames, list []int, single bool, o offer) string {
	b := make([]byte, 0, 96)
	if !single || !o.stored {
		b = append(b, "W/"...)
	}
	b = appendTag(append(b, '"'), f.Entry)
	b = append(b, "-f"...)
	for i, n := range list {
		if i == 8 { // the list itself is part of the URL
			break
		}
		b = strconv.AppendInt(append(b, '.'), int64(n), 10)
	}
	if !o.stored {
		b = append(append(b, '-'), o.syntax...)
	}
	if !single {
		b = append(b, "-m"...)
	}
	return string(append(b, '"'))
}

// frameSize returns the bytes of one frame from the frame table alone, or, where frames do not
// begin on a byte, from the frame itself.
func (s *Service) frameSize(c *gin.Context, f *archive.Frames, n int) (int64, error) {
	spans, bit, err := f.Index.Frame(n)
	if err != nil {
		return 0, err
	}
	if bit != 0 {
		obj, err := s.arch.OpenFrame(c.Request.Context(), s.tenant, f, n)
		if err != nil {
			return 0, err
		}
		obj.Close()
		return obj.Size, nil
	}
	var size int64
	for _, span := range spans {
		size += span.Length
	}
	return size, nil
}

// sendFrameList answers with a multipart body of a length told beforehand.
func (s *Service) sendFrameList(c *gin.Context, f *archive.Frames, list []int, contentType string) {
	raw := httpd.Raw(c.Writer)
	m := httpd.NewMultipartWriter(raw, httpd.Boundary())
	head := httpd.PartHead{ContentType: contentType}
	length := m.TailLength()
	for i, n := range list {
		size, err := s.frameSize(c, f, n)
		if err != nil {
			s.fail(c, err)
			return
		}
		length += m.HeadLength(i, head) + size
	}
	media, _, _ := strings.Cut(contentType, ";")
	h := c.Writer.Header()
	h["Content-Type"] = []string{m.ContentType(media)}
	h["Content-Length"] = []string{strconv.FormatInt(length, 10)}
	sendHeader(c, http.StatusOK)
	if c.Request.Method == http.MethodHead {
		return
	}
	for _, n := range list {
		s.cut(c, s.sendFrame(c, f, n, m, raw, head))
	}
	s.cut(c, m.Close())
}

func (s *Service) sendFrame(c *gin.Context, f *archive.Frames, n int, m *httpd.MultipartWriter, raw io.Writer, head httpd.PartHead) error {
	obj, err := s.arch.OpenFrame(c.Request.Context(), s.tenant, f, n)
	if err != nil {
		return err
	}
	return s.sendPart(m, raw, obj, head)
}

// section narrows an opened object to a range. It closes obj on error.
func section(obj *archive.Object, off, n int64) (*archive.Object, error) {
	if off == 0 && n == obj.Size {
		return obj, nil
	}
	var err error
	if sk, ok := obj.ReadCloser.(io.Seeker); ok {
		_, err = sk.Seek(off, io.SeekCurrent)
	} else {
		_, err = io.CopyN(io.Discard, obj, off)
	}
	if err != nil {
		obj.Close()
		return nil, errs.E(errs.Internal, "dicomweb.section", err)
	}
	return &archive.Object{
		ReadCloser: struct {
			io.Reader
			io.Closer
		}{io.LimitReader(obj.ReadCloser, n), obj.ReadCloser},
		Size:           n,
		TransferSyntax: obj.TransferSyntax,
	}, nil
}
