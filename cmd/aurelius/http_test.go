package main

import (
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurelius-imaging/aurelius/archive/archivetest"
	"github.com/aurelius-imaging/aurelius/gateway"
)

func TestUnknownRoutesAreProblems(t *testing.T) {
	t.Parallel()
	routes, err := (&serveCmd{}).routes(archivetest.New(t), gateway.New(gateway.Config{}), nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, path string
		status       int
		allow        bool
	}{
		{"GET", "/nothing", 404, false}, {"GET", "/dicom-web/nothing", 404, false}, {"POST", "/nothing", 404, false},
		{"PUT", "/dicom-web/studies", 405, true}, {"DELETE", "/health", 405, true},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(c.method, c.path, nil)
		r.Host = "localhost"
		routes.ServeHTTP(w, r)
		if w.Code != c.status || w.Header().Get("Content-Type") != "application/problem+json" || (w.Header().Get("Allow") != "") != c.allow {
			t.Errorf("%s %s: %d %v %s", c.method, c.path, w.Code, w.Header(), w.Body)
		}
	}
}
