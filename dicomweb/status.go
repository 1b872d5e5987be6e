package dicomweb

import (
	"context"
	"errors"
	"net/http"
	"os"

	"github.com/gin-gonic/gin"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/httpd"
)

// status says how one errs.Kind leaves through this door.
type status struct {
	http   int    // of the whole answer
	stow   int    // of a store of which every part failed in this way
	reason uint16 // Failure Reason (0008,1197) of one instance, PS3.18 Table I.2-2
}

// statuses is the door's one table; its test holds it to every Kind.
var statuses = map[errs.Kind]status{
	errs.Internal:        {http.StatusInternalServerError, http.StatusInternalServerError, 0x0110},
	errs.Invalid:         {http.StatusBadRequest, http.StatusBadRequest, 0xC000},
	errs.Mismatch:        {http.StatusConflict, http.StatusConflict, 0xA900},
	errs.Unsupported:     {http.StatusNotAcceptable, http.StatusUnsupportedMediaType, 0x0122},
	errs.NotFound:        {http.StatusNotFound, http.StatusConflict, 0x0110},
	errs.Conflict:        {http.StatusConflict, http.StatusConflict, 0x0111},
	errs.Unauthenticated: {http.StatusUnauthorized, http.StatusUnauthorized, 0x0124},
	errs.Forbidden:       {http.StatusForbidden, http.StatusForbidden, 0x0124},
	errs.Exhausted:       {http.StatusInsufficientStorage, http.StatusInsufficientStorage, 0xA700},
	errs.Unavailable:     {http.StatusServiceUnavailable, http.StatusServiceUnavailable, 0xA700},
	errs.Canceled:        {http.StatusServiceUnavailable, http.StatusServiceUnavailable, 0x0110},
}

// fail answers with the error, once. When the answer has begun all that is left is to cut the
// connection, so that the client sees that something is missing.
func (s *Service) fail(c *gin.Context, err error) {
	kind := errs.KindOf(err)
	if errors.Is(err, context.Canceled) || c.Request.Context().Err() != nil {
		kind = errs.Canceled
	}
	st := statuses[kind]
	code, text := st.http, errs.Safe(err)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		code, text = http.StatusRequestTimeout, "the request body came too slowly"
	}
	if code >= 500 && kind != errs.Canceled {
		s.log.Error("dicomweb request failed", "request", httpd.RequestIDOf(c.Writer),
			"route", c.FullPath(), "status", code, "err", err)
	}
	if c.Writer.Written() {
		panic(http.ErrAbortHandler)
	}
	if code == http.StatusServiceUnavailable {
		c.Header("Retry-After", "5")
	}
	httpd.Problem(c.Writer, code, text)
}

// refuse answers 406 and says what would be acceptable.
func refuse(c *gin.Context, available string) {
	httpd.Problem(c.Writer, http.StatusNotAcceptable, "not available in the media types asked for; available: "+available)
}

// cut ends an answer that broke in the middle.
func (s *Service) cut(c *gin.Context, err error) {
	if err == nil {
		return
	}
	if c.Request.Context().Err() == nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		s.log.Warn("dicomweb answer broken off", "request", httpd.RequestIDOf(c.Writer),
			"route", c.FullPath(), "err", err)
	}
	panic(http.ErrAbortHandler)
}
