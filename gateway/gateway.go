// Package gateway is the door of the platform itself: REST beside DICOM, one file per topic.
//
//	/jobs    jobs.go    what the nodes are working on, cancel, retry
//	/trash   trash.go   what was deleted, back or gone for good
//	/events  platform/events.Stream: what changes in the archive, as it does
//	/webhooks  webhooks.go  who is told of it
//
// Its JSON is snake_case, its failures are problem documents (RFC 9457). It leaves out whatever
// DICOMweb has a transaction for.
package gateway

import (
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/httpd"
	"github.com/aurelius-imaging/aurelius/platform/events"
	"github.com/aurelius-imaging/aurelius/platform/jobs"
	"github.com/aurelius-imaging/aurelius/storage"
)

// Config configures the door; what is nil is not mounted.
type Config struct {
	Tenant   storage.TenantID // default storage.DefaultTenant
	Jobs     *jobs.Queue
	Events   http.Handler // GET /events: an events.Stream
	Webhooks *events.Webhooks
	Archive  *archive.Archive // /trash
	Log      *slog.Logger     // default slog.Default()
}

// API answers the platform's requests. Safe for concurrent use.
type API struct {
	tenant   storage.TenantID
	jobs     *jobs.Queue
	events   http.Handler
	webhooks *events.Webhooks
	archive  *archive.Archive
	log      *slog.Logger
}

// New returns the door.
func New(cfg Config) *API {
	a := &API{tenant: cfg.Tenant, jobs: cfg.Jobs, events: cfg.Events, webhooks: cfg.Webhooks, archive: cfg.Archive, log: cfg.Log}
	if a.tenant == "" {
		a.tenant = storage.DefaultTenant
	}
	if a.log == nil {
		a.log = slog.Default()
	}
	return a
}

// Register mounts the routes.
func (a *API) Register(r gin.IRouter) {
	handle := func(method, path string, h gin.HandlerFunc) {
		r.Handle(method, path, func(c *gin.Context) {
			httpd.SetRoute(c.Writer, c.FullPath())
			h(c)
		})
	}
	if a.jobs != nil {
		handle(http.MethodGet, "/jobs", a.listJobs)
		handle(http.MethodGet, "/jobs/:id", a.getJob)
		handle(http.MethodPost, "/jobs/:id/cancel", a.cancelJob)
		handle(http.MethodPost, "/jobs/:id/retry", a.retryJob)
	}
	if a.archive != nil {
		handle(http.MethodGet, "/trash", a.listTrash)
		handle(http.MethodPost, "/trash/:study/restore", a.restoreTrash)
		handle(http.MethodDelete, "/trash/:study", a.purgeTrash)
	}
	if a.events != nil {
		handle(http.MethodGet, "/events", gin.WrapH(a.events))
	}
	if a.webhooks != nil {
		handle(http.MethodGet, "/webhooks", a.listWebhooks)
		handle(http.MethodPost, "/webhooks", a.createWebhook)
		handle(http.MethodGet, "/webhooks/:id", a.getWebhook)
		handle(http.MethodDelete, "/webhooks/:id", a.deleteWebhook)
		handle(http.MethodPost, "/webhooks/:id/test", a.testWebhook)
	}
}

// status is how this door says a Kind.
var status = map[errs.Kind]int{
	errs.Internal:        http.StatusInternalServerError,
	errs.Invalid:         http.StatusBadRequest,
	errs.Mismatch:        http.StatusConflict,
	errs.Unsupported:     http.StatusUnsupportedMediaType,
	errs.NotFound:        http.StatusNotFound,
	errs.Conflict:        http.StatusConflict,
	errs.Unauthenticated: http.StatusUnauthorized,
	errs.Forbidden:       http.StatusForbidden,
	errs.Exhausted:       http.StatusInsufficientStorage,
	errs.Unavailable:     http.StatusServiceUnavailable,
}

// fail answers with what may be shown and logs the rest.
func (a *API) fail(c *gin.Context, err error) {
	kind := errs.KindOf(err)
	if kind == errs.Canceled {
		return // nobody listens any more
	}
	code := status[kind]
	if code >= 500 {
		a.log.Error("gateway: request failed", "route", c.FullPath(), "err", err)
	}
	if kind == errs.Unavailable {
		c.Writer.Header().Set("Retry-After", "5")
	}
	httpd.Problem(c.Writer, code, errs.Safe(err))
}
