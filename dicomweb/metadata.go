package dicomweb

import (
	"encoding/binary"
	"hash/fnv"
	"io"
	"net/http"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/dicomjson"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/gzipped"
	"github.com/aurelius-imaging/aurelius/internal/httpd"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// inlineBinary is the length up to which binary values are part of the metadata.
const inlineBinary = 1 << 10

// metadata answers with the headers of a study, series or instance as DICOM JSON (PS3.18
// 10.4.1.1.2). A series' answer is kept compressed until the series changes; the others are
// made of it.
func (s *Service) metadata(c *gin.Context) {
	mediaType, ok := acceptsJSON(c.Request)
	if !ok {
		refuse(c, mediaJSON)
		return
	}
	if c.Param("instance") != "" {
		s.instanceMetadata(c, mediaType)
		return
	}
	where := ref(c)
	states, err := s.arch.Series(c.Request.Context(), s.tenant, where)
	if err == nil && len(states) == 0 {
		err = errs.Errorf(errs.NotFound, "dicomweb.metadata", "no such study or series")
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	form := MetadataForm(s.epoch, s.root(c))
	zipped := httpd.AcceptsGzip(c.Request)
	c.Writer.Header()["Cache-Control"] = []string{revalidate}
	if s.unchanged(c, statesTag(states, form, zipped)) {
		return
	}
	pieces := make([]gzipped.Piece, len(states))
	for i, state := range states {
		if pieces[i], err = s.arch.SeriesMetadata(c.Request.Context(), s.tenant, state, form); err != nil {
			s.fail(c, err)
			return
		}
	}
	s.cut(c, sendMetadata(c, mediaType, zipped, pieces))
}

// MetadataForm is how metadata looks to those who come by root, the absolute URL of Root. The epoch
// tells apart archives whose series have the same revisions: of two databases, or of one before
// and after it went back to a backup.
func MetadataForm(epoch, root string) archive.Form {
	return archive.Form{Name: "dicom+json 1 " + epoch + " " + root, New: func() func([]byte, *dicom.Header) []byte {
		w := headerWriter{root: root}
		return w.append
	}}
}

// instanceMetadata answers for one instance, which needs no cache.
func (s *Service) instanceMetadata(c *gin.Context, mediaType string) {
	root := s.root(c)
	t := newText(c, mediaType)
	defer t.free()
	w := headerWriter{root: root}
	t.buf = append(t.buf, '[')
	n := 0
	for h, err := range s.arch.Headers(c.Request.Context(), s.tenant, ref(c)) {
		if err != nil {
			s.fail(c, err)
			return
		}
		n++
		t.buf = w.append(t.buf, h)
	}
	if n == 0 {
		s.fail(c, errs.Errorf(errs.NotFound, "dicomweb.metadata", "no such instance"))
		return
	}
	t.buf = append(t.buf, ']')
	c.Writer.Header()["Cache-Control"] = []string{revalidate}
	sum := fnv.New64a()
	sum.Write(t.buf)
	if s.unchanged(c, `W/"`+strconv.FormatUint(sum.Sum64(), 36)+`"`) {
		return
	}
	s.cut(c, t.end())
}

// statesTag names the metadata of series in their present state. It is a strong validator when
// all of them are sealed and sent as they lie.
func statesTag(states []index.SeriesState, form archive.Form, zipped bool) string {
	if len(states) == 1 && zipped && form.Sealed(states[0]) {
		return states[0].Sealed.ETag
	}
	sum := fnv.New64a()
	io.WriteString(sum, form.Name)
	weak := "W/"
	if zipped && !slices.ContainsFunc(states, func(st index.SeriesState) bool { return !form.Sealed(st) }) {
		weak = ""
	}
	for _, st := range states {
		io.WriteString(sum, st.SeriesInstanceUID)
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], uint64(st.Revision))
		sum.Write(b[:])
		if weak == "" {
			io.WriteString(sum, st.Sealed.ETag)
		}
	}
	return weak + `"` + strconv.FormatUint(sum.Sum64(), 36) + `"`
}

// What stands around series in an array.
var arrayBegin, arrayComma, arrayEnd = gzipped.Plain("["), gzipped.Plain(","), gzipped.Plain("]")

// sendMetadata answers with the series as one array.
func sendMetadata(c *gin.Context, mediaType string, zipped bool, series []gzipped.Piece) error {
	array := make([]gzipped.Piece, 0, 2*len(series)+1)
	size, next := int64(0), arrayBegin
	for _, p := range series {
		if p.Size > 0 {
			array = append(array, next, p)
			size, next = size+next.Size+p.Size, arrayComma
		}
	}
	if len(array) == 0 {
		array, size = append(array, arrayBegin), arrayBegin.Size
	}
	array, size = append(array, arrayEnd), size+arrayEnd.Size

	h := c.Writer.Header()
	h["Content-Type"] = []string{mediaType}
	h["Vary"] = append(h["Vary"], "Accept, Accept-Encoding")
	if zipped {
		h["Content-Encoding"] = []string{"gzip"}
		size = gzipped.Length(array)
	}
	h["Content-Length"] = []string{strconv.FormatInt(size, 10)}
	sendHeader(c, http.StatusOK)
	if c.Request.Method == http.MethodHead {
		return nil
	}
	raw := httpd.Raw(c.Writer)
	if zipped {
		return gzipped.Join(raw, array)
	}
	buf := copyBuffers.Get().(*[128 << 10]byte)
	defer copyBuffers.Put(buf)
	for _, p := range array {
		if _, err := io.CopyBuffer(onlyWriter{raw}, onlyReader{p.Open()}, buf[:]); err != nil {
			return err
		}
	}
	return nil
}

// headerWriter makes headers into DICOM JSON. What was left out of the header gets the URL it
// can be fetched from.
type headerWriter struct {
	root    string
	where   []byte // URL of the instance
	extra   []dicom.Element
	scratch dicom.Dataset
}

func (w *headerWriter) append(dst []byte, h *dicom.Header) []byte {
	d := h.Dataset
	w.where = appendURL(w.where[:0], w.root, index.Ref{
		StudyInstanceUID:  d.UID(tag.StudyInstanceUID),
		SeriesInstanceUID: d.UID(tag.SeriesInstanceUID),
		SOPInstanceUID:    d.UID(tag.SOPInstanceUID),
	})
	w.where = append(w.where, "/bulkdata/"...)
	extra := w.extra[:0]
	if h.TransferSyntax.UID != "" {
		// How the pixel data can be had: saves viewers from trying (PS3.18 10.4.3.3.2).
		extra = append(extra, dicom.Element{Tag: tag.AvailableTransferSyntaxUID, VR: vr.UI, Value: []byte(h.TransferSyntax.UID)})
	}
	if p := h.Pixel; p != nil {
		extra = append(extra, dicom.Element{Tag: p.Tag, VR: p.VR, Bulk: &dicom.Bulk{Offset: p.Offset, Length: p.Length}})
	}
	w.extra = extra
	d = with(&w.scratch, d, extra...)
	return dicomjson.Append(dst, d, dicomjson.Options{
		InlineBinary: inlineBinary,
		BulkURI: func(path string, _ *dicom.Element) string {
			return string(w.where) + path
		},
	})
}
