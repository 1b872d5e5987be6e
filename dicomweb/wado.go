package dicomweb

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/httpd"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// retrieve answers with the objects of a study, series or instance (PS3.18 10.4): as stored,
// straight from the store to the socket, or in the transfer syntax that was asked for.
func (s *Service) retrieve(c *gin.Context) {
	where := ref(c)
	entries, err := s.arch.Select(c.Request.Context(), s.tenant, where)
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Writer.Header()["Vary"] = append(c.Writer.Header()["Vary"], "Accept")
	objects, single := s.plan(wants(c.Request), entries, where.SOPInstanceUID != "")
	if objects == nil {
		refuse(c, s.available(c, entries, where.SOPInstanceUID != ""))
		return
	}
	if where.SOPInstanceUID != "" {
		c.Writer.Header()["Cache-Control"] = []string{s.caching}
		if tag := objects[0].etag(single); s.unchanged(c, tag) {
			return
		}
	}
	if single {
		s.sendObject(c, objects[0])
		return
	}
	s.sendObjects(c, objects)
}

// object is an instance on its way out, in the transfer syntax it shall have.
type object struct {
	index.Entry
	syntax string
}

func (o object) converted() bool { return o.syntax != o.TransferSyntaxUID }

// etag names the bytes of one instance; the weak form stands for a multipart around them,
// whose boundary differs each time.
func (o object) etag(single bool) string {
	b := make([]byte, 0, 64)
	if !single || o.converted() {
		b = append(b, "W/"...)
	}
	b = append(b, '"')
	b = appendTag(b, o.Entry)
	if o.converted() {
		b = append(b, '-')
		b = append(b, o.syntax...)
	}
	if !single {
		b = append(b, "-m"...)
	}
	return string(append(b, '"'))
}

// appendTag appends what identifies the stored bytes of an instance.
func appendTag(b []byte, e index.Entry) []byte {
	b = strconv.AppendUint(b, uint64(e.DatasetCRC), 36)
	b = append(b, '-')
	return strconv.AppendInt(b, e.Received.UnixNano(), 36)
}

// unchanged sets the entity tag and answers 304 when the client has it already.
func (s *Service) unchanged(c *gin.Context, etag string) bool {
	c.Writer.Header()["Etag"] = []string{etag}
	if !httpd.NotModified(c.Request, etag) {
		return false
	}
	sendHeader(c, http.StatusNotModified)
	return true
}

// plan finds for each instance the form that is asked for most. nil: at least one cannot be had.
func (s *Service) plan(ws []want, entries []index.Entry, instance bool) (_ []object, single bool) {
	form := slices.IndexFunc(ws, want.takesObject)
	if form < 0 {
		return nil, false
	}
	// A single body can hold one instance only; for more, clients that ask for
	// application/dicom get the multipart they must have meant.
	single = instance && !ws[form].multipart
	objects := make([]object, 0, len(entries))
	syntaxes := map[string]string{} // by the one an instance is stored in
	for _, e := range entries {
		to, known := syntaxes[e.TransferSyntaxUID]
		if !known {
			var offers []offer
			for _, w := range ws {
				if !w.takesObject() || instance && w.multipart == single {
					continue
				}
				if o, ok := s.objectOffer(w, e.TransferSyntaxUID); ok {
					offers = append(offers, o)
				}
			}
			o, ok := best(offers)
			if !ok {
				return nil, false
			}
			to = o.syntax
			syntaxes[e.TransferSyntaxUID] = to
		}
		objects = append(objects, object{e, to})
	}
	return objects, single
}

// available lists the media types under which the instances can be had: one instance as its
// image allows, several as their transfer syntaxes do.
func (s *Service) available(c *gin.Context, entries []index.Entry, instance bool) string {
	var syntaxes []string
	if instance {
		f, err := s.arch.Frames(c.Request.Context(), s.tenant, entries[0].Ref)
		if err == nil {
			all, _ := s.arch.FrameSyntaxes(c.Request.Context(), s.tenant, f)
			for _, ts := range all {
				syntaxes = append(syntaxes, ts.UID)
			}
		}
		if err != nil || archive.NativeFrames(f.TransferSyntax) {
			syntaxes = append(syntaxes, entries[0].TransferSyntaxUID)
		}
		if _, err := archive.Deliverable(entries[0].TransferSyntaxUID, []string{dicom.ImplicitVRLittleEndian.UID}); err == nil ||
			slices.Contains(syntaxes, dicom.ExplicitVRLittleEndian.UID) {
			syntaxes = append(syntaxes, dicom.ExplicitVRLittleEndian.UID, dicom.ImplicitVRLittleEndian.UID)
		}
	} else {
		syntaxes = s.arch.Lossless(entries[0].TransferSyntaxUID)
		seen := map[string]bool{}
		for _, e := range entries {
			if seen[e.TransferSyntaxUID] {
				continue
			}
			seen[e.TransferSyntaxUID] = true
			have := s.arch.Lossless(e.TransferSyntaxUID)
			syntaxes = slices.DeleteFunc(syntaxes, func(uid string) bool { return !slices.Contains(have, uid) })
		}
		if len(syntaxes) == 0 {
			syntaxes = []string{"*"}
		}
	}
	slices.Sort(syntaxes)
	return mediaMultipart + `; type="` + mediaDICOM + `" with transfer-syntax ` + strings.Join(slices.Compact(syntaxes), ", ")
}

// sendObject answers with one instance as the whole body.
func (s *Service) sendObject(c *gin.Context, o object) {
	contentType := mediaDICOM + "; transfer-syntax=" + o.syntax
	if o.converted() {
		c.Header("Content-Type", contentType)
		obj, err := s.openObject(c, o)
		if err != nil {
			s.fail(c, unmade(s.explain(c, o, err)))
			return
		}
		defer obj.Close()
		sendHeader(c, http.StatusOK)
		if c.Request.Method != http.MethodHead {
			s.cut(c, s.copy(httpd.Raw(c.Writer), obj, obj.Size))
		}
		return
	}
	s.sendRange(c, contentType, o.Location.Length, func(off, n int64) (*archive.Object, error) {
		obj, err := s.arch.OpenFile(c.Request.Context(), s.tenant, o.Entry, off, n)
		return obj, s.explain(c, o, err)
	})
}

// sendRange answers with a single body of a known size, or the range of it that is asked for.
func (s *Service) sendRange(c *gin.Context, contentType string, size int64, open func(off, n int64) (*archive.Object, error)) {
	h := c.Writer.Header()
	h["Accept-Ranges"] = []string{"bytes"}
	off, n, how := httpd.Range(c.Request, size, h.Get("Etag"))
	if how == httpd.UnsatisfiedBy {
		h.Set("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
		httpd.Problem(c.Writer, http.StatusRequestedRangeNotSatisfiable, "the resource has fewer bytes")
		return
	}
	obj, err := open(off, n)
	if err != nil {
		s.fail(c, err)
		return
	}
	defer obj.Close()
	code := http.StatusOK
	if how == httpd.PartialBody {
		code = http.StatusPartialContent
		h.Set("Content-Range", httpd.ContentRange(off, n, size))
	}
	h["Content-Type"] = []string{contentType}
	h["Content-Length"] = []string{strconv.FormatInt(n, 10)}
	sendHeader(c, code)
	if c.Request.Method == http.MethodHead {
		return
	}
	s.cut(c, s.copy(httpd.Raw(c.Writer), obj, n))
}

// sendObjects answers with a multipart body. Its length is known before the first byte unless
// an instance is converted to a syntax whose size only the conversion tells. The first object is
// opened before the header leaves, so that a store that is away is said with a status.
func (s *Service) sendObjects(c *gin.Context, objects []object) {
	p, err := s.openObject(c, objects[0])
	if err != nil {
		s.fail(c, unmade(s.explain(c, objects[0], err)))
		return
	}
	raw := httpd.Raw(c.Writer)
	m := httpd.NewMultipartWriter(raw, httpd.Boundary())
	length, known := m.TailLength(), true
	types := partTypes{}
	for i, o := range objects {
		length += m.HeadLength(i, types.head(o.syntax)) + o.Location.Length
		known = known && !o.converted()
	}
	h := c.Writer.Header()
	h["Content-Type"] = []string{m.ContentType(mediaDICOM)}
	if known {
		h["Content-Length"] = []string{strconv.FormatInt(length, 10)}
	}
	sendHeader(c, http.StatusOK)
	if c.Request.Method == http.MethodHead {
		p.Close()
		return
	}
	for i, o := range objects {
		if i > 0 {
			p, err = s.openObject(c, o)
			s.cut(c, err)
		}
		s.cut(c, s.sendPart(m, raw, p, types.head(o.syntax)))
	}
	s.cut(c, m.Close())
}

// partTypes keeps the part headers of the few transfer syntaxes an answer has.
type partTypes map[string]httpd.PartHead

func (p partTypes) head(syntax string) httpd.PartHead {
	h, ok := p[syntax]
	if !ok {
		h = httpd.PartHead{ContentType: mediaDICOM + "; transfer-syntax=" + syntax}
		p[syntax] = h
	}
	return h
}

func (s *Service) openObject(c *gin.Context, o object) (*archive.Object, error) {
	return s.arch.OpenFileAs(c.Request.Context(), s.tenant, o.Entry, o.syntax)
}

// sendPart sends the part and closes it.
func (s *Service) sendPart(m *httpd.MultipartWriter, raw io.Writer, obj *archive.Object, head httpd.PartHead) error {
	defer obj.Close()
	if err := m.Begin(head); err != nil {
		return err
	}
	return s.copy(raw, obj, obj.Size)
}

// unmade says of pixels that cannot be brought to the form asked for that this is not the
// request's fault alone, and what can be had: they are stored as they came.
func unmade(err error) error {
	switch errs.KindOf(err) {
	case errs.Invalid, errs.Unsupported, errs.Exhausted:
		return &errs.Error{Kind: errs.Unsupported, Op: "dicomweb.open", Err: err,
			Msg: errs.Safe(err) + "; available: as stored (transfer-syntax=*)"}
	}
	return err
}

// explain tells an object that was deleted meanwhile, which is not found, from one that the
// index has and the store has not.
func (s *Service) explain(c *gin.Context, o object, err error) error {
	if !errs.Is(err, errs.NotFound) {
		return err
	}
	now, gone := s.arch.Select(c.Request.Context(), s.tenant, o.Ref)
	if gone != nil || now[0].Location != o.Location {
		return err
	}
	return errs.Errorf(errs.Internal, "dicomweb.open", "the stored object is missing")
}

var copyBuffers = sync.Pool{New: func() any { return new([128 << 10]byte) }}

type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)

// copy sends an opened object. Objects that lie in a file go from there to the socket without
// passing through here (sendfile); want is what was promised to the client, -1 for nothing.
func (s *Service) copy(w io.Writer, obj *archive.Object, want int64) error {
	var n int64
	var err error
	wt, ok := any(obj).(io.WriterTo)
	if !ok {
		wt, ok = obj.ReadCloser.(io.WriterTo)
	}
	if ok {
		n, err = wt.WriteTo(w)
	} else {
		buf := copyBuffers.Get().(*[128 << 10]byte)
		n, err = io.CopyBuffer(onlyWriter{w}, onlyReader{obj}, buf[:])
		copyBuffers.Put(buf)
	}
	s.metrics.bytes.Add(float64(n))
	if err == nil && want >= 0 && n != want {
		err = errs.E(errs.Internal, "dicomweb.copy", errShort)
	}
	return err
}

var errShort = errors.New("the object has another size than the index says")
