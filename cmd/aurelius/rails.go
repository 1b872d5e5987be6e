package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/gateway"
	"github.com/aurelius-imaging/aurelius/platform/events"
	"github.com/aurelius-imaging/aurelius/platform/events/kafka"
	"github.com/aurelius-imaging/aurelius/platform/jobs"
	"github.com/aurelius-imaging/aurelius/platform/nodes"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// railFlags configure what runs beside the doors.
type railFlags struct {
	Kafka      []string      `placeholder:"HOST:PORT" help:"Brokers that are told of every change; repeatable."`
	KafkaTopic string        `default:"aurelius.events" placeholder:"TOPIC" help:"Where they are told (${default}); made when missing."`
	StudyQuiet time.Duration `default:"60s" placeholder:"TIME" help:"A study to which nothing came for so long is announced as complete (${default})."`
}

// rails are what runs beside the doors: the queue of jobs, the feed of changes and who is told.
type rails struct {
	node  *nodes.Node
	queue *jobs.Queue
	feed  *events.Feed
	hooks *events.Webhooks
	ready func(context.Context) error
	run   []component
}

// The kinds of the server's own jobs.
const (
	jobScrub = "scrub"       // compare what is stored with its checksums
	jobSweep = "sweep"       // find what has no row
	jobSeals = "sweep-seals" // find what was made of series that are gone
	jobPress = "recompress"  // keep old images smaller
)

// register makes this process known to the other nodes.
func (c *serveCmd) register(ctx context.Context, db sqldb.SQL, log *slog.Logger) (*nodes.Node, error) {
	return nodes.Register(ctx, db, nodes.Info{
		Roles: []string{"all"}, Addresses: append([]string{c.Dimse}, c.HTTP...), Version: version,
	}, nodes.Config{Logger: log})
}

// openRails prepares what runs beside the doors; nothing runs yet.
func (c *serveCmd) openRails(ctx context.Context, node *nodes.Node, st *stores, log *slog.Logger) (_ *rails, err error) {
	r := &rails{node: node, ready: st.ping}
	if r.queue, err = jobs.Open(ctx, st.platform, jobs.Config{Node: node.ID(), Log: log}); err != nil {
		return nil, err
	}
	r.feed = events.NewFeed(events.FeedConfig{Log: log}, st.index)
	cursors, err := events.NewCursors(ctx, events.CursorConfig{Node: node.ID(), Log: log}, st.platform, r.feed)
	if err != nil {
		return nil, err
	}
	r.hooks = events.NewWebhooks(events.WebhookConfig{Log: log}, cursors)
	completer := events.Completer{Index: st.index, Quiet: c.StudyQuiet, Notify: r.feed.Notify, Log: log}
	r.run = append(r.run, node.Run, r.queue.Run, r.hooks.Run, completer.Run)
	if len(c.Kafka) > 0 {
		publisher, err := kafka.New(kafka.Config{Brokers: c.Kafka, Topic: c.KafkaTopic})
		if err != nil {
			return nil, err
		}
		consumer := events.Consumer{
			Name: "kafka/" + string(storage.DefaultTenant), Tenant: storage.DefaultTenant, Deliver: publisher.Deliver,
		}
		r.run = append(r.run, func(ctx context.Context) error {
			defer publisher.Close()
			return cursors.Run(ctx, consumer)
		})
	}
	return r, nil
}

// care has the archive looked after by one node at a time.
func (r *rails) care(a *archive.Archive, recompress bool) {
	own := func(kind string, every time.Duration, work func(context.Context, jobs.Job) error) {
		r.queue.Handle(kind, work)
		r.queue.Periodic(every, jobs.Request{Tenant: storage.DefaultTenant, Kind: kind, Unique: kind, MaxAttempts: 3})
	}
	own(jobScrub, time.Hour, func(ctx context.Context, j jobs.Job) error {
		report, err := a.ScrubOnce(ctx)
		return r.reported(j, report, err)
	})
	own(jobSweep, 10*time.Minute, func(ctx context.Context, j jobs.Job) error {
		n, err := a.SweepOnce(ctx)
		return r.reported(j, n, err)
	})
	own(jobSeals, 24*time.Hour, func(ctx context.Context, j jobs.Job) error {
		n, err := a.SweepSeals(ctx)
		return r.reported(j, n, err)
	})
	if !recompress {
		return
	}
	own(jobPress, time.Hour, func(ctx context.Context, j jobs.Job) error {
		report, err := a.RecompressOnce(ctx, storage.DefaultTenant)
		return r.reported(j, report, err)
	})
}

func (r *rails) reported(j jobs.Job, result any, err error) error {
	if err == nil {
		b, _ := json.Marshal(result) // counters
		j.Report(100, string(b))
	}
	return err
}

// door is the REST of what the rails do.
func (r *rails) door(a *archive.Archive, log *slog.Logger) *gateway.API {
	tenant := func(*http.Request) (storage.TenantID, error) { return storage.DefaultTenant, nil }
	return gateway.New(gateway.Config{
		Jobs: r.queue, Events: events.NewStream(events.StreamConfig{Tenant: tenant}, r.feed),
		Webhooks: r.hooks, Archive: a, Log: log,
	})
}

// Run runs them until ctx ends.
func (r *rails) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, run := range r.run {
		group.Go(func() error { return run(ctx) })
	}
	return group.Wait()
}
