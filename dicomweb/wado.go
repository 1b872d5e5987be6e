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
// straight from the store to the socket, or converted between native transfer syntaxes.
func (s *Service) retrieve(c *gin.Context) {
	where := ref(c)
	entries, err := s.arch.Select(c.Request.Context(), s.tenant, where)
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Writer.Header()["Vary"] = append(c.Writer.Header()["Vary"], "Accept")
	objects, single := plan(wants(c.Request), entries, where.SOPInstanceUID != "")
	if objects == nil {
		refuse(c, available(entries))
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

// plan finds the first media range, in the order of preference, under which each instance can
// be had. nil: at least one cannot.
func plan(ws []want, entries []index.Entry, instance bool) (_ []object, single bool) {
	form := slices.IndexFunc(ws, want.takesObject)
	if form < 0 {
		return nil, false
	}
	// A single body can hold one instance only; for more, clients that ask for
	// application/dicom get the multipart they must have meant.
	single = instance && !ws[form].multipart
	objects := make([]object, 0, len(entries))
	for _, e := range entries {
		stored, _ := dicom.LookupTransferSyntax(e.TransferSyntaxUID)
		found := false
		for _, w := range ws {
			if !w.takesObject() || instance && w.multipart == single {
				continue
			}
			if uid, ok := w.objectSyntax(stored); ok {
				objects, found = append(objects, object{e, uid}), true
				break
			}
		}
		if !found {
			return nil, false
		}
	}
	return objects, single
}

// available lists the media types under which the instances can be had.
func available(entries []index.Entry) string {
	var syntaxes []string
	for _, e := range entries {
		ts, _ := dicom.LookupTransferSyntax(e.TransferSyntaxUID)
		if !slices.Contains(syntaxes, ts.UID) {
			syntaxes = append(syntaxes, ts.UID)
		}
		if convertible(ts) && !slices.Contains(syntaxes, dicom.ExplicitVRLittleEndian.UID) {
			syntaxes = append(syntaxes, dicom.ExplicitVRLittleEndian.UID)
		}
	}
	slices.Sort(syntaxes)
	return mediaMultipart + `; type="` + mediaDICOM + `" with transfer-syntax ` + strings.Join(syntaxes, ", ")
}

// sendObject answers with one instance as the whole body.
func (s *Service) sendObject(c *gin.Context, o object) {
	contentType := mediaDICOM + "; transfer-syntax=" + o.syntax
	if o.converted() {
		c.Header("Content-Type", contentType)
		obj, head, err := s.openConverted(c, o)
		if err != nil {
			s.fail(c, s.explain(c, o, err))
			return
		}
		defer obj.Close()
		if obj.Size >= 0 {
			c.Header("Content-Length", strconv.FormatInt(obj.Size+int64(len(head)), 10))
		}
		sendHeader(c, http.StatusOK)
		if c.Request.Method != http.MethodHead {
			s.cut(c, s.copyConverted(httpd.Raw(c.Writer), obj, head))
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
	p, err := s.openPart(c, objects[0])
	if err != nil {
		s.fail(c, s.explain(c, objects[0], err))
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
			p, err = s.openPart(c, o)
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

// part is an opened object of a multipart body.
type part struct {
	*archive.Object
	meta []byte // what goes before a converted one
}

func (s *Service) openPart(c *gin.Context, o object) (part, error) {
	if o.converted() {
		obj, meta, err := s.openConverted(c, o)
		if err != nil {
			return part{}, err
		}
		return part{obj, meta}, nil
	}
	obj, err := s.arch.OpenFile(c.Request.Context(), s.tenant, o.Entry, 0, -1)
	return part{Object: obj}, err
}

// sendPart sends the part and closes it.
func (s *Service) sendPart(m *httpd.MultipartWriter, raw io.Writer, p part, head httpd.PartHead) error {
	defer p.Close()
	if err := m.Begin(head); err != nil {
		return err
	}
	if p.meta != nil {
		return s.copyConverted(raw, p.Object, p.meta)
	}
	return s.copy(raw, p.Object, p.Size)
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

// openConverted opens an instance in another transfer syntax, with the preamble and File Meta
// Information that belong before its data set.
func (s *Service) openConverted(c *gin.Context, o object) (*archive.Object, []byte, error) {
	obj, err := s.arch.OpenDataset(c.Request.Context(), s.tenant, o.Entry, o.syntax)
	if err != nil {
		return nil, nil, err
	}
	return obj, dicom.AppendMeta(nil, o.SOPClassUID, o.SOPInstanceUID, obj.TransferSyntax, ""), nil
}

func (s *Service) copyConverted(raw io.Writer, obj *archive.Object, head []byte) error {
	if _, err := raw.Write(head); err != nil {
		return err
	}
	return s.copy(raw, obj, obj.Size)
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
