package httpd

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// ServerConfig configures a Server. The zero value is usable.
type ServerConfig struct {
	HeaderTimeout time.Duration // to send a request's header; default 10 s
	IdleTimeout   time.Duration // between requests of a connection; default 2 min
	DrainTimeout  time.Duration // for requests that run when the server stops; default 8 s
	HeaderBytes   int           // default 64 KiB: a list of thousands of frames fits
	Log           *slog.Logger  // default slog.Default()
}

// Server answers on one or more listeners. Bodies have no overall time limit, in neither
// direction: a 100 GB upload is fine as long as it moves (see Handler).
type Server struct {
	srv   *http.Server
	lns   []net.Listener
	drain time.Duration
	log   *slog.Logger
}

// NewServer returns a server for the listeners, which it closes in the end.
func NewServer(cfg ServerConfig, h http.Handler, lns ...net.Listener) *Server {
	if cfg.HeaderTimeout <= 0 {
		cfg.HeaderTimeout = 10 * time.Second
	}
	if cfg.IdleTimeout <= 0 {
		cfg.IdleTimeout = 2 * time.Minute
	}
	if cfg.DrainTimeout <= 0 {
		cfg.DrainTimeout = 8 * time.Second
	}
	if cfg.HeaderBytes <= 0 {
		cfg.HeaderBytes = 64 << 10
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &Server{
		srv: &http.Server{
			Handler:           h,
			ReadHeaderTimeout: cfg.HeaderTimeout,
			IdleTimeout:       cfg.IdleTimeout,
			// ReadTimeout stays 0: it would end long downloads, as net/http watches the
			// connection while it answers. Handler limits bodies by progress instead.
			WriteTimeout:   writeGrace, // Response moves it along
			MaxHeaderBytes: cfg.HeaderBytes,
			ErrorLog:       slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
		},
		lns: lns, drain: cfg.DrainTimeout, log: cfg.Log,
	}
}

// Run serves until ctx ends, then drains: it returns nil after a clean stop.
func (s *Server) Run(ctx context.Context) error {
	failed := make(chan error, len(s.lns))
	for _, ln := range s.lns {
		go func() { failed <- s.srv.Serve(ln) }()
	}
	var err error
	waiting := len(s.lns)
	select {
	case <-ctx.Done():
	case err = <-failed:
		waiting--
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.drain)
	defer cancel()
	if why := s.srv.Shutdown(stop); why != nil {
		s.srv.Close() // what did not end in time is cut: still a clean stop
		s.log.Warn("requests that did not end in time were cut", "dur", s.drain)
	}
	for range waiting {
		err = errors.Join(err, notClosed(<-failed))
	}
	return notClosed(err)
}

func notClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
