package dimse_test

import (
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/dimse/pdu"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

func TestEchoAndRelease(t *testing.T) {
	t.Parallel()
	p := associated(t, newServer(t, nil).addr)
	p.send(echo(7)).status(7, dimse.StatusSuccess)
	p.send(&pdu.ReleaseRQ{})
	if got := p.hear(); got.Type() != pdu.TypeReleaseRP {
		t.Errorf("%v instead of A-RELEASE-RP", got.Type())
	}
	_ = p.conn.Close()
}

func TestNegotiation(t *testing.T) {
	t.Parallel()
	ts := newServer(t, func(c *dimse.Config) {
		c.Contexts.Add(dimse.Service{TransferSyntaxes: []string{explicitLE, implicitLE}, OwnOrder: true}, "1.2.9")
		c.Contexts.Add(dimse.Service{TransferSyntaxes: []string{implicitLE}, Extended: func(info []byte) []byte { return append(info, 9) }}, "1.2.10")
		c.Contexts.Match = func(uid string) (dimse.Service, bool) {
			return dimse.Service{PeerSCP: true}, strings.HasPrefix(uid, "1.3.")
		}
	})
	rq := request()
	rq.Contexts = []pdu.ContextRQ{
		{ID: 1, AbstractSyntax: verification, TransferSyntaxes: []string{explicitLE, implicitLE}},
		{ID: 3, AbstractSyntax: ctImage, TransferSyntaxes: []string{"1.2.840.10008.1.2.4.90", implicitLE}},
		{ID: 5, AbstractSyntax: "1.2.3.4", TransferSyntaxes: []string{implicitLE}},
		{ID: 7, AbstractSyntax: verification, TransferSyntaxes: []string{"1.2.3.4.5"}},
		{ID: 9, AbstractSyntax: "1.2.9", TransferSyntaxes: []string{implicitLE, explicitLE}},
		{ID: 11, AbstractSyntax: "1.3.6.1", TransferSyntaxes: []string{"1.3.6.2"}},
		{ID: 13, AbstractSyntax: ctImage},
		{ID: 255, AbstractSyntax: "1.2.10", TransferSyntaxes: []string{implicitLE}},
	}
	rq.User.Roles = []pdu.Role{
		{SOPClassUID: ctImage, SCU: true, SCP: true},
		{SOPClassUID: verification, SCU: true, SCP: true},
		{SOPClassUID: "1.3.6.1", SCP: true},
		{SOPClassUID: "1.2.3.4", SCP: true},
	}
	rq.User.AsyncOperations = &pdu.AsyncOperations{Invoked: 0, Performed: 5}
	rq.User.UserIdentity = &pdu.UserIdentity{Type: pdu.IdentityUser, ResponseWanted: true, Primary: []byte("someone")}
	rq.User.Extended = []pdu.Extended{{SOPClassUID: "1.2.10", Info: []byte{1}}, {SOPClassUID: ctImage, Info: []byte{1}}}
	p := call(t, ts.addr).send(rq)
	ac, ok := p.hear().(*pdu.AssociateAC)
	if !ok {
		t.Fatal("no A-ASSOCIATE-AC")
	}
	want := []pdu.ContextAC{
		{ID: 1, Result: 0, TransferSyntax: implicitLE},
		{ID: 3, Result: 0, TransferSyntax: "1.2.840.10008.1.2.4.90"}, // requestor's first
		{ID: 5, Result: 3, TransferSyntax: implicitLE},
		{ID: 7, Result: 4, TransferSyntax: "1.2.3.4.5"},
		{ID: 9, Result: 0, TransferSyntax: explicitLE}, // our order
		{ID: 11, Result: 0, TransferSyntax: "1.3.6.2"},
		{ID: 13, Result: 4},
		{ID: 255, Result: 0, TransferSyntax: implicitLE},
	}
	if !reflect.DeepEqual(ac.Contexts, want) {
		t.Errorf("contexts %+v\nwant     %+v", ac.Contexts, want)
	}
	roles := []pdu.Role{
		{SOPClassUID: verification, SCU: true}, {SOPClassUID: ctImage, SCU: true, SCP: true}, {SOPClassUID: "1.3.6.1", SCP: true},
	}
	if !reflect.DeepEqual(ac.User.Roles, roles) {
		t.Errorf("roles %+v, want %+v", ac.User.Roles, roles)
	}
	if w := ac.User.AsyncOperations; w == nil || w.Invoked != 32 || w.Performed != 1 {
		t.Errorf("window %+v", w)
	}
	if ac.User.UserIdentityResponse == nil || ac.User.MaxLength != 16384 || ac.User.ImplementationClassUID != uid.ImplementationClassUID {
		t.Errorf("user information %+v", ac.User)
	}
	if !reflect.DeepEqual(ac.User.Extended, []pdu.Extended{{SOPClassUID: "1.2.10", Info: []byte{1, 9}}}) {
		t.Errorf("extended %+v", ac.User.Extended)
	}
}

func TestRejections(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		cfg    func(*dimse.Config)
		change func(*pdu.AssociateRQ)
		want   pdu.AssociateRJ
	}{
		{"called AE title", func(c *dimse.Config) { c.StrictCalledAE = true }, func(rq *pdu.AssociateRQ) { rq.CalledAETitle = "OTHER" },
			pdu.AssociateRJ{Result: 1, Source: 1, Reason: 7}},
		{"protocol version", nil, func(rq *pdu.AssociateRQ) { rq.ProtocolVersion = 2 }, pdu.AssociateRJ{Result: 1, Source: 2, Reason: 2}},
		{"application context", nil, func(rq *pdu.AssociateRQ) { rq.ApplicationContext = "1.2" }, pdu.AssociateRJ{Result: 1, Source: 1, Reason: 2}},
		{"calling AE title", func(c *dimse.Config) {
			c.Authorize = func(a *dimse.Association) error {
				return errs.Errorf(errs.Forbidden, "test", "no %s", a.CallingAETitle())
			}
		}, nil, pdu.AssociateRJ{Result: 1, Source: 1, Reason: 3}},
		{"unavailable", func(c *dimse.Config) {
			c.Authorize = func(*dimse.Association) error { return errs.Errorf(errs.Unavailable, "test", "down") }
		}, nil, pdu.AssociateRJ{Result: 2, Source: 3, Reason: 1}},
		{"own reason", func(c *dimse.Config) {
			c.Authorize = func(*dimse.Association) error { return &dimse.RejectError{Result: 2, Source: 1, Reason: 1} }
		}, nil, pdu.AssociateRJ{Result: 2, Source: 1, Reason: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rq := request()
			if c.change != nil {
				c.change(rq)
			}
			p := call(t, newServer(t, c.cfg).addr).send(rq)
			got, ok := p.hear().(*pdu.AssociateRJ)
			if !ok || *got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			_ = p.conn.Close()
		})
	}
}

func TestCongestion(t *testing.T) {
	t.Parallel()
	ts := newServer(t, func(c *dimse.Config) { c.MaxAssociations = 1 })
	first := associated(t, ts.addr)
	first.send(echo(1)).status(1, dimse.StatusSuccess)
	rj, ok := call(t, ts.addr).send(request()).hear().(*pdu.AssociateRJ)
	if !ok || rj.Result != pdu.RejectedTransient || rj.Source != pdu.RejectSourcePresentation || rj.Reason != pdu.RejectTemporaryCongestion {
		t.Errorf("second association: %+v", rj)
	}
	first.send(echo(2)).status(2, dimse.StatusSuccess)
}

// TestBadPeers has one fault each in an association that is open.
func TestBadPeers(t *testing.T) {
	t.Parallel()
	ac := encode(t, &pdu.AssociateAC{ProtocolVersion: 1})
	for _, c := range []struct {
		name   string
		say    string
		reason pdu.AbortReason
	}{
		{"unknown PDU type", "\x09\x00\x00\x00\x00\x04abcd", pdu.UnrecognizedPDU},
		{"A-ASSOCIATE-AC", ac, pdu.UnexpectedPDU},
		{"second A-ASSOCIATE-RQ", encode(t, request()), pdu.UnexpectedPDU},
		{"A-RELEASE-RP", encode(t, &pdu.ReleaseRP{}), pdu.UnexpectedPDU},
		{"long A-RELEASE-RQ", "\x05\x00\x00\x00\x00\x06abcdef", pdu.InvalidParameterValue},
		{"P-DATA over the limit", "\x04\x00\x00\x00\x50\x00", pdu.InvalidParameterValue},
		{"P-DATA of 4 GB", "\x04\x00\xff\xff\xff\xff", pdu.InvalidParameterValue},
		{"P-DATA without PDV", "\x04\x00\x00\x00\x00\x00", pdu.InvalidParameterValue},
		{"PDV longer than its PDU", "\x04\x00\x00\x00\x00\x08\x00\x00\x00\x05\x01\x03xx", pdu.InvalidParameterValue},
		{"PDV of 4 GB", "\x04\x00\x00\x00\x00\x08\xff\xff\xff\xff\x01\x03xx", pdu.InvalidParameterValue},
		{"PDV without header", "\x04\x00\x00\x00\x00\x06\x00\x00\x00\x00\x01\x03", pdu.InvalidParameterValue},
		{"bytes behind the last PDV", "\x04\x00\x00\x00\x00\x0a\x00\x00\x00\x04\x01\x01xx\x00\x00", pdu.InvalidParameterValue},
		{"context not proposed", encode(t, fragment(99, true, true, "x")), pdu.InvalidParameterValue},
		{"context refused", encode(t, fragment(9, true, true, "x")), pdu.InvalidParameterValue},
		{"data set without command", encode(t, fragment(1, false, true, "x")), pdu.UnexpectedParameter},
		{"context changes in command", encode(t, fragment(1, true, false, "x"), fragment(3, true, true, "x")), pdu.UnexpectedParameter},
		{"command is no command", encode(t, fragment(1, true, true, "garbage garbage")), pdu.InvalidParameterValue},
		{"command in data set", encode(t, store(1), fragment(3, false, false, "x"), echo(2)), pdu.UnexpectedParameter},
		{"data set in other context", encode(t, store(1), fragment(1, false, true, "x")), pdu.UnexpectedParameter},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := associated(t, newServer(t, nil).addr)
			p.raw(c.say).aborted(pdu.ServiceProvider, c.reason)
			_ = p.conn.Close()
		})
	}
	t.Run("command without end", func(t *testing.T) {
		t.Parallel()
		p := associated(t, newServer(t, nil).addr)
		for range 5 {
			p.send(fragment(1, true, false, strings.Repeat("x", 16000)))
		}
		p.aborted(pdu.ServiceProvider, pdu.InvalidParameterValue)
	})
	t.Run("even context ID", func(t *testing.T) {
		t.Parallel()
		rq := request()
		rq.Contexts[1].ID = 2
		call(t, newServer(t, nil).addr).send(rq).aborted(pdu.ServiceProvider, pdu.InvalidParameterValue)
	})
}

// TestBeforeAssociation has what may come instead of an A-ASSOCIATE-RQ (Sta2: AA-1, AA-2).
func TestBeforeAssociation(t *testing.T) {
	t.Parallel()
	for name, say := range map[string]string{
		"HTTP":            "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"TLS":             "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"P-DATA":          encode(t, echo(1)),
		"release":         encode(t, &pdu.ReleaseRQ{}),
		"A-ASSOCIATE-AC":  encode(t, &pdu.AssociateAC{}),
		"broken request":  "\x01\x00\x00\x00\x00\x02\x00\x01",
		"lying request":   "\x01\x00\x7f\xff\xff\xff\x00\x01",
		"item over end":   "\x01\x00\x00\x00\x00\x48\x00\x01" + strings.Repeat("\x00", 66) + "\x10\x00\xff\xff",
		"unknown PDU":     "\xff\x00\x00\x00\x00\x00",
		"4 GB unknown":    "\xff\x00\xff\xff\xff\xff",
		"repeated HTTP":   strings.Repeat("GET / HTTP/1.1\r\n\r\n", 100),
		"release, garble": encode(t, &pdu.ReleaseRQ{}) + "garble",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := call(t, newServer(t, nil).addr).raw(say)
			p.aborted(pdu.ServiceUser, 0)
			_ = p.conn.Close()
		})
	}
	t.Run("abort", func(t *testing.T) {
		t.Parallel()
		call(t, newServer(t, nil).addr).send(&pdu.Abort{}).closed()
	})
}

// TestARTIM has peers that open a connection and then nothing, or half a request.
func TestARTIM(t *testing.T) {
	t.Parallel()
	short := func(c *dimse.Config) { c.Timeouts.Associate = 50 * time.Millisecond }
	rq := encode(t, request())
	for name, say := range map[string]string{"silent": "", "half a header": rq[:3], "half a request": rq[:100]} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			call(t, newServer(t, short).addr).raw(say).closed()
		})
	}
	t.Run("never closes after release", func(t *testing.T) {
		t.Parallel()
		p := associated(t, newServer(t, short).addr)
		if got := p.send(&pdu.ReleaseRQ{}).hear(); got.Type() != pdu.TypeReleaseRP {
			t.Fatalf("got %v", got.Type())
		}
		p.send(&pdu.ReleaseRQ{}, &pdu.Abort{}).closed() // AA-6, AA-2
	})
	t.Run("never closes after abort", func(t *testing.T) {
		t.Parallel()
		p := associated(t, newServer(t, short).addr)
		p.send(&pdu.ReleaseRP{}).aborted(pdu.ServiceProvider, pdu.UnexpectedPDU)
		p.closed()
	})
}

// TestStalls has peers that stop in the middle.
func TestStalls(t *testing.T) {
	t.Parallel()
	t.Run("in a PDU", func(t *testing.T) {
		t.Parallel()
		ts := newServer(t, func(c *dimse.Config) { c.Timeouts.Read = 50 * time.Millisecond })
		associated(t, ts.addr).raw("\x04\x00\x00\x00\x10").aborted(pdu.ServiceUser, 0)
	})
	t.Run("in a data set", func(t *testing.T) {
		t.Parallel()
		ts := newServer(t, func(c *dimse.Config) { c.Timeouts.Read = 50 * time.Millisecond })
		p := associated(t, ts.addr).send(store(1), fragment(3, false, false, "half"))
		ts.wantBroken(t)
		p.aborted(pdu.ServiceUser, 0)
	})
	t.Run("between messages", func(t *testing.T) {
		t.Parallel()
		ts := newServer(t, func(c *dimse.Config) { c.Timeouts.Idle = 50 * time.Millisecond })
		p := associated(t, ts.addr)
		p.send(echo(1)).status(1, dimse.StatusSuccess)
		p.aborted(pdu.ServiceUser, 0)
	})
	t.Run("slow loris", func(t *testing.T) {
		t.Parallel()
		ts := newServer(t, func(c *dimse.Config) { c.Timeouts.Read = 300 * time.Millisecond })
		p := associated(t, ts.addr).send(store(1))
		go func() { // one byte in a PDU of its own, before the PDU's time is over, again and again
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			b := encode(t, fragment(3, false, false, "x"))
			for range tick.C {
				if _, err := io.WriteString(p.conn, b); err != nil {
					return
				}
			}
		}()
		ts.wantBroken(t)
	})
}

// TestBrokenDatasets ends associations within a data set: the handler must see it.
func TestBrokenDatasets(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(p *parrot){
		"abort":   func(p *parrot) { p.send(&pdu.Abort{}).closed() },
		"close":   func(p *parrot) { _ = p.conn.Close() },
		"release": func(p *parrot) { p.send(&pdu.ReleaseRQ{}) },
		"cut PDU": func(p *parrot) { p.raw("\x04\x00\x00\x00\x10\x00abc"); _ = p.conn.Close() },
		"bad PDU": func(p *parrot) { p.raw("\x0f\x00\x00\x00\x00\x00").aborted(pdu.ServiceProvider, pdu.UnrecognizedPDU) },
		"bad PDV": func(p *parrot) {
			p.send(fragment(77, false, true, "")).aborted(pdu.ServiceProvider, pdu.InvalidParameterValue)
		},
		"new RQ":   func(p *parrot) { p.send(request()).aborted(pdu.ServiceProvider, pdu.UnexpectedPDU) },
		"next one": func(p *parrot) { p.send(store(2)).aborted(pdu.ServiceProvider, pdu.UnexpectedParameter) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ts := newServer(t, nil)
			p := associated(t, ts.addr).send(store(1), fragment(3, false, false, "some of it"))
			end(p)
			if err := ts.wantBroken(t); errs.Is(err, errs.Internal) {
				t.Errorf("error without a kind: %v", err)
			}
		})
	}
}

func TestDatasetFragments(t *testing.T) {
	t.Parallel()
	ts := newServer(t, nil)
	p := associated(t, ts.addr)
	// Zero-length fragments, several PDVs in a PDU, and command and data set in one PDU.
	p.send(store(1), fragment(3, false, false, ""), fragment(3, false, false, "abc"), fragment(3, false, false, ""), fragment(3, false, true, ""))
	ts.wantStored(t, "abc")
	p.status(1, dimse.StatusSuccess)
	one := store(2)
	one.PDVs = append(one.PDVs, fragment(3, false, false, "de").PDVs[0], fragment(3, false, true, "f").PDVs[0])
	p.send(one)
	ts.wantStored(t, "def")
	p.status(2, dimse.StatusSuccess)
	// Byte by byte.
	for _, b := range []byte(encode(t, store(3), fragment(3, false, true, "ghi"))) {
		p.raw(string(b))
	}
	ts.wantStored(t, "ghi")
	p.status(3, dimse.StatusSuccess)
}

func TestPipelined(t *testing.T) {
	t.Parallel()
	ts := newServer(t, nil)
	p := associated(t, ts.addr)
	p.send(store(1), fragment(3, false, true, "one"), echo(2), store(3), fragment(3, false, true, "three"), &pdu.ReleaseRQ{})
	p.status(1, dimse.StatusSuccess)
	p.status(2, dimse.StatusSuccess)
	p.status(3, dimse.StatusSuccess)
	ts.wantStored(t, "one")
	ts.wantStored(t, "three")
	if got := p.hear(); got.Type() != pdu.TypeReleaseRP {
		t.Errorf("got %v", got.Type())
	}
}

func TestUnsupported(t *testing.T) {
	t.Parallel()
	ts := newServer(t, nil)
	p := associated(t, ts.addr)
	p.send(command(3, &dimse.Command{Field: 0x0666, MessageID: 1}))
	c, _ := p.response()
	if c.Field != 0x8666 || c.Status != dimse.StatusUnrecognizedOperation {
		t.Errorf("unknown command: %+v", c)
	}
	p.send(command(7, &dimse.Command{Field: dimse.NActionRQ, MessageID: 2, RequestedSOPClassUID: studyGet, ActionTypeID: 1, HasDataset: true}),
		fragment(7, false, true, "unread data set"))
	p.status(2, dimse.StatusSOPClassNotSupported)
	p.send(command(5, &dimse.Command{Field: dimse.CMoveRQ, MessageID: 3, AffectedSOPClassUID: studyFind, HasDataset: true}),
		fragment(5, false, true, "identifier"))
	p.status(3, dimse.StatusUnrecognizedOperation)
	// Stray responses and cancels are not answered.
	p.send(command(3, &dimse.Command{Field: dimse.CStoreRSP, MessageIDBeingRespondedTo: 9}),
		command(5, &dimse.Command{Field: dimse.CCancelRQ, MessageIDBeingRespondedTo: 3}), echo(4))
	p.status(4, dimse.StatusSuccess)
}

func TestCancelFind(t *testing.T) {
	t.Parallel()
	ts := newServer(t, nil)
	p := associated(t, ts.addr)
	p.send(find(4)...)
	rsp, data := p.response()
	if rsp.Status != dimse.StatusPending || string(data) != firstMatch || rsp.AffectedSOPClassUID != studyFind {
		t.Errorf("pending response %+v with %q", rsp, data)
	}
	p.send(command(5, &dimse.Command{Field: dimse.CCancelRQ, MessageIDBeingRespondedTo: 99})) // another's
	p.send(command(5, &dimse.Command{Field: dimse.CCancelRQ, MessageIDBeingRespondedTo: 4}))
	p.status(4, dimse.StatusCancel)
	if err := <-ts.found; !errors.Is(err, dimse.ErrCanceled) {
		t.Errorf("cause %v", err)
	}
	// The association works on; requests that come early wait, and can be canceled early.
	p.send(append(find(5), echo(6))...)
	p.send(find(7)...)
	p.send(command(5, &dimse.Command{Field: dimse.CCancelRQ, MessageIDBeingRespondedTo: 7}))
	p.send(command(5, &dimse.Command{Field: dimse.CCancelRQ, MessageIDBeingRespondedTo: 5}))
	p.status(5, dimse.StatusPending)
	p.status(5, dimse.StatusCancel)
	p.status(6, dimse.StatusSuccess)
	p.status(7, dimse.StatusPending)
	p.status(7, dimse.StatusCancel)
}

// TestStoreDuringFind has a C-STORE that comes before the C-FIND has ended: its data set waits
// in the socket for its turn.
func TestStoreDuringFind(t *testing.T) {
	t.Parallel()
	ts := newServer(t, nil)
	finish := make(chan struct{})
	ts.mux.HandleFunc(dimse.CFindRQ, func(_ context.Context, w *dimse.ResponseWriter, r *dimse.Request) {
		<-finish
		_ = w.Respond(dimse.StatusSuccess)
	}, studyFind)
	p := associated(t, ts.addr).send(find(1)...).send(store(2), fragment(3, false, false, "ear"), fragment(3, false, true, "ly"))
	close(finish)
	p.status(1, dimse.StatusSuccess)
	ts.wantStored(t, "early")
	p.status(2, dimse.StatusSuccess)
}

func TestFindEndsWithAssociation(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(p *parrot){
		"abort":   func(p *parrot) { p.send(&pdu.Abort{}) },
		"close":   func(p *parrot) { _ = p.conn.Close() },
		"release": func(p *parrot) { p.send(&pdu.ReleaseRQ{}) },
		"garbage": func(p *parrot) { p.raw(strings.Repeat("x", 100)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ts := newServer(t, nil)
			p := associated(t, ts.addr).send(find(1)...)
			p.response()
			end(p)
			select {
			case err := <-ts.found:
				if err == nil || errors.Is(err, dimse.ErrCanceled) {
					t.Errorf("cause %v", err)
				}
			case <-time.After(patience):
				t.Error("handler was not told")
			}
		})
	}
}

func TestIdentifierTooLong(t *testing.T) {
	t.Parallel()
	ts := newServer(t, func(c *dimse.Config) { c.MaxIdentifier = 5 })
	associated(t, ts.addr).send(find(1)...).aborted(pdu.ServiceProvider, pdu.InvalidParameterValue)
}

func TestHandlerFaults(t *testing.T) {
	t.Parallel()
	ts := newServer(t, func(c *dimse.Config) {
		m := &dimse.Mux{}
		m.HandleFunc(dimse.CEchoRQ, func(context.Context, *dimse.ResponseWriter, *dimse.Request) {})
		m.HandleFunc(dimse.CStoreRQ, func(context.Context, *dimse.ResponseWriter, *dimse.Request) { panic("test") })
		c.Handler = m
	})
	p := associated(t, ts.addr)
	p.send(echo(1)).status(1, dimse.StatusProcessingFailure)
	p.send(store(2), fragment(3, false, true, "x")).aborted(pdu.ServiceUser, 0)
	associated(t, ts.addr).send(echo(1)).status(1, dimse.StatusProcessingFailure)
}

// TestDrain stops a server with one association idle, one in a C-STORE and one in a C-FIND.
func TestDrain(t *testing.T) {
	t.Parallel()
	ts := newServer(t, func(c *dimse.Config) { c.Timeouts.Grace = 300 * time.Millisecond })
	idle, storing, finding := associated(t, ts.addr), associated(t, ts.addr), associated(t, ts.addr)
	idle.send(echo(1)).status(1, dimse.StatusSuccess)
	storing.send(store(1), fragment(3, false, false, "be"))
	finding.send(find(1)...).status(1, dimse.StatusPending)
	stopped := make(chan error, 1)
	go func() { stopped <- ts.stop() }()
	idle.aborted(pdu.ServiceUser, 0)
	storing.send(fragment(3, false, true, "gun"))
	ts.wantStored(t, "begun")
	storing.status(1, dimse.StatusSuccess)
	storing.aborted(pdu.ServiceUser, 0)
	finding.aborted(pdu.ServiceUser, 0)
	if err := <-ts.found; err == nil {
		t.Error("C-FIND was not told")
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
