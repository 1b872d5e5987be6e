package archive

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurelius-imaging/aurelius/internal/errs"
)

type metrics struct {
	stores *prometheus.HistogramVec
	bytes  prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		stores: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "aurelius_archive_store_seconds", Help: "Time from the first byte of an object to its durable end, by result.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}, []string{"result"}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aurelius_archive_stored_bytes_total", Help: "Bytes of objects that were stored.",
		}),
	}
	if r != nil {
		r.MustRegister(m.stores, m.bytes)
	}
	return m
}

func (m *metrics) stored(begun time.Time, size int64, s Stored, err error) {
	result := "stored"
	switch {
	case err != nil:
		result = errs.KindOf(err).String()
	case s.Duplicate:
		result = "duplicate"
	default:
		m.bytes.Add(float64(size))
	}
	m.stores.WithLabelValues(result).Observe(time.Since(begun).Seconds())
}
