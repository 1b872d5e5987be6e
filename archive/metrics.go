package archive

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurelius-imaging/aurelius/internal/errs"
)

type metrics struct {
	stores *prometheus.HistogramVec
	bytes  prometheus.Counter

	free, total, refusing prometheus.Gauge
	damaged               prometheus.Gauge
	scrubbed              prometheus.Counter
	frames, pictures      *prometheus.CounterVec
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
		free:     gauge("aurelius_archive_space_free_bytes", "Free space of the medium that objects are stored on."),
		total:    gauge("aurelius_archive_space_total_bytes", "Size of the medium that objects are stored on."),
		refusing: gauge("aurelius_archive_space_refusing", "1 while objects are refused because storage is nearly full."),
		damaged:  gauge("aurelius_archive_damaged_records", "Stored objects that fail their checksum; reads of them are refused."),
		scrubbed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aurelius_archive_scrubbed_bytes_total", Help: "Bytes that scrubbing has read.",
		}),
		frames: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurelius_archive_transcoded_frames_total", Help: "Frames that were decoded and encoded anew, by result.",
		}, []string{"result"}),
		pictures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurelius_archive_rendered_frames_total", Help: "Frames that were made pictures of, by result.",
		}, []string{"result"}),
	}
	if r != nil {
		r.MustRegister(m.stores, m.bytes, m.free, m.total, m.refusing, m.damaged, m.scrubbed, m.frames, m.pictures)
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

// transcoded and rendered count a frame.
func (m *metrics) transcoded(err error) { count(m.frames, "transcoded", err) }
func (m *metrics) rendered(err error)   { count(m.pictures, "rendered", err) }

func count(c *prometheus.CounterVec, result string, err error) {
	if err != nil {
		result = errs.KindOf(err).String()
	}
	c.WithLabelValues(result).Inc()
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
}

func (m *metrics) measured(free, total int64, refusing bool) {
	m.free.Set(float64(free))
	m.total.Set(float64(total))
	m.refusing.Set(0)
	if refusing {
		m.refusing.Set(1)
	}
}
