package dimse

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurelius-imaging/aurelius/dimse/pdu"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Config of a Server.
type Config struct {
	Addr            string                   // for Run; default "127.0.0.1:4242"
	AETitle         string                   // ours; default "AURELIUS"
	StrictCalledAE  bool                     // refuse other called AE titles than AETitle
	Authorize       func(*Association) error // may refuse: a *RejectError, or the errs.Kind chooses the reason
	Contexts        *Contexts                // what is accepted; default nothing
	Handler         Handler                  // usually a *Mux; default answers 0122
	MaxPDU          uint32                   // announced; default DefaultMaxPDU
	MaxAssociations int                      // at a time, more are told to come back; default 256
	MaxIdentifier   int                      // bytes of a C-FIND, C-MOVE or C-GET identifier; default 16 MiB
	Timeouts        Timeouts
	Logger          *slog.Logger          // default slog.Default()
	Metrics         prometheus.Registerer // nil: none
}

// Server accepts associations and hands their requests to a Handler. It is safe for concurrent
// use; memory is bounded by MaxAssociations times the bound of an Association.
type Server struct {
	cfg     Config
	metrics *metrics
	open    atomic.Int64 // established
	conns   atomic.Int64 // all, also those that have not asked yet

	mu     sync.Mutex
	active map[*Association]struct{}
	drain  bool
}

// extraConns may wait for their A-ASSOCIATE-RQ beside the full number of associations, so that
// the next ones are refused politely.
const extraConns = 64

// NewServer makes a server of the configuration.
func NewServer(cfg Config) (*Server, error) {
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:4242"
	}
	if cfg.AETitle == "" {
		cfg.AETitle = "AURELIUS"
	}
	if len(cfg.AETitle) > 16 {
		return nil, errs.Errorf(errs.Invalid, "dimse.NewServer", "AE title is longer than 16 characters")
	}
	if cfg.Contexts == nil {
		cfg.Contexts = &Contexts{}
	}
	if cfg.Handler == nil {
		cfg.Handler = &Mux{}
	}
	if cfg.MaxPDU == 0 {
		cfg.MaxPDU = DefaultMaxPDU
	}
	if cfg.MaxAssociations == 0 {
		cfg.MaxAssociations = 256
	}
	if cfg.MaxIdentifier == 0 {
		cfg.MaxIdentifier = 16 << 20
	}
	cfg.Timeouts = cfg.Timeouts.withDefaults()
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Server{cfg: cfg, metrics: newMetrics(cfg.Metrics), active: make(map[*Association]struct{})}, nil
}

// Run listens on Config.Addr and serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.cfg.Addr)
	if err != nil {
		return errs.E(errs.Unavailable, "dimse.Run", err)
	}
	return s.Serve(ctx, l)
}

// Serve accepts associations from l until ctx ends. Then idle ones are aborted at once; those
// with a message at hand may finish it within Timeouts.Grace. It returns when all are gone.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	// Messages at hand outlive ctx by the grace period.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()

	var all sync.WaitGroup
	err := s.accept(ctx, l, func(conn net.Conn) {
		all.Go(func() { s.serve(work, conn) })
	})
	_ = l.Close()

	s.stop(errStopping, true)
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	grace := time.NewTimer(s.cfg.Timeouts.Grace)
	defer grace.Stop()
	select {
	case <-done:
	case <-grace.C:
		cancel()
		s.stop(errStopping, false)
		<-done
	}
	return err
}

func (s *Server) accept(ctx context.Context, l net.Listener, start func(net.Conn)) error {
	for wait := time.Duration(0); ; {
		conn, err := l.Accept()
		switch {
		case err == nil && s.conns.Load() >= int64(s.cfg.MaxAssociations+extraConns):
			_ = conn.Close()
		case err == nil:
			wait = 0
			s.conns.Add(1)
			start(conn)
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return errs.E(errs.Unavailable, "dimse.Serve", err)
		default: // out of descriptors and the like: wait for associations to end
			wait = min(max(5*time.Millisecond, 2*wait), time.Second)
			s.cfg.Logger.Error("accept failed", "err", err)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(wait):
			}
		}
	}
}

// stop interrupts associations; with onlyIdle those between messages.
func (s *Server) stop(err error, onlyIdle bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drain = true
	for a := range s.active {
		if onlyIdle {
			a.in.interruptIdle(err)
			continue
		}
		a.in.interrupt(err)
		a.out.interrupt(err)
	}
}

func (s *Server) stopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.drain
}

func (s *Server) full() bool { return s.open.Load() >= int64(s.cfg.MaxAssociations) }

func (s *Server) track(a *Association, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if on {
		s.active[a] = struct{}{}
	} else {
		delete(s.active, a)
	}
	if on && s.drain {
		a.in.interruptIdle(errStopping)
	}
}

// serve is the life of one connection.
func (s *Server) serve(ctx context.Context, conn net.Conn) {
	a := newAssociation(conn, false, s.cfg.Timeouts, s.cfg.Logger, s.metrics, s.cfg.MaxPDU)
	s.track(a, true)
	defer func() {
		a.linger(s.stopping())
		s.track(a, false)
		a.out.release()
		a.in.release()
		s.conns.Add(-1)
	}()
	if _, err := a.step(Evt5, nil); err != nil {
		return
	}
	if err := s.establish(a); err != nil {
		a.log.Info("association not established", "err", err)
		return
	}
	s.open.Add(1)
	a.log.Debug("association open")
	err := s.requests(ctx, a)
	s.open.Add(-1)
	status := "released"
	if !errors.Is(err, ErrReleased) {
		status = "failed"
		s.metrics.association("failed")
	}
	a.log.Info("association closed", "status", status, "bytes", a.in.bytes, "dur", time.Since(a.opened), "err", endOf(err))
}

// endOf hides the error of an orderly end.
func endOf(err error) error {
	if errors.Is(err, ErrReleased) {
		return nil
	}
	return err
}

// establish takes the A-ASSOCIATE-RQ and answers it (Sta2 to Sta6).
func (s *Server) establish(a *Association) error {
	t, p, err := a.in.control()
	if err != nil {
		return a.in.broken(err)
	}
	rq, ok := p.(*pdu.AssociateRQ)
	if !ok {
		_, _ = a.step(eventOf(t), nil)
		return unexpected(t)
	}
	if _, err := a.step(Evt6, nil); err != nil {
		return err
	}
	a.callingAETitle, a.calledAETitle, a.peer = rq.CallingAETitle, rq.CalledAETitle, rq.User
	a.sendMax = sendLimit(rq.User.MaxLength)
	if rj := s.refusal(a, rq); rj != nil {
		s.metrics.association("rejected")
		if _, err := a.step(Evt8, rj); err != nil {
			return err
		}
		return &RejectError{rj.Result, rj.Source, rj.Reason}
	}
	ac, err := a.negotiate(rq, s.cfg.Contexts, s.cfg.MaxPDU)
	if err != nil {
		return a.in.broken(err)
	}
	if _, err = a.step(Evt7, ac); err == nil {
		a.established()
	}
	return err
}

// requests serves the association until it ends, and says why it did.
func (s *Server) requests(ctx context.Context, a *Association) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for {
		err := s.next(ctx, a, cancel)
		if err == nil && s.stopping() {
			err = a.halt(errStopping)
		}
		if err == nil {
			continue
		}
		cancel(err)
		if errors.Is(err, ErrReleased) { // AR-2: the response is ours to give (Evt14: AR-4)
			if _, stepErr := a.step(Evt14, &pdu.ReleaseRP{}); stepErr != nil {
				return stepErr
			}
		}
		return err
	}
}
