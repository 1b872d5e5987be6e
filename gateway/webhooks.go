package gateway

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/platform/events"
)

// webhook is an events.Webhook on the wire.
type webhook struct {
	ID       string        `json:"id"`
	URL      string        `json:"url"`
	Types    []events.Type `json:"types"` // empty: all
	Created  time.Time     `json:"created"`
	Disabled string        `json:"disabled,omitempty"`
	Secret   string        `json:"secret,omitempty"` // in the answer that creates it only
	Delivery *delivery     `json:"delivery,omitempty"`
}

// delivery is how a webhook gets on.
type delivery struct {
	Sequence     int64      `json:"sequence"` // delivered up to here
	Lag          int64      `json:"lag"`      // events that wait
	Node         string     `json:"node,omitempty"`
	LastSuccess  *time.Time `json:"last_success,omitempty"`
	FailingSince *time.Time `json:"failing_since,omitempty"`
	Error        string     `json:"error,omitempty"`
}

func wireHook(h events.Webhook) webhook {
	return webhook{ID: h.ID, URL: h.URL, Types: append([]events.Type{}, h.Types...), Created: h.Created.UTC(), Disabled: h.Disabled}
}

// maxHookBody bounds the body of POST /webhooks: a URL and a few words.
const maxHookBody = 8 << 10

// listWebhooks answers GET /webhooks, oldest first.
func (a *API) listWebhooks(c *gin.Context) {
	hooks, err := a.webhooks.List(c.Request.Context(), a.tenant)
	if err != nil {
		a.fail(c, err)
		return
	}
	page := struct {
		Webhooks []webhook `json:"webhooks"`
	}{make([]webhook, 0, len(hooks))}
	for _, h := range hooks {
		page.Webhooks = append(page.Webhooks, wireHook(h))
	}
	answer(c, http.StatusOK, page)
}

// createWebhook answers POST /webhooks with {"url": ..., "types": [...]}.
func (a *API) createWebhook(c *gin.Context) {
	var in struct {
		URL   string   `json:"url"`
		Types []string `json:"types"`
	}
	dec := json.NewDecoder(http.MaxBytesReader(c.Writer, c.Request.Body, maxHookBody))
	dec.DisallowUnknownFields()
	err := dec.Decode(&in)
	if _, more := dec.Token(); err != nil || more != io.EOF {
		a.fail(c, errs.Errorf(errs.Invalid, "gateway", `want {"url": "https://...", "types": ["study-complete"]}`))
		return
	}
	types, err := events.ParseTypes(strings.Join(in.Types, ","))
	if err != nil {
		a.fail(c, err)
		return
	}
	h, secret, err := a.webhooks.Create(c.Request.Context(), a.tenant, in.URL, types)
	if err != nil {
		a.fail(c, err)
		return
	}
	out := wireHook(h)
	out.Secret = secret
	c.Writer.Header().Set("Location", "/webhooks/"+h.ID)
	answer(c, http.StatusCreated, out)
}

// getWebhook answers GET /webhooks/{id} with how deliveries get on.
func (a *API) getWebhook(c *gin.Context) {
	h, s, err := a.webhooks.Get(c.Request.Context(), a.tenant, c.Param("id"))
	if err != nil {
		a.fail(c, err)
		return
	}
	out := wireHook(h)
	out.Delivery = &delivery{Sequence: s.Sequence, Lag: s.Lag, Node: s.Owner,
		LastSuccess: instant(s.Succeeded), FailingSince: instant(s.Failed), Error: s.Error}
	answer(c, http.StatusOK, out)
}

func (a *API) deleteWebhook(c *gin.Context) {
	if err := a.webhooks.Delete(c.Request.Context(), a.tenant, c.Param("id")); err != nil {
		a.fail(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}

// testWebhook answers POST /webhooks/{id}/test with what came of a request without events.
func (a *API) testWebhook(c *gin.Context) {
	refused, err := a.webhooks.Test(c.Request.Context(), a.tenant, c.Param("id"))
	if err != nil {
		a.fail(c, err)
		return
	}
	out := struct {
		Delivered bool   `json:"delivered"`
		Error     string `json:"error,omitempty"`
	}{Delivered: refused == nil}
	if refused != nil {
		out.Error = errs.Safe(refused)
	}
	answer(c, http.StatusOK, out)
}
