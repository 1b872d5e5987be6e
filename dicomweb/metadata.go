package dicomweb

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/fnv"
	"io"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"
	"github.com/klauspost/compress/gzip"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/dicomjson"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
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
	root := s.root(c)
	c.Writer.Header()["Cache-Control"] = []string{revalidate}
	if s.unchanged(c, statesTag(states, root)) {
		return
	}
	packed := make([][]byte, len(states))
	for i, state := range states {
		if packed[i], err = s.seriesMetadata(c.Request.Context(), state, root); err != nil {
			s.fail(c, err)
			return
		}
	}
	s.cut(c, s.sendMetadata(c, mediaType, packed))
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

// statesTag names the metadata of series in their present state, as seen from one base URL.
func statesTag(states []index.SeriesState, root string) string {
	sum := fnv.New64a()
	io.WriteString(sum, root)
	for _, st := range states {
		io.WriteString(sum, st.SeriesInstanceUID)
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], uint64(st.Revision))
		sum.Write(b[:])
	}
	return `W/"` + strconv.FormatUint(sum.Sum64(), 36) + `"`
}

// seriesMetadata returns the JSON array of one series, compressed.
func (s *Service) seriesMetadata(ctx context.Context, state index.SeriesState, root string) ([]byte, error) {
	return s.arch.SeriesMetadata(s.tenant, state, root, func() ([]byte, error) {
		// Others may wait for this answer when its first client goes away.
		ctx := context.WithoutCancel(ctx)
		where := index.Ref{StudyInstanceUID: state.StudyInstanceUID, SeriesInstanceUID: state.SeriesInstanceUID}
		var out bytes.Buffer
		zip := httpd.NewGzipWriter(&out)
		w := headerWriter{root: root}
		p := bodies.Get().(*[]byte)
		defer bodies.Put(p)
		buf := append((*p)[:0], '[')
		n := 0
		for h, err := range s.arch.Headers(ctx, s.tenant, where) {
			if err != nil {
				return nil, err
			}
			if n++; n > 1 {
				buf = append(buf, ',')
			}
			if buf = w.append(buf, h); len(buf) > 64<<10 {
				zip.Write(buf) // into memory: cannot fail
				buf = buf[:0]
			}
		}
		zip.Write(append(buf, ']'))
		zip.Close()
		*p = buf
		return bytes.Clone(out.Bytes()), nil
	})
}

// sendMetadata answers with one or more compressed arrays as one.
func (s *Service) sendMetadata(c *gin.Context, mediaType string, packed [][]byte) error {
	h := c.Writer.Header()
	h["Vary"] = append(h["Vary"], "Accept, Accept-Encoding")
	zipped := httpd.AcceptsGzip(c.Request)
	if zipped && len(packed) == 1 {
		h["Content-Encoding"] = []string{"gzip"}
		return sendBytes(c, mediaType, packed[0])
	}
	h["Content-Type"] = []string{mediaType}
	if zipped {
		h["Content-Encoding"] = []string{"gzip"}
	} else {
		h["Content-Length"] = []string{strconv.FormatInt(unpackedSize(packed), 10)}
	}
	sendHeader(c, http.StatusOK)
	if c.Request.Method == http.MethodHead {
		return nil
	}
	raw := httpd.Raw(c.Writer)
	if !zipped {
		return join(raw, packed)
	}
	zip := httpd.NewGzipWriter(raw)
	err := join(zip, packed)
	if e := zip.Close(); err == nil {
		err = e
	}
	return err
}

// unpackedSize returns the length of what join writes. gzip keeps the length of its content in
// the last four bytes (RFC 1952); no series' metadata comes near 4 GiB.
func unpackedSize(packed [][]byte) int64 {
	n := int64(2)
	for i, p := range packed {
		inner := int64(binary.LittleEndian.Uint32(p[len(p)-4:])) - 2
		if n += inner; i > 0 && inner > 0 && n > inner+2 {
			n++ // the comma
		}
	}
	return n
}

// join writes compressed JSON arrays as one array.
func join(w io.Writer, packed [][]byte) error {
	buf := copyBuffers.Get().(*[128 << 10]byte)
	defer copyBuffers.Put(buf)
	if _, err := io.WriteString(w, "["); err != nil {
		return err
	}
	written := false
	for _, p := range packed {
		size := int64(binary.LittleEndian.Uint32(p[len(p)-4:])) - 2
		if size <= 0 {
			continue
		}
		if written {
			if _, err := io.WriteString(w, ","); err != nil {
				return err
			}
		}
		written = true
		zip, err := gzip.NewReader(bytes.NewReader(p))
		if err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, zip, 1); err != nil { // its own bracket
			return err
		}
		if _, err := io.CopyBuffer(onlyWriter{w}, onlyReader{io.LimitReader(zip, size)}, buf[:]); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "]")
	return err
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
