package httpd

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of all HTTP doors. Labels are bounded: methods we route, patterns, status classes.
type metrics struct {
	seconds  *prometheus.HistogramVec
	bytes    *prometheus.CounterVec
	inflight prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	if reg == nil {
		return nil
	}
	m := &metrics{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "aurelius_httpd_request_seconds",
			Help:    "Time to answer a request, to the last byte.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 5, 30},
		}, []string{"method", "route", "code"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurelius_httpd_response_bytes_total",
			Help: "Bytes of response bodies.",
		}, []string{"route"}),
		inflight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "aurelius_httpd_requests_in_flight",
			Help: "Requests being answered.",
		}),
	}
	reg.MustRegister(m.seconds, m.bytes, m.inflight)
	return m
}

var classes = [...]string{"1xx", "2xx", "3xx", "4xx", "5xx"}

func (m *metrics) observe(method, route string, status int, bytes int64, dur time.Duration) {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
	default:
		method = "other"
	}
	class := "other"
	if i := status/100 - 1; i >= 0 && i < len(classes) {
		class = classes[i]
	}
	m.seconds.WithLabelValues(method, route, class).Observe(dur.Seconds())
	m.bytes.WithLabelValues(route).Add(float64(bytes))
}
