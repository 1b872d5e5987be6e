// Package dicomweb is the door for viewers: DICOMweb (PS3.18) over the archive, one file per
// transaction.
//
//	Search    QIDO-RS   PS3.18 10.6  qido.go      studies, series, instances; patients and counts as extensions
//	Retrieve  WADO-RS   PS3.18 10.4  wado.go      study, series, instance as stored or in another transfer syntax
//	                                 metadata.go  study, series, instance as DICOM JSON
//	                                 frames.go    frame lists, likewise
//	                                 bulkdata.go  values left out of metadata
//	                                 rendered.go  pictures of study, series, instance, frames; wishes.go reads what is asked of them
//	                                 thumbnail.go likewise, small; drawn pages for what has no pixels
//	                                 document.go  reports, encapsulated documents, video
//	         WADO-URI  PS3.18 9      uri.go       one instance, rendered or as an object
//	Store     STOW-RS   PS3.18 10.5  stow.go      PS3.10 objects, streamed part by part
//	Delete                           delete.go    study, series, instance (extension, as the common servers have it)
//	Capabilities        PS3.18 8.9   capabilities.go
//
// Accept is read as viewers send it, not as it should be; what cannot be given is a 406 that
// says what can. Left out so far: application/dicom+xml except in the answer of a store, worklists;
// of rendering volumes (PS3.18 8.3.5.3) and ICC profiles inside of pictures.
package dicomweb

import (
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/internal/httpd"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// Root is the path below which everything is mounted.
const Root = "/dicom-web"

// Config configures the door. The zero value is usable.
type Config struct {
	Tenant  storage.TenantID // default storage.DefaultTenant
	Base    *httpd.Base      // how absolute URLs begin; default httpd.NewBase of the zero BaseConfig
	Mutable bool             // instances may be replaced: caches must ask each time
	Epoch   string           // of the archive: what it says of a series is not what another one said
	Results int              // most matches one search answers; default 50,000
	Parts   int              // most parts one store request may have; default 250,000
	// StoreMemory bounds the bytes of parts that wait for their commit, over all requests;
	// beyond it a part is stored before the next is read. Default 32 MiB.
	StoreMemory int64
	// FrameMemory bounds the bytes of frames that were made in another form and that slow clients
	// have not taken yet; beyond it requests for more are told to come again. Default 256 MiB.
	FrameMemory int64
	Log         *slog.Logger          // default slog.Default()
	Metrics     prometheus.Registerer // default: none
}

// Service answers DICOMweb requests. Safe for concurrent use.
type Service struct {
	arch    *archive.Archive
	tenant  storage.TenantID
	base    *httpd.Base
	epoch   string
	caching string // Cache-Control of instances, frames and bulk data
	results int
	parts   int
	log     *slog.Logger
	metrics *metrics

	memory     int64 // bound of storing
	storing    atomic.Int64
	made       int64 // bound of frames made
	sending    atomic.Int64
	blocks     sync.Pool // *[blockSize]byte
	capability []byte
}

// New returns the door to arch.
func New(cfg Config, arch *archive.Archive) *Service {
	s := &Service{
		arch: arch, tenant: cfg.Tenant, base: cfg.Base, epoch: cfg.Epoch, caching: immutable, results: cfg.Results, parts: cfg.Parts,
		log: cfg.Log, memory: cfg.StoreMemory, made: cfg.FrameMemory, metrics: newMetrics(cfg.Metrics),
		blocks: sync.Pool{New: func() any { return new([blockSize]byte) }},
	}
	if cfg.Mutable {
		s.caching = revalidate
	}
	if s.tenant == "" {
		s.tenant = storage.DefaultTenant
	}
	if s.base == nil {
		s.base = httpd.NewBase(httpd.BaseConfig{})
	}
	if s.results <= 0 {
		s.results = 50_000
	}
	if s.parts <= 0 {
		s.parts = 250_000
	}
	if s.memory <= 0 {
		s.memory = 32 << 20
	}
	if s.made <= 0 {
		s.made = 256 << 20
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	return s
}

// Register mounts the routes under Root.
func (s *Service) Register(r gin.IRouter) {
	g := r.Group(Root)
	routes := s.routes()
	for _, route := range routes {
		handle := func(c *gin.Context) {
			httpd.SetRoute(c.Writer, c.FullPath())
			for _, p := range c.Params {
				if p.Value == "" { // "studies//series": below the door empty means any
					httpd.Problem(c.Writer, http.StatusNotFound, "a UID is missing in the path")
					return
				}
			}
			route.handle(c)
		}
		for _, at := range groups(route, r, g) {
			at.Handle(route.method, route.path, handle)
			if route.method == http.MethodGet {
				at.HEAD(route.path, handle)
			}
		}
	}
	s.capability = capabilities(s.Resources())
}

// groups says where a route is mounted: old viewers look for the URI service beside Root.
func groups(r route, top, root gin.IRouter) []gin.IRouter {
	if r.path == uriPath {
		return []gin.IRouter{root, top}
	}
	return []gin.IRouter{root}
}

// ref reads the UIDs of the route. They are compared, never used as paths or in SQL text.
func ref(c *gin.Context) index.Ref {
	return index.Ref{
		StudyInstanceUID:  c.Param("study"),
		SeriesInstanceUID: c.Param("series"),
		SOPInstanceUID:    c.Param("instance"),
	}
}

// root returns the absolute URL of Root as the client sees it.
func (s *Service) root(c *gin.Context) string { return s.base.URL(c.Request) + Root }

// appendURL appends the retrieve URL of a study, series or instance.
func appendURL(dst []byte, root string, r index.Ref) []byte {
	dst = append(dst, root...)
	dst = append(dst, "/studies/"...)
	dst = appendSegment(dst, r.StudyInstanceUID)
	if r.SeriesInstanceUID != "" {
		dst = append(dst, "/series/"...)
		dst = appendSegment(dst, r.SeriesInstanceUID)
	}
	if r.SOPInstanceUID != "" {
		dst = append(dst, "/instances/"...)
		dst = appendSegment(dst, r.SOPInstanceUID)
	}
	return dst
}

// appendSegment appends a UID as a path segment. Real UIDs need no quoting; objects with others
// exist, and must not break the URL, the JSON or the XML it stands in.
func appendSegment(dst []byte, uid string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(uid) {
		switch c := uid[i]; {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '.', c == '-', c == '_':
			dst = append(dst, c)
		default:
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}

// immutable is the Cache-Control of what never changes under its URL, as a stored instance does
// not. It is private, as it is a patient's.
const immutable = "private, max-age=31536000, immutable"

// revalidate is the Cache-Control of what changes, as with every instance that arrives.
const revalidate = "private, no-cache"
