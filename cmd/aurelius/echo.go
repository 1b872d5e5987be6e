package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// EchoCmd asks a server whether it is there (C-ECHO, PS3.4 A).
type EchoCmd struct {
	clientFlags
}

// Run implements the command.
func (c *EchoCmd) Run(ctx context.Context, out io.Writer) error {
	client, err := c.dial(ctx, nil)
	if err != nil {
		return err
	}
	defer hangUp(client)
	begun := time.Now()
	if err := client.Echo(ctx); err != nil {
		return c.Peer.explain(err)
	}
	_, err = fmt.Fprintf(out, "%s at %s answers (%.1f ms)\n", c.Peer.AETitle, c.Peer.Address, float64(time.Since(begun).Microseconds())/1000)
	return err
}
