package httpd_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/httpd"
)

// TestDrainIsBounded: a request that does not end is cut after the drain time, and that is a
// clean stop all the same.
func TestDrainIsBounded(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	entered, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	server := httpd.NewServer(httpd.ServerConfig{DrainTimeout: 50 * time.Millisecond, Log: slog.New(slog.DiscardHandler)},
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			close(entered)
			<-release
		}), ln)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	cut := make(chan error, 1)
	go func() {
		response, err := http.Get("http://" + ln.Addr().String())
		if err == nil {
			_, err = io.ReadAll(response.Body)
			response.Body.Close()
		}
		cut <- err
	}()
	<-entered
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the server waits for ever")
	}
	if err := <-cut; err == nil {
		t.Error("the request ended well although it was cut")
	}
}
