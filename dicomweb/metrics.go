package dicomweb

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

type metrics struct {
	stored *prometheus.CounterVec
	bytes  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		stored: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurelius_dicomweb_stored_instances_total",
			Help: "Instances offered by STOW-RS, by result: stored, duplicate or the kind of error.",
		}, []string{"result"}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aurelius_dicomweb_sent_bytes_total",
			Help: "Bytes of instances, frames and bulk data sent by WADO-RS.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.stored, m.bytes)
	}
	return m
}

// count notes one instance offered by STOW-RS.
func (m *metrics) count(stored archive.Stored, err error) {
	switch {
	case err != nil:
		m.stored.WithLabelValues(errs.KindOf(err).String()).Inc()
	case stored.Duplicate:
		m.stored.WithLabelValues("duplicate").Inc()
	default:
		m.stored.WithLabelValues("stored").Inc()
	}
}
