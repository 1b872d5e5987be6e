package main

import (
	"context"
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

// routes puts every HTTP door under one handler; ready says whether requests can be answered.
func (c *serveCmd) routes(a *archive.Archive, rest *gateway.API, ready func(context.Context) error, log *slog.Logger, registry *prometheus.Registry) (http.Handler, error) {
	base := httpd.NewBase(httpd.BaseConfig{PublicURL: c.PublicURL})
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.HandleMethodNotAllowed = true
	r.NoRoute(func(g *gin.Context) { httpd.Problem(g.Writer, http.StatusNotFound, "there is nothing at this path") })
	r.NoMethod(func(g *gin.Context) {
		httpd.Problem(g.Writer, http.StatusMethodNotAllowed, "the path does not take this method, see Allow")
	})
	dicomweb.New(dicomweb.Config{Base: base, Epoch: c.epoch, Mutable: c.Duplicates == "replace", Log: log, Metrics: registry}, a).Register(r)
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
	r.GET("/health", alive)
	r.GET("/livez", alive)
	r.GET("/readyz", func(g *gin.Context) {
		if err := ready(g.Request.Context()); err != nil {
			httpd.SetRoute(g.Writer, g.FullPath())
			httpd.Problem(g.Writer, http.StatusServiceUnavailable, "the database does not answer")
			return
		}
		alive(g)
	})
	metrics := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	r.GET("/metrics", func(g *gin.Context) {
		httpd.SetRoute(g.Writer, g.FullPath())
		metrics.ServeHTTP(g.Writer, g.Request)
	})
	return httpd.NewHandler(httpd.HandlerConfig{
		Base: base, Guard: httpd.GuardConfig{Origins: c.CORS}, Log: log, Metrics: registry,
	}, r), nil
}
