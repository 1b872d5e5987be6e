package testkit

import (
	"context"
	"testing"
)

// Run runs a component until the test ends or stop is called; an error of it fails the test.
func Run(t testing.TB, component func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := component(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}
