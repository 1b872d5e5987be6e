package dimse

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics of all associations of a server or of the clients. The zero value and nil count
// nothing.
type metrics struct {
	open     prometheus.Gauge
	total    *prometheus.CounterVec // by outcome
	messages *prometheus.CounterVec // by command and status class
	in, out  prometheus.Counter
}

// newMetrics registers the metrics; with a nil Registerer nothing is counted. Registering twice
// shares them.
func newMetrics(r prometheus.Registerer) *metrics {
	if r == nil {
		return nil
	}
	bytes := register(r, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "aurelius_dimse_bytes_total", Help: "Bytes on associations.",
	}, []string{"direction"}))
	return &metrics{
		open: register(r, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "aurelius_dimse_associations_open", Help: "Associations that are open.",
		})),
		total: register(r, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurelius_dimse_associations_total", Help: "Associations by how they went: accepted, rejected, failed.",
		}, []string{"outcome"})),
		messages: register(r, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurelius_dimse_messages_total", Help: "Responses sent, by command and status class.",
		}, []string{"command", "status"})),
		in:  bytes.WithLabelValues("in"),
		out: bytes.WithLabelValues("out"),
	}
}

func register[C prometheus.Collector](r prometheus.Registerer, c C) C {
	if err := r.Register(c); err != nil {
		if are, ok := err.(prometheus.AlreadyRegisteredError); ok {
			if old, ok := are.ExistingCollector.(C); ok {
				return old
			}
		}
	}
	return c
}

func (m *metrics) received(n int) {
	if m != nil {
		m.in.Add(float64(n))
	}
}

func (m *metrics) sent(n int) {
	if m != nil {
		m.out.Add(float64(n))
	}
}

func (m *metrics) association(outcome string) {
	if m != nil {
		m.total.WithLabelValues(outcome).Inc()
	}
}

func (m *metrics) opened(d float64) {
	if m != nil {
		m.open.Add(d)
	}
}

// responded counts a final response.
func (m *metrics) responded(f CommandField, s Status) {
	if m != nil {
		m.messages.WithLabelValues(f.Name(), s.Class().String()).Inc()
	}
}
