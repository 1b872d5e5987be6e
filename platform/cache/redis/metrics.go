package redis

import "github.com/prometheus/client_golang/prometheus"

// What became of a request.
const (
	resultHit   = "hit"
	resultBuilt = "built" // here, for all nodes
	resultAlone = "alone" // here, for this node only
	resultError = "error" // of a command
)

type metrics struct {
	requests *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{requests: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "aurelius_cache_shared_requests_total",
		Help: "Values asked of the shared cache, by what became of it; error counts commands that failed.",
	}, []string{"result"})}
	if r != nil {
		r.MustRegister(m.requests)
	}
	return m
}

func (m *metrics) count(result string) { m.requests.WithLabelValues(result).Inc() }
