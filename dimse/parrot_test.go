package dimse_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/dimse/pdu"
)

const (
	verification = "1.2.840.10008.1.1"
	ctImage      = "1.2.840.10008.5.1.4.1.1.2"
	studyFind    = "1.2.840.10008.5.1.4.1.2.2.1"
	studyGet     = "1.2.840.10008.5.1.4.1.2.2.3"
	implicitLE   = "1.2.840.10008.1.2"
	explicitLE   = "1.2.840.10008.1.2.1"
)

// patience bounds what a test waits for; reaching it is a failure.
const patience = 20 * time.Second

// firstMatch is a data set in Implicit VR Little Endian: (0008,0052) QueryRetrieveLevel.
const firstMatch = "\x08\x00\x52\x00\x06\x00\x00\x00STUDY "

// quiet drops log lines.
var quiet = slog.New(slog.DiscardHandler)

// stored is what a storing handler saw.
type stored struct {
	data []byte
	err  error
}

// testServer is a server under test with handlers that note what they see.
type testServer struct {
	*dimse.Server
	addr   string
	stored chan stored
	found  chan error // cause of the end of a C-FIND that waits
	stop   func() error
	mux    *dimse.Mux
}

// newServer starts a server that stores CT images, answers C-ECHO, and whose C-FIND sends
// Pending until it is canceled. change may alter the configuration.
func newServer(t testing.TB, change func(*dimse.Config)) *testServer {
	t.Helper()
	ts := &testServer{stored: make(chan stored, 100), found: make(chan error, 100), mux: &dimse.Mux{}}
	ts.mux.HandleFunc(dimse.CEchoRQ, func(_ context.Context, w *dimse.ResponseWriter, _ *dimse.Request) { _ = w.Respond(dimse.StatusSuccess) })
	ts.mux.HandleFunc(dimse.CStoreRQ, func(_ context.Context, w *dimse.ResponseWriter, r *dimse.Request) {
		var s stored
		if r.Data != nil {
			s.data, s.err = io.ReadAll(r.Data)
		}
		ts.stored <- s
		if s.err == nil {
			_ = w.Respond(dimse.StatusSuccess)
		}
	}, ctImage)
	ts.mux.HandleFunc(dimse.CFindRQ, func(ctx context.Context, w *dimse.ResponseWriter, r *dimse.Request) {
		_ = w.Send(r.Command.Response(dimse.StatusPending), []byte(firstMatch))
		<-ctx.Done()
		ts.found <- context.Cause(ctx)
		_ = w.Respond(dimse.StatusCancel)
	}, studyFind)
	contexts := &dimse.Contexts{}
	contexts.Add(dimse.Service{TransferSyntaxes: []string{implicitLE}}, verification, studyFind, studyGet)
	contexts.Add(dimse.Service{PeerSCP: true}, ctImage)
	cfg := dimse.Config{Handler: ts.mux, Contexts: contexts, Logger: quiet, MaxPDU: 16384, Timeouts: dimse.Timeouts{Grace: patience}}
	if change != nil {
		change(&cfg)
	}
	s, err := dimse.NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ts.Server = s
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ts.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	ts.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(patience):
			return errors.New("server does not stop")
		}
	})
	t.Cleanup(func() {
		if err := ts.stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return ts
}

// parrot is a scripted peer: it says what it is told to and checks what it hears.
type parrot struct {
	t    testing.TB
	conn net.Conn
}

func newParrot(t testing.TB, conn net.Conn) *parrot {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { _ = conn.Close() })
	return &parrot{t, conn}
}

// call connects to a server.
func call(t testing.TB, addr string) *parrot {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return newParrot(t, conn)
}

// raw sends bytes. A peer that has closed already is no failure: what it said counts.
func (p *parrot) raw(s string) *parrot {
	_, _ = io.WriteString(p.conn, s)
	return p
}

// send sends PDUs in one write.
func (p *parrot) send(pdus ...pdu.PDU) *parrot {
	p.t.Helper()
	return p.raw(encode(p.t, pdus...))
}

func encode(t testing.TB, pdus ...pdu.PDU) string {
	t.Helper()
	var b []byte
	for _, x := range pdus {
		var err error
		if b, err = pdu.Append(b, x); err != nil {
			t.Fatal(err)
		}
	}
	return string(b)
}

// hear reads the next PDU.
func (p *parrot) hear() pdu.PDU {
	p.t.Helper()
	got, err := pdu.Read(p.conn, 1<<20)
	if err != nil {
		p.t.Fatalf("waiting for a PDU: %v", err)
	}
	return got
}

// aborted checks that the next PDU is an A-ABORT.
func (p *parrot) aborted(source pdu.AbortSource, reason pdu.AbortReason) {
	p.t.Helper()
	for {
		switch got := p.hear().(type) {
		case *pdu.Abort:
			if got.Source != source || got.Reason != reason {
				p.t.Errorf("A-ABORT source %d reason %d, want %d, %d", got.Source, got.Reason, source, reason)
			}
			return
		case *pdu.Data: // what was on its way
		default:
			p.t.Fatalf("%v instead of A-ABORT", got.Type())
		}
	}
}

// closed checks that the peer closes the connection.
func (p *parrot) closed() {
	p.t.Helper()
	if n, err := io.Copy(io.Discard, p.conn); err != nil && !strings.Contains(err.Error(), "reset") || n > 0 {
		p.t.Errorf("%d bytes and %v instead of the end", n, err)
	}
}

// response reads a command that comes in one PDU, and its data set if it has one.
func (p *parrot) response() (*dimse.Command, []byte) {
	p.t.Helper()
	var parts [2][]byte
	for part := 0; part < 2; {
		d, ok := p.hear().(*pdu.Data)
		if !ok {
			p.t.Fatal("no P-DATA-TF")
		}
		for _, v := range d.PDVs {
			parts[part] = append(parts[part], v.Data...)
			if v.Last {
				part++
			}
			if v.Command && v.Last {
				if c, err := dimse.ParseCommand(parts[0]); err != nil || !c.HasDataset {
					part++
				}
			}
		}
	}
	c, err := dimse.ParseCommand(parts[0])
	if err != nil {
		p.t.Fatal(err)
	}
	return c, parts[1]
}

func (p *parrot) status(id uint16, want dimse.Status) {
	p.t.Helper()
	c, _ := p.response()
	if c.MessageIDBeingRespondedTo != id || c.Status != want {
		p.t.Errorf("response to %d with status %v, want %d with %v", c.MessageIDBeingRespondedTo, c.Status, id, want)
	}
}

// request is the association request of the parrot: 1 verification, 3 CT, 5 FIND, 7 GET,
// 9 something that nobody supports.
func request() *pdu.AssociateRQ {
	return &pdu.AssociateRQ{
		ProtocolVersion: 1, CalledAETitle: "AURELIUS", CallingAETitle: "PARROT", ApplicationContext: pdu.ApplicationContext,
		Contexts: []pdu.ContextRQ{
			{ID: 1, AbstractSyntax: verification, TransferSyntaxes: []string{implicitLE}},
			{ID: 3, AbstractSyntax: ctImage, TransferSyntaxes: []string{explicitLE, implicitLE}},
			{ID: 5, AbstractSyntax: studyFind, TransferSyntaxes: []string{implicitLE}},
			{ID: 7, AbstractSyntax: studyGet, TransferSyntaxes: []string{implicitLE}},
			{ID: 9, AbstractSyntax: "1.2.3.4", TransferSyntaxes: []string{implicitLE}},
		},
		User: pdu.UserInformation{MaxLength: 16384, ImplementationClassUID: "1.2.3"},
	}
}

// associated calls and opens an association.
func associated(t testing.TB, addr string) *parrot {
	t.Helper()
	p := call(t, addr).send(request())
	if got, ok := p.hear().(*pdu.AssociateAC); !ok {
		t.Fatalf("%v instead of A-ASSOCIATE-AC", got.Type())
	}
	return p
}

func fragment(id byte, command, last bool, data string) *pdu.Data {
	return &pdu.Data{PDVs: []pdu.PDV{{ContextID: id, Command: command, Last: last, Data: []byte(data)}}}
}

func command(id byte, c *dimse.Command) *pdu.Data {
	return fragment(id, true, true, string(c.AppendTo(nil)))
}

func echo(id uint16) *pdu.Data {
	return command(1, &dimse.Command{Field: dimse.CEchoRQ, MessageID: id, AffectedSOPClassUID: verification})
}

func store(id uint16) *pdu.Data {
	return command(3, &dimse.Command{Field: dimse.CStoreRQ, MessageID: id, AffectedSOPClassUID: ctImage, AffectedSOPInstanceUID: "1.2.3.9", HasDataset: true})
}

func find(id uint16) []pdu.PDU {
	return []pdu.PDU{
		command(5, &dimse.Command{Field: dimse.CFindRQ, MessageID: id, AffectedSOPClassUID: studyFind, HasDataset: true}),
		fragment(5, false, true, "identifier"),
	}
}

func (ts *testServer) wantStored(t testing.TB, want string) {
	t.Helper()
	select {
	case s := <-ts.stored:
		if s.err != nil || !bytes.Equal(s.data, []byte(want)) {
			t.Errorf("handler read %q and %v, want %q", s.data, s.err, want)
		}
	case <-time.After(patience):
		t.Error("nothing came to the handler")
	}
}

func (ts *testServer) wantBroken(t testing.TB) error {
	t.Helper()
	select {
	case s := <-ts.stored:
		if s.err == nil {
			t.Errorf("handler read %q without an error", s.data)
		}
		return s.err
	case <-time.After(patience):
		t.Error("nothing came to the handler")
	}
	return nil
}
