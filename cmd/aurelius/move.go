package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/dimse/scu"
)

// MoveCmd has a server send what it has to another one (C-MOVE, PS3.4 C.4.2).
type MoveCmd struct {
	clientFlags
	keyFlags
	To string `required:"" placeholder:"TITLE" help:"AE title to send to; the server must know its address."`
}

// Run implements the command.
func (c *MoveCmd) Run(ctx context.Context, out io.Writer) error {
	if err := checkAET(c.To); err != nil {
		return err
	}
	level, request, err := c.identifier(true)
	if err != nil {
		return err
	}
	client, err := c.dial(ctx, proposal(moving.model(level)))
	if err != nil {
		return err
	}
	defer hangUp(client)
	result, err := client.Move(ctx, moving.model(level), request, c.To, showCounters(os.Stderr))
	return c.Peer.report(out, "moved", result, err)
}

// showCounters returns a callback that keeps a progress line up to date, nil when nobody
// watches.
func showCounters(stderr *os.File) func(dimse.Counters) {
	if !isTerminal(stderr) {
		return nil
	}
	return func(n dimse.Counters) {
		_, _ = fmt.Fprintf(stderr, "\r%d done, %d failed, %d to go \x1b[K", max(n.Completed, 0)+max(n.Warning, 0), max(n.Failed, 0), max(n.Remaining, 0))
	}
}

// report prints how a retrieval went; an instance that failed is an error.
func (r remote) report(out io.Writer, done string, result scu.Result, err error) error {
	if isTerminal(os.Stderr) {
		_, _ = fmt.Fprint(os.Stderr, "\r\x1b[K")
	}
	n := result.Counters
	if err == nil || n.Completed > 0 || n.Failed > 0 {
		if _, err := fmt.Fprintf(out, "%s %d, failed %d\n", done, max(n.Completed, 0)+max(n.Warning, 0), max(n.Failed, 0)); err != nil {
			return err
		}
	}
	if err == nil && n.Failed > 0 {
		return fmt.Errorf("%s at %s could not send everything", r.AETitle, r.Address)
	}
	return r.explain(err)
}
