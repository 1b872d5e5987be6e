package dimse_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/dimse/pdu"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// answerPhone starts a scripted acceptor and returns its address.
func answerPhone(t testing.TB, script func(p *parrot)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		script(&parrot{t, conn})
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}

// accept answers the request of the client.
func accept(p *parrot, contexts ...pdu.ContextAC) {
	rq, ok := p.hear().(*pdu.AssociateRQ)
	if !ok {
		p.t.Error("no A-ASSOCIATE-RQ")
		return
	}
	if contexts == nil {
		for _, c := range rq.Contexts {
			contexts = append(contexts, pdu.ContextAC{ID: c.ID, TransferSyntax: c.TransferSyntaxes[0]})
		}
	}
	p.send(&pdu.AssociateAC{ProtocolVersion: 1, ApplicationContext: pdu.ApplicationContext, Contexts: contexts, User: pdu.UserInformation{MaxLength: 4096}})
}

func dialConfig() dimse.DialConfig {
	return dimse.DialConfig{
		Logger: quiet, CalledAETitle: "PARROT",
		Contexts: []dimse.Proposal{
			{AbstractSyntax: verification, TransferSyntaxes: []string{implicitLE}},
			{AbstractSyntax: ctImage, TransferSyntaxes: []string{explicitLE, implicitLE}},
		},
	}
}

func dial(t testing.TB, addr string) *dimse.Association {
	t.Helper()
	a, err := dimse.Dial(t.Context(), addr, dialConfig())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Abort() })
	return a
}

func TestDialRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		script func(p *parrot)
		kind   errs.Kind
		check  func(error) bool
	}{
		{"rejected", func(p *parrot) { p.hear(); p.send(&pdu.AssociateRJ{Result: 1, Source: 1, Reason: 7}) }, errs.Forbidden,
			func(err error) bool {
				var r *dimse.RejectError
				return errors.As(err, &r) && *r == dimse.RejectError{Result: 1, Source: 1, Reason: 7}
			}},
		{"busy", func(p *parrot) { p.hear(); p.send(&pdu.AssociateRJ{Result: 2, Source: 3, Reason: 1}) }, errs.Unavailable, nil},
		{"aborted", func(p *parrot) { p.hear(); p.send(&pdu.Abort{Source: 2, Reason: 1}) }, errs.Unavailable,
			func(err error) bool {
				var a *dimse.AbortError
				return errors.As(err, &a) && a.Reason == pdu.UnrecognizedPDU && !a.Local
			}},
		{"closed", func(p *parrot) { p.hear(); _ = p.conn.Close() }, errs.Canceled, nil},
		{"cut", func(p *parrot) { p.hear(); p.raw("\x02\x00\x00\x00\x00\xff\x00\x01"); _ = p.conn.Close() }, errs.Canceled, nil},
		{"garbage", func(p *parrot) {
			p.hear()
			p.raw("220 smtp ready\r\n").aborted(pdu.ServiceProvider, pdu.UnrecognizedPDU)
		}, errs.Invalid, nil},
		{"data", func(p *parrot) { p.hear(); p.send(echo(1)).aborted(pdu.ServiceProvider, pdu.UnexpectedPDU) }, errs.Invalid, nil},
		{"its own request", func(p *parrot) { p.hear(); p.send(request()).aborted(pdu.ServiceProvider, pdu.UnexpectedPDU) }, errs.Invalid, nil},
		{"context not proposed", func(p *parrot) {
			accept(p, pdu.ContextAC{ID: 77, TransferSyntax: implicitLE})
			p.aborted(pdu.ServiceProvider, pdu.InvalidParameterValue)
		}, errs.Invalid, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, err := dimse.Dial(t.Context(), answerPhone(t, c.script), dialConfig())
			if err == nil {
				_ = a.Abort()
				t.Fatal("no error")
			}
			if errs.KindOf(err) != c.kind || c.check != nil && !c.check(err) {
				t.Errorf("%v: %v", errs.KindOf(err), err)
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		if _, err := dimse.Dial(t.Context(), l.Addr().String(), dialConfig()); !errs.Is(err, errs.Unavailable) {
			t.Error(err)
		}
	})
	t.Run("silent", func(t *testing.T) {
		t.Parallel()
		cfg := dialConfig()
		cfg.Timeouts.Associate = 50 * time.Millisecond
		addr := answerPhone(t, func(p *parrot) { p.hear(); p.aborted(pdu.ServiceUser, 0) })
		if _, err := dimse.Dial(t.Context(), addr, cfg); err == nil {
			t.Error("no error")
		}
	})
	t.Run("129 contexts", func(t *testing.T) {
		t.Parallel()
		cfg := dialConfig()
		cfg.Contexts = make([]dimse.Proposal, 129)
		if _, err := dimse.Dial(t.Context(), "127.0.0.1:1", cfg); !errs.Is(err, errs.Invalid) {
			t.Error(err)
		}
	})
}

func TestDialContexts(t *testing.T) {
	t.Parallel()
	addr := answerPhone(t, func(p *parrot) {
		// The second answer has a transfer syntax that was not proposed.
		accept(p, pdu.ContextAC{ID: 1, TransferSyntax: implicitLE}, pdu.ContextAC{ID: 3, TransferSyntax: "1.2.3"})
		_, _ = io.Copy(io.Discard, p.conn)
	})
	a := dial(t, addr)
	want := []dimse.PresentationContext{
		{ID: 1, AbstractSyntax: verification, TransferSyntax: implicitLE, RequestorSCU: true},
		{ID: 3, AbstractSyntax: ctImage, TransferSyntax: "1.2.3", Result: dimse.ContextTransferSyntaxesNotSupported, RequestorSCU: true},
	}
	if got := a.Contexts(); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%+v", got)
	}
	if err := a.Send(t.Context(), 3, &dimse.Command{Field: dimse.CStoreRQ}, strings.NewReader("x")); !errs.Is(err, errs.Unsupported) {
		t.Errorf("sent on a refused context: %v", err)
	}
}

func TestRelease(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]func(p *parrot){
		"plain": func(p *parrot) { p.hear(); p.send(&pdu.ReleaseRP{}).closed() },
		"data before the answer": func(p *parrot) { // AR-6
			p.hear()
			p.send(echo(1), store(2), fragment(3, false, true, "x"), &pdu.ReleaseRP{}).closed()
		},
		"collision": func(p *parrot) { // AR-8, AR-9, AR-3
			p.hear()
			p.send(&pdu.ReleaseRQ{})
			if got := p.hear(); got.Type() != pdu.TypeReleaseRP {
				p.t.Errorf("got %v in the collision", got.Type())
			}
			p.send(&pdu.ReleaseRP{}).closed()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := dial(t, answerPhone(t, func(p *parrot) { accept(p); script(p) }))
			if err := a.Release(t.Context()); err != nil {
				t.Error(err)
			}
			if a.State() != dimse.Sta1 {
				t.Errorf("left in %v", a.State())
			}
			if err := a.Release(t.Context()); err == nil {
				t.Error("released twice")
			}
		})
	}
	t.Run("aborted", func(t *testing.T) {
		t.Parallel()
		a := dial(t, answerPhone(t, func(p *parrot) { accept(p); p.hear(); p.send(&pdu.Abort{}) }))
		if err := a.Release(t.Context()); err == nil {
			t.Error("no error")
		}
	})
	t.Run("peer is first", func(t *testing.T) {
		t.Parallel()
		a := dial(t, answerPhone(t, func(p *parrot) {
			accept(p)
			if got := p.send(&pdu.ReleaseRQ{}).hear(); got.Type() != pdu.TypeReleaseRP {
				t.Errorf("got %v", got.Type())
			}
		}))
		if _, err := a.Receive(t.Context()); !errors.Is(err, dimse.ErrReleased) {
			t.Errorf("received %v", err)
		}
		if err := a.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestSendSizes sends data sets of all sizes around the limits of PDUs and buffers, from
// readers of every manner.
func TestSendSizes(t *testing.T) {
	t.Parallel()
	for _, peerMax := range []uint32{0, 1, 4096, 4097, 16384, 1 << 17, 1 << 30} {
		ts := newServer(t, func(c *dimse.Config) { c.MaxPDU = peerMax })
		if peerMax == 1 { // a peer that announces nonsense gets the smallest PDUs we send
			ts = newServer(t, nil)
		}
		a := dial(t, ts.addr)
		most := int(min(max(peerMax, 256), 128<<10))
		if peerMax == 0 {
			most = 128 << 10
		}
		most -= pdu.PDVHeaderLen
		for _, n := range []int{0, 1, 2, most - 1, most, most + 1, 2*most - 1, 2 * most, 2*most + 1, 3 * most, 700_000} {
			want := bytes.Repeat([]byte("0123456789abcdef!"), n/17+1)[:n]
			for _, r := range []io.Reader{bytes.NewReader(want), iotest.DataErrReader(bytes.NewReader(want)), iotest.HalfReader(bytes.NewReader(want))} {
				cmd := &dimse.Command{Field: dimse.CStoreRQ, MessageID: a.NextMessageID(), AffectedSOPClassUID: ctImage, AffectedSOPInstanceUID: "1.2"}
				if err := a.Send(t.Context(), 3, cmd, r); err != nil {
					t.Fatal(err)
				}
				want := want
				if n%2 == 1 { // odd data sets are padded
					want = append(want[:n:n], 0)
				}
				if got := <-ts.stored; got.err != nil || !bytes.Equal(got.data, want) {
					t.Fatalf("max %d: %d bytes came as %d, %v", peerMax, n, len(got.data), got.err)
				}
				rsp, err := a.Receive(t.Context())
				if err != nil || rsp.Command.Status != dimse.StatusSuccess || rsp.Command.MessageIDBeingRespondedTo != cmd.MessageID {
					t.Fatalf("response %+v, %v", rsp, err)
				}
			}
		}
		if err := a.Release(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestPDULimit checks that no PDU we send is longer than the peer announced.
func TestPDULimit(t *testing.T) {
	t.Parallel()
	seen := make(chan int, 1)
	a := dial(t, answerPhone(t, func(p *parrot) {
		accept(p) // announces 4096
		most := 0
		for {
			got, err := pdu.Read(p.conn, 4096)
			if err != nil {
				p.t.Errorf("PDU too long: %v", err)
				seen <- 0
				return
			}
			d, ok := got.(*pdu.Data)
			if !ok || len(d.PDVs) != 1 {
				p.t.Errorf("got %+v", got)
				return
			}
			most = max(most, len(d.PDVs[0].Data)+pdu.PDVHeaderLen)
			if !d.PDVs[0].Command && d.PDVs[0].Last {
				seen <- most
				return
			}
		}
	}))
	if err := a.Send(t.Context(), 3, &dimse.Command{Field: dimse.CStoreRQ}, strings.NewReader(strings.Repeat("x", 50000))); err != nil {
		t.Fatal(err)
	}
	if most := <-seen; most != 4096 {
		t.Errorf("longest PDU %d, want 4096", most)
	}
}

func TestSendFails(t *testing.T) {
	t.Parallel()
	t.Run("source", func(t *testing.T) {
		t.Parallel()
		ts := newServer(t, nil)
		a := dial(t, ts.addr)
		bad := errors.New("disk")
		err := a.Send(t.Context(), 3, &dimse.Command{Field: dimse.CStoreRQ}, io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<20)), iotest.ErrReader(bad)))
		if !errors.Is(err, bad) {
			t.Errorf("got %v", err)
		}
		ts.wantBroken(t)
	})
	t.Run("context ends", func(t *testing.T) {
		t.Parallel()
		a := dial(t, answerPhone(t, func(p *parrot) { // reads nothing until the client has given up
			accept(p)
			_, _ = io.Copy(io.Discard, io.LimitReader(p.conn, 1))
			<-t.Context().Done()
		}))
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := a.Send(ctx, 3, &dimse.Command{Field: dimse.CStoreRQ}, forever{}); err == nil || ctx.Err() == nil {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no answer", func(t *testing.T) {
		t.Parallel()
		a := dial(t, answerPhone(t, func(p *parrot) { accept(p); p.hear(); p.aborted(pdu.ServiceUser, 0) }))
		if err := a.SendBytes(1, &dimse.Command{Field: dimse.CEchoRQ, MessageID: 1}, nil); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := a.Receive(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

type forever struct{}

func (forever) Read(p []byte) (int, error) { return len(p), nil }
