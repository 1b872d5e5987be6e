package events

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// The headers of a webhook's request.
const (
	SignatureHeader = "Aurelius-Signature"
	EventIDHeader   = "Aurelius-Event-Id" // of the last event in the body: what a 2xx confirms
	WebhookIDHeader = "Aurelius-Webhook-Id"
)

// maxAnswer bounds what is read of an answer, so that the connection can be used again.
const maxAnswer = 64 << 10

// sender makes the requests of webhooks.
type sender struct {
	client *http.Client
}

func newSender(cfg WebhookConfig) *sender {
	dialer := &net.Dialer{Timeout: cfg.Timeout, Control: func(_, address string, _ syscall.RawConn) error {
		// After the name was resolved, so that no name leads to an address that is refused.
		return checkAddress(address, cfg.PublicOnly)
	}}
	return &sender{client: &http.Client{
		Timeout: cfg.Timeout,
		// No proxy of the environment: it would dial what is refused here.
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: cfg.Timeout, ForceAttemptHTTP2: true,
			MaxIdleConnsPerHost: 1, MaxConnsPerHost: 4, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: maxAnswer,
		},
		// Where it leads to was not registered.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// metadata are where clouds keep their machines' secrets, beside link-local addresses.
var metadata = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("168.63.129.16"),
}

// sharedSpace is that of carrier-grade NAT (RFC 6598), which netip does not call private.
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// Addresses of IPv6 that a gateway takes to one of IPv4 (RFC 6052, RFC 3056).
var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour = netip.MustParsePrefix("2002::/16")
)

// target is the address that is reached in the end.
func target(ip netip.Addr) netip.Addr {
	ip = ip.Unmap().WithZone("")
	b := ip.As16()
	switch {
	case nat64.Contains(ip):
		return netip.AddrFrom4([4]byte(b[12:]))
	case sixToFour.Contains(ip):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return ip
}

func checkAddress(address string, publicOnly bool) error {
	const op = "events.dial"
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return errs.E(errs.Forbidden, op, err)
	}
	ip := target(ap.Addr())
	switch {
	case ip.IsLinkLocalUnicast(), ip.IsMulticast(), ip.IsUnspecified(), slices.Contains(metadata, ip):
		return errs.Errorf(errs.Forbidden, op, "the address is never delivered to")
	case publicOnly && (ip.IsLoopback() || ip.IsPrivate() || sharedSpace.Contains(ip)):
		return errs.Errorf(errs.Forbidden, op, "the address is not public")
	}
	return nil
}

// send posts a batch; nil says it was answered with 2xx. errs.NotFound is 410 Gone: the receiver
// wants no more. No events make a test.
func (s *sender) send(ctx context.Context, hook Webhook, batch []Event) error {
	const op = "events.send"
	if batch == nil {
		batch = []Event{}
	}
	body, err := json.Marshal(struct {
		Version int     `json:"version"`
		Events  []Event `json:"events"`
	}{SchemaVersion, batch})
	if err != nil {
		return errs.E(errs.Internal, op, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, hook.URL, bytes.NewReader(body))
	if err != nil {
		return errs.E(errs.Invalid, op, err)
	}
	h := req.Header
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "aurelius")
	h.Set(WebhookIDHeader, hook.ID)
	h.Set(SignatureHeader, sign(hook.secret, time.Now(), body))
	if len(batch) > 0 {
		h.Set(EventIDHeader, batch[len(batch)-1].ID())
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return unreachable(op, err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // what it says is of no use
	switch {
	case resp.StatusCode >= 200 && resp.StatusCode < 300:
		return nil
	case resp.StatusCode == http.StatusGone:
		return errs.Errorf(errs.NotFound, op, "the receiver answered 410 Gone")
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return errs.Errorf(errs.Unavailable, op, "the receiver answered %d: redirects are not followed", resp.StatusCode)
	}
	return errs.Errorf(errs.Unavailable, op, "the receiver answered %d", resp.StatusCode)
}

// unreachable says why there was no answer, without the URL, which may hold a token.
func unreachable(op string, err error) error {
	var known *errs.Error
	var timeout net.Error
	switch {
	case errors.As(err, &known):
		return errs.Errorf(known.Kind, op, "%s", known.Msg)
	case errors.As(err, &timeout) && timeout.Timeout():
		return errs.Errorf(errs.Unavailable, op, "the receiver did not answer in time")
	}
	return errs.Errorf(errs.Unavailable, op, "the receiver cannot be reached")
}

// sign is "t=<unix time>,v1=<hex HMAC-SHA256 of "t.body">": the time keeps an old request from
// being sent again, v1 leaves room for another way.
func sign(secret string, now time.Time, body []byte) string {
	t := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
