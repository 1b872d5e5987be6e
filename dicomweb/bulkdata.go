package dicomweb

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/httpd"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// bulkdata answers with a value that metadata left out (PS3.18 10.4.1.1.5). Pixel Data comes
// whole when it is native, frame by frame when it is compressed: fragments joined would be
// nothing a client could read.
func (s *Service) bulkdata(c *gin.Context) {
	path := strings.ToUpper(strings.Trim(c.Param("path"), "/"))
	if path == tag.PixelData.Hex() {
		f, err := s.arch.Frames(c.Request.Context(), s.tenant, ref(c))
		if err == nil && f.TransferSyntax.Encapsulated {
			list := make([]int, f.Index.Frames())
			for i := range list {
				list[i] = i + 1
			}
			s.sendFrames(c, f, list)
			return
		}
	}
	single, ok := bulkForm(c.Request)
	if !ok {
		refuse(c, mediaOctets+", or multipart/related of it")
		return
	}
	entries, err := s.arch.Select(c.Request.Context(), s.tenant, ref(c))
	if err != nil {
		s.fail(c, err)
		return
	}
	obj, err := s.arch.OpenBulk(c.Request.Context(), s.tenant, ref(c), path)
	if err != nil {
		s.fail(c, err)
		return
	}
	defer obj.Close()
	h := c.Writer.Header()
	h["Vary"] = append(h["Vary"], "Accept")
	h["Cache-Control"] = []string{s.caching}
	if s.unchanged(c, bulkTag(entries[0], path, single)) {
		return
	}
	if single {
		s.sendRange(c, mediaOctets, obj.Size, func(off, n int64) (*archive.Object, error) {
			return section(obj, off, n)
		})
		return
	}
	s.sendOnePart(c, obj, mediaOctets)
}

// bulkForm reads Accept for octets, alone or in parts. Nothing particular asked for gives the
// bytes alone, which browsers and curl can use.
func bulkForm(r *http.Request) (single, ok bool) {
	for _, m := range httpd.Accept(r) {
		switch {
		case m.Type == mediaMultipart || m.Type == "multipart/*":
			inner := strings.ToLower(m.Param("type"))
			if inner == "" || inner == "*" || httpd.Covers(inner, mediaOctets) {
				return false, true
			}
		case m.Matches(mediaOctets):
			return true, true
		}
	}
	return false, false
}

// bulkTag names the bytes of a value; see object.etag.
func bulkTag(e index.Entry, path string, single bool) string {
	b := append(appendTag([]byte{'"'}, e), "-b."...)
	b = append(append(b, path...), '"')
	if single {
		return string(b)
	}
	return "W/" + string(b[:len(b)-1]) + `-m"`
}
