package dicomweb

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// delete removes a study, series or instance for good. DICOMweb has no such transaction; the
// route is the one other servers have.
func (s *Service) delete(c *gin.Context) {
	if err := s.arch.Delete(c.Request.Context(), s.tenant, ref(c)); err != nil {
		s.fail(c, err)
		return
	}
	sendHeader(c, http.StatusNoContent)
}
