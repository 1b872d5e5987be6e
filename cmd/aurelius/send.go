package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/dimse/scu"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// SendCmd stores files on a server (C-STORE, PS3.4 B).
type SendCmd struct {
	clientFlags
	Paths    []string `arg:"" name:"path" help:"Files, and folders with all that is in them; what is not DICOM is left out."`
	Parallel int      `short:"p" default:"1" help:"Associations at the same time (${default})."`
}

// Run implements the command.
func (c *SendCmd) Run(ctx context.Context, out io.Writer) error {
	objects, skipped, err := collect(c.Paths)
	if err != nil {
		return err
	}
	if len(objects) == 0 {
		return fmt.Errorf("nothing to send: no DICOM object among %d files", skipped)
	}
	t := newTally(len(objects), os.Stderr)
	for _, b := range batches(objects) {
		if err = c.sendBatch(ctx, b, t); err != nil {
			break
		}
	}
	if reported := t.report(out, skipped); err == nil {
		err = reported
	}
	return err
}

// batch is what fits one association's presentation contexts.
type batch struct {
	contexts []dimse.Proposal
	objects  []object
}

// batches splits the objects, in order, by the contexts that an association can hold: for each
// SOP Class one per transfer syntax, and two more that native objects can be converted to.
func batches(objects []object) []batch {
	const maxContexts = 128 // PS3.8 9.3.2.2: odd numbers of one byte
	var out []batch
	var proposed map[[2]string]bool
	for _, o := range objects {
		wanted := [][2]string{{o.SOPClassUID, o.TransferSyntax}}
		if ts, known := dicom.LookupTransferSyntax(o.TransferSyntax); known && ts.Native() {
			wanted = append(wanted, [2]string{o.SOPClassUID, scu.ExplicitVRLittleEndian}, [2]string{o.SOPClassUID, scu.ImplicitVRLittleEndian})
		}
		if len(out) == 0 || !proposed[wanted[0]] && len(proposed)+len(wanted) > maxContexts {
			out, proposed = append(out, batch{}), map[[2]string]bool{}
		}
		b := &out[len(out)-1]
		for _, w := range wanted {
			if !proposed[w] {
				proposed[w] = true
				b.contexts = append(b.contexts, dimse.Proposal{AbstractSyntax: w[0], TransferSyntaxes: []string{w[1]}})
			}
		}
		b.objects = append(b.objects, o)
	}
	return out
}

// sendBatch sends a batch over as many associations as the command allows. Objects that fail are
// counted; an error is that the server cannot be reached.
func (c *SendCmd) sendBatch(ctx context.Context, b batch, t *tally) error {
	group, ctx := errgroup.WithContext(ctx)
	queue := make(chan object)
	group.Go(func() error {
		defer close(queue)
		for _, o := range b.objects {
			select {
			case queue <- o:
			case <-ctx.Done():
				return c.Peer.explain(ctx.Err())
			}
		}
		return nil
	})
	for range min(max(c.Parallel, 1), len(b.objects)) {
		group.Go(func() error { return c.work(ctx, b.contexts, queue, t) })
	}
	return group.Wait()
}

// work sends objects from the queue over one association, and over a new one where it breaks.
func (c *SendCmd) work(ctx context.Context, contexts []dimse.Proposal, queue <-chan object, t *tally) error {
	var client *scu.Client
	defer func() {
		if client != nil {
			hangUp(client)
		}
	}()
	for o := range queue {
		if client == nil {
			var err error
			if client, err = c.dial(ctx, contexts); err != nil {
				return err
			}
		}
		err := sendObject(ctx, client, o)
		var answer *scu.StatusError
		if err != nil && !errors.As(err, &answer) && !errors.Is(err, errNotOffered) {
			_ = client.Abort()
			client = nil
		}
		t.add(o, c.Peer.explainObject(err))
		if ctx.Err() != nil {
			return c.Peer.explain(ctx.Err())
		}
	}
	return nil
}

// errNotOffered is an object that no accepted context can carry.
var errNotOffered = errors.New("the server does not take this SOP Class in this transfer syntax")

func (r remote) explainObject(err error) error {
	if errors.Is(err, errNotOffered) {
		return err
	}
	return r.explain(err)
}

// sendObject sends one object as it is, or where it is native in another native transfer syntax.
func sendObject(ctx context.Context, client *scu.Client, o object) error {
	accepted := client.AcceptedSyntaxes(o.SOPClassUID)
	if len(accepted) == 0 {
		return errNotOffered
	}
	to, err := archive.Deliverable(o.TransferSyntax, accepted)
	if errs.Is(err, errs.Unsupported) {
		return errNotOffered
	} else if err != nil {
		return err
	}
	data, err := o.open()
	if err != nil {
		return err
	}
	defer data.Close()
	if to.UID == o.TransferSyntax {
		_, err = client.Store(ctx, o.SOPClassUID, o.SOPInstanceUID, to.UID, data)
		return err
	}
	from, _ := dicom.LookupTransferSyntax(o.TransferSyntax)
	r, w := io.Pipe()
	var converter sync.WaitGroup
	converter.Go(func() { w.CloseWithError(dicom.Convert(w, data, from, to)) })
	_, err = client.Store(ctx, o.SOPClassUID, o.SOPInstanceUID, to.UID, r)
	_ = r.CloseWithError(io.ErrClosedPipe)
	converter.Wait()
	return err
}

// tally counts what was sent. It is safe for concurrent use.
type tally struct {
	mu            sync.Mutex
	stderr        *os.File
	watched       bool
	begun, showed time.Time
	total         int
	sent, failed  int
	bytes         int64
}

func newTally(total int, stderr *os.File) *tally {
	return &tally{stderr: stderr, watched: isTerminal(stderr), begun: time.Now(), total: total}
}

// maxComplaints is how many failures are told one by one.
const maxComplaints = 20

func (t *tally) add(o object, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.sent++
		t.bytes += o.size
	} else if t.failed++; t.failed <= maxComplaints {
		t.wipe()
		_, _ = fmt.Fprintf(t.stderr, "%s: %v\n", o.path, err)
	}
	if t.watched && time.Since(t.showed) > 200*time.Millisecond {
		t.showed = time.Now()
		_, _ = fmt.Fprintf(t.stderr, "\r%d of %d sent, %d failed, %.1f MB/s \x1b[K", t.sent, t.total, t.failed,
			float64(t.bytes)/1e6/time.Since(t.begun).Seconds())
	}
}

// wipe clears the progress line.
func (t *tally) wipe() {
	if t.watched {
		_, _ = fmt.Fprint(t.stderr, "\r\x1b[K")
	}
}

// report prints the sum; anything that failed is an error.
func (t *tally) report(out io.Writer, skipped int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wipe()
	took := time.Since(t.begun)
	line := fmt.Sprintf("sent %d of %d objects, %.1f MB in %.2f s", t.sent, t.total, float64(t.bytes)/1e6, took.Seconds())
	if skipped > 0 {
		line += fmt.Sprintf("; %d files are not DICOM", skipped)
	}
	if _, err := fmt.Fprintln(out, line); err != nil {
		return err
	}
	if t.failed > 0 {
		return fmt.Errorf("%d objects failed", t.failed)
	}
	return nil
}
