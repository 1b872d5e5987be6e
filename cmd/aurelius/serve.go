package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/dimse/scp"
	"github.com/aurelius-imaging/aurelius/internal/httpd"
	"github.com/aurelius-imaging/aurelius/internal/obs"
	"github.com/aurelius-imaging/aurelius/platform/nodes"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// serveCmd runs every role in one process.
type serveCmd struct {
	engineFlags `embed:""`
	railFlags   `embed:""`
	careFlags   `embed:""`

	Dimse string            `default:"127.0.0.1:4242" placeholder:"HOST:PORT" help:"Where DICOM listens (${default})."`
	HTTP  []string          `name:"http" default:"127.0.0.1:8000,127.0.0.1:8042" placeholder:"HOST:PORT" help:"Where HTTP listens; repeatable (${default})."`
	AET   string            `name:"aet" default:"AURELIUS" help:"Our AE title (${default})."`
	Peer  map[string]string `placeholder:"AET=HOST:PORT" help:"A C-MOVE destination; repeatable."`

	StrictAET       bool     `name:"strict-aet" help:"Refuse associations that call another AE title than ours."`
	Duplicates      string   `enum:"keep-first,replace" default:"keep-first" help:"Other bytes under a stored SOP Instance UID: keep-first refuses them, replace takes them."`
	PublicURL       string   `name:"public-url" placeholder:"URL" help:"Where clients find us behind a proxy, as in https://pacs.example.org; with several nodes say it, so that all write the same links (default: as each request came)."`
	CORS            []string `name:"cors" placeholder:"ORIGIN" help:"Origin of a viewer that may read from a browser; repeatable."`
	MaxAssociations int      `default:"256" help:"Associations at one time (${default})."`
	Insecure        bool     `help:"Listen beyond loopback although no identity is configured: whoever reaches the port can read and delete everything."`
	LogLevel        string   `enum:"debug,info,warn,error" default:"info" help:"debug, info, warn or error."`
	LogJSON         bool     `name:"log-json" help:"Log JSON lines."`
	epoch           string   // of the archive, once it is open

	PrintConfig bool `help:"Print the settings that result from flags, environment and file, and exit."`
}

// Validate implements kong's hook: what cannot work is said before anything starts.
func (c *serveCmd) Validate() error {
	if err := c.engineFlags.Validate(); err != nil {
		return err
	}
	if u, err := url.Parse(c.PublicURL); err != nil || c.PublicURL != "" && (u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return errors.New("--public-url: want http(s)://host")
	}
	if err := checkAET(c.AET); err != nil {
		return err
	}
	for aet, address := range c.Peer {
		if err := checkAET(aet); err != nil {
			return fmt.Errorf("--peer: %w", err)
		}
		if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
			return fmt.Errorf("--peer %s=%s: want AET=HOST:PORT", aet, address)
		}
	}
	if c.MaxAssociations < 1 {
		return errors.New("--max-associations: want at least 1")
	}
	return nil
}

// Run starts stores, archive and doors in this order and stops them in reverse.
func (c *serveCmd) Run(ctx context.Context, out io.Writer, cmd *kong.Context) error {
	if c.PrintConfig {
		return printConfig(out, cmd.Selected())
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return err
	}
	log := obs.NewLogger(os.Stderr, level, c.LogJSON)
	if err := checkListen(c.Insecure, append([]string{c.Dimse}, c.HTTP...)...); err != nil {
		return err
	}
	dir, err := checkData(c.Data)
	if err != nil {
		return err
	}
	registry := obs.NewRegistry()
	var node *nodes.Node
	st, err := c.openNode(ctx, func(db sqldb.SQL) (err error) {
		node, err = c.register(ctx, db, log)
		return err
	})
	if err != nil {
		return err
	}
	defer func() {
		if err := st.Close(); err != nil {
			log.Error("closing the stores", "err", err)
		}
	}()
	if c.epoch, err = c.identify(ctx, st, false); err != nil {
		return err
	}
	rails, err := c.openRails(ctx, node, st, log)
	if err != nil {
		return err
	}
	a, err := c.openArchive(ctx, st, rails.feed.Notify, log, registry)
	if err != nil {
		return err
	}
	rails.care(a, c.Recompress != "")
	doors, err := c.doors(a, rails, log, registry)
	if err != nil {
		return err
	}
	log.Info("ready", "dimse", c.Dimse, "aet", c.AET, "http", strings.Join(c.HTTP, " "), "data", dir, "version", version,
		"node", rails.node.ID())
	// The feed ends with the doors: those who listen to it would hold them open.
	return runAll(ctx, []component{a.Run, rails.Run}, append(doors, rails.feed.Run)...)
}

type component func(context.Context) error

// doors listens on every address before anything is served, so that a port in use ends the start.
func (c *serveCmd) doors(a *archive.Archive, r *rails, log *slog.Logger, registry *prometheus.Registry) ([]component, error) {
	var listening []net.Listener
	listen := func(address string) (net.Listener, error) {
		l, err := net.Listen("tcp", address)
		if err != nil {
			for _, l := range listening {
				l.Close()
			}
			return nil, err
		}
		listening = append(listening, l)
		return l, nil
	}
	dl, err := listen(c.Dimse)
	if err != nil {
		return nil, err
	}
	var contexts dimse.Contexts
	var mux dimse.Mux
	scp.New(scp.Config{AETitle: c.AET}, a, scp.Peers(c.Peer)).Register(&contexts, &mux)
	ds, err := dimse.NewServer(dimse.Config{
		AETitle: c.AET, StrictCalledAE: c.StrictAET, Contexts: &contexts, Handler: &mux,
		MaxAssociations: c.MaxAssociations, Logger: log, Metrics: registry,
	})
	if err != nil {
		dl.Close()
		return nil, err
	}
	var hl []net.Listener
	for _, address := range c.HTTP {
		l, err := listen(address)
		if err != nil {
			return nil, err
		}
		hl = append(hl, l)
	}
	routes, err := c.routes(a, r.door(a, log), r.ready, log, registry)
	if err != nil {
		return nil, err
	}
	hs := httpd.NewServer(httpd.ServerConfig{Log: log}, routes, hl...)
	return []component{func(ctx context.Context) error { return ds.Serve(ctx, dl) }, hs.Run}, nil
}

// runAll runs the doors until ctx ends or one of them or of what they stand on fails, lets them
// drain, and only then ends what they stand on.
func runAll(ctx context.Context, base []component, doors ...component) error {
	below, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, gctx := errgroup.WithContext(ctx)
	var standing errgroup.Group
	for _, b := range base {
		failed := make(chan error, 1)
		standing.Go(func() error {
			err := b(below)
			failed <- err
			return err
		})
		group.Go(func() error {
			select {
			case err := <-failed:
				return err
			case <-gctx.Done():
				return nil
			}
		})
	}
	for _, door := range doors {
		group.Go(func() error { return door(gctx) })
	}
	err := group.Wait()
	stop()
	return errors.Join(err, standing.Wait())
}
