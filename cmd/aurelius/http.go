package main

import (
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicomweb"
	"github.com/aurelius-imaging/aurelius/gateway"
	"github.com/aurelius-imaging/aurelius/internal/httpd"
	"github.com/aurelius-imaging/aurelius/web"
)

// routes puts every HTTP door under one handler.
func (c *serveCmd) routes(a *archive.Archive, rest *gateway.API, log *slog.Logger, registry *prometheus.Registry) (http.Handler, error) {
	base := httpd.NewBase(httpd.BaseConfig{PublicURL: c.PublicURL})
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.HandleMethodNotAllowed = true
	dicomweb.New(dicomweb.Config{Base: base, Mutable: c.Duplicates == "replace", Log: log, Metrics: registry}, a).Register(r)
	page, err := web.New(web.Config{Base: base, AET: c.AET, DIMSE: c.Dimse, Version: version, Log: log}, a)
	if err != nil {
		return nil, err
	}
	page.Register(r)
	rest.Register(r)
	alive := func(g *gin.Context) {
		httpd.SetRoute(g.Writer, g.FullPath())
		g.JSON(http.StatusOK, gin.H{"status": "ok", "version": version})
	}
	for _, path := range []string{"/health", "/livez", "/readyz"} {
		r.GET(path, alive)
	}
	metrics := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	r.GET("/metrics", func(g *gin.Context) {
		httpd.SetRoute(g.Writer, g.FullPath())
		metrics.ServeHTTP(g.Writer, g.Request)
	})
	return httpd.NewHandler(httpd.HandlerConfig{
		Base: base, Guard: httpd.GuardConfig{Origins: c.CORS}, Log: log, Metrics: registry,
	}, r), nil
}
