package events_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/platform/events"
)

// backlog is how many events a consumer that was away catches up with.
const backlog = 5000

func BenchmarkCatchUp(b *testing.B) {
	w := newWorld(b)
	w.store(backlog)
	b.Run("consumer", func(b *testing.B) {
		node, _ := w.node(openSQL(b, filepath.Join(b.TempDir(), "sql")), "a", time.Minute)
		for i := 0; b.Loop(); i++ {
			n := 0
			err := node.Run(context.Background(), events.Consumer{Name: fmt.Sprint("bench/", i), Tenant: tenant,
				Deliver: func(_ context.Context, batch []events.Event) error {
					if n += len(batch); n == backlog {
						return events.ErrStop
					}
					return nil
				}})
			if err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(backlog*b.N)/b.Elapsed().Seconds(), "events/s")
	})
	b.Run("stream", func(b *testing.B) {
		feed, _ := w.feed()
		server := listen(b, feed, events.StreamConfig{})
		for b.Loop() {
			s := subscribe(b, server.URL+"?after=0", "")
			s.take(backlog)
			s.body.Close()
		}
		b.ReportMetric(float64(backlog*b.N)/b.Elapsed().Seconds(), "events/s")
	})
}
