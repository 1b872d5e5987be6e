package events

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

const (
	hookColumns   = `id, tenant, url, secret, types, created, disabled`
	selectHook    = `SELECT ` + hookColumns + ` FROM webhooks WHERE tenant=$1 AND id=$2`
	selectHooks   = `SELECT ` + hookColumns + ` FROM webhooks WHERE tenant=$1 ORDER BY created, id`
	selectActive  = `SELECT ` + hookColumns + ` FROM webhooks WHERE disabled=''`
	countHooks    = `SELECT count(*) FROM webhooks WHERE tenant=$1`
	insertHook    = `INSERT INTO webhooks (` + hookColumns + `) VALUES ($1,$2,$3,$4,$5,$6,'')`
	deleteHook    = `DELETE FROM webhooks WHERE tenant=$1 AND id=$2`
	disableHook   = `UPDATE webhooks SET disabled=$2 WHERE id=$1 AND disabled=''`
	maxHooks      = 50   // of a tenant: each costs a goroutine and a row that is renewed
	maxURL        = 2048 // bytes
	maxHookEvents = 200  // in one request
)

// Webhook is an address that is told of events.
type Webhook struct {
	ID       string
	Tenant   storage.TenantID
	URL      string
	Types    Types // empty: all
	Created  time.Time
	Disabled string // why; "" it is active

	secret string
}

// WebhookConfig configures Webhooks. The zero value is usable.
type WebhookConfig struct {
	// Timeout bounds one request, answer included; default 10 s.
	Timeout time.Duration
	// PublicOnly refuses loopback and private addresses. By default they are allowed: receivers
	// in a hospital have no others. Link-local addresses (metadata services of clouds) are
	// refused always.
	PublicOnly bool
	// Refresh is how soon a webhook made on another node is served; default 3 s.
	Refresh time.Duration
	Log     *slog.Logger // default slog.Default()
}

// Webhooks delivers events to the addresses registered in the database, each with a cursor of
// its own and in order: while one does not answer, its events wait. Safe for concurrent use.
type Webhooks struct {
	cfg     WebhookConfig
	cursors *Cursors
	sender  *sender
	changed chan struct{} // one token: look at the table
}

// NewWebhooks returns the webhooks kept beside the cursors.
func NewWebhooks(cfg WebhookConfig, cursors *Cursors) *Webhooks {
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Refresh <= 0 {
		cfg.Refresh = 3 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &Webhooks{cfg: cfg, cursors: cursors, sender: newSender(cfg), changed: make(chan struct{}, 1)}
}

func cursorName(id string) string { return "webhook/" + id }

// Create registers an address; it is told what happens from now on. The secret is given back
// here and never again.
func (w *Webhooks) Create(ctx context.Context, t storage.TenantID, address string, ts Types) (hook Webhook, secret string, err error) {
	const op = "events.CreateWebhook"
	if err := checkURL(address); err != nil {
		return Webhook{}, "", err
	}
	last, err := w.cursors.feed.Last(ctx, t)
	if err != nil {
		return Webhook{}, "", err
	}
	hook = Webhook{ID: strings.ToLower(rand.Text()[:16]), Tenant: t, URL: address, Types: ts,
		Created: time.Now(), secret: rand.Text()}
	err = w.cursors.write(ctx, func(tx sqldb.Tx) error {
		n, err := count(tx, countHooks, string(t))
		if err != nil {
			return err
		}
		if n >= maxHooks {
			return errs.Errorf(errs.Conflict, op, "there are %d webhooks already", n)
		}
		if _, err := tx.Exec(insertHook, hook.ID, string(t), hook.URL, hook.secret, ts.String(), hook.Created.UnixNano()); err != nil {
			return err
		}
		_, err = tx.Exec(insertCursor, cursorName(hook.ID), string(t), last)
		return err
	})
	if err != nil {
		return Webhook{}, "", err
	}
	w.wake()
	return hook, hook.secret, nil
}

// checkURL refuses what can never be delivered to; addresses are looked at when they are dialled.
func checkURL(address string) error {
	const op = "events.CreateWebhook"
	if len(address) > maxURL {
		return errs.Errorf(errs.Invalid, op, "the url is longer than %d bytes", maxURL)
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return errs.Errorf(errs.Invalid, op, "the url cannot be understood")
	case u.Scheme != "http" && u.Scheme != "https":
		return errs.Errorf(errs.Invalid, op, "the url must begin with http:// or https://")
	case u.Hostname() == "":
		return errs.Errorf(errs.Invalid, op, "the url names no host")
	case !utf8.ValidString(u.Host) || strings.ContainsFunc(u.Hostname(), func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }):
		return errs.Errorf(errs.Invalid, op, "the url's host has characters that cannot be seen")
	case !validPort(u.Port()):
		return errs.Errorf(errs.Invalid, op, "the url's port is not one from 1 to 65535")
	case u.User != nil:
		return errs.Errorf(errs.Invalid, op, "the url must not hold a password: requests are signed")
	}
	return nil
}

// validPort takes none for that of the scheme.
func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return s == "" || err == nil && n > 0
}

func count(tx sqldb.Tx, query string, args ...any) (n int64, err error) {
	err = sqldb.Each(tx, func(rows sqldb.RowSet) error { return rows.Scan(&n) }, query, args...)
	return n, err
}

func (w *Webhooks) list(ctx context.Context, query string, args ...any) (out []Webhook, err error) {
	ctx, cancel := context.WithTimeout(ctx, w.cursors.cfg.Timeout)
	defer cancel()
	err = w.cursors.db.Read(ctx, func(tx sqldb.Tx) error {
		out = out[:0]
		return sqldb.Each(tx, func(rows sqldb.RowSet) error {
			var h Webhook
			var tenant, list string
			var created int64
			err := rows.Scan(&h.ID, &tenant, &h.URL, &h.secret, &list, &created, &h.Disabled)
			if err == nil {
				h.Types, err = ParseTypes(list)
			}
			h.Tenant, h.Created = storage.TenantID(tenant), instant(created)
			out = append(out, h)
			return err
		}, query, args...)
	})
	return out, err
}

// List returns the webhooks of a tenant, oldest first.
func (w *Webhooks) List(ctx context.Context, t storage.TenantID) ([]Webhook, error) {
	return w.list(ctx, selectHooks, string(t))
}

// Get returns one webhook and how it gets on.
func (w *Webhooks) Get(ctx context.Context, t storage.TenantID, id string) (Webhook, Status, error) {
	hook, err := w.get(ctx, t, id)
	if err != nil {
		return Webhook{}, Status{}, err
	}
	status, err := w.cursors.Status(ctx, cursorName(id))
	return hook, status, err
}

func (w *Webhooks) get(ctx context.Context, t storage.TenantID, id string) (Webhook, error) {
	hooks, err := w.list(ctx, selectHook, string(t), id)
	if err != nil {
		return Webhook{}, err
	}
	if len(hooks) == 0 {
		return Webhook{}, errs.Errorf(errs.NotFound, "events.Webhook", "no such webhook")
	}
	return hooks[0], nil
}

// Delete forgets a webhook. A delivery that is on its way is broken off.
func (w *Webhooks) Delete(ctx context.Context, t storage.TenantID, id string) error {
	err := w.cursors.write(ctx, func(tx sqldb.Tx) error {
		n, err := tx.Exec(deleteHook, string(t), id)
		if err != nil {
			return err
		}
		if n == 0 {
			return errs.Errorf(errs.NotFound, "events.DeleteWebhook", "no such webhook")
		}
		_, err = tx.Exec(deleteCursor, cursorName(id))
		return err
	})
	if err == nil {
		w.wake()
	}
	return err
}

// Test sends a signed request without events. Refused is why it was not answered with 2xx, nil
// when it was.
func (w *Webhooks) Test(ctx context.Context, t storage.TenantID, id string) (refused, err error) {
	hook, err := w.get(ctx, t, id)
	if err != nil {
		return nil, err
	}
	return w.sender.send(ctx, hook, nil), nil
}

func (w *Webhooks) wake() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// Run serves the active webhooks until ctx ends. Every node may: each webhook has one node at a
// time.
func (w *Webhooks) Run(ctx context.Context) error {
	var served sync.WaitGroup
	defer served.Wait()
	serving := make(map[string]context.CancelFunc)
	defer func() {
		for _, cancel := range serving {
			cancel()
		}
	}()
	failing := false
	for {
		hooks, err := w.list(ctx, selectActive)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !failing:
			w.cfg.Log.Warn("reading the webhooks failed", "err", err) // those that run go on
		case err == nil:
			w.serve(ctx, hooks, serving, &served)
		}
		failing = err != nil
		timer := time.NewTimer(w.cfg.Refresh)
		select {
		case <-ctx.Done():
		case <-w.changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// serve begins with what is new and ends what is gone.
func (w *Webhooks) serve(ctx context.Context, hooks []Webhook, serving map[string]context.CancelFunc, served *sync.WaitGroup) {
	active := make(map[string]bool, len(hooks))
	for _, hook := range hooks {
		active[hook.ID] = true
		if serving[hook.ID] != nil {
			continue
		}
		hctx, cancel := context.WithCancel(ctx)
		serving[hook.ID] = cancel
		served.Go(func() {
			// Ends with hctx, or when the hook is disabled: then it is not listed any more.
			_ = w.cursors.Run(hctx, w.consumer(hook))
		})
	}
	for id, cancel := range serving {
		if !active[id] {
			cancel()
			delete(serving, id)
		}
	}
}

func (w *Webhooks) consumer(hook Webhook) Consumer {
	return Consumer{
		Name: cursorName(hook.ID), Tenant: hook.Tenant, Types: hook.Types, Batch: maxHookEvents, existing: true,
		Deliver: func(ctx context.Context, batch []Event) error {
			err := w.sender.send(ctx, hook, batch)
			if !errs.Is(err, errs.NotFound) {
				return err
			}
			if err := w.disable(ctx, hook.ID, "the receiver answered 410 Gone"); err != nil {
				return err
			}
			return ErrStop
		},
	}
}

func (w *Webhooks) disable(ctx context.Context, id, why string) error {
	w.cfg.Log.Warn("webhook disabled", "webhook", id, "err", why)
	return w.cursors.write(ctx, func(tx sqldb.Tx) error {
		_, err := tx.Exec(disableHook, id, why)
		return err
	})
}
