package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/aurelius-imaging/aurelius/platform/nodes"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// migrateCmd brings every table up to date as a starting node does, and ends. In a rolling upgrade
// it goes first: it refuses while nodes run that could not work on the new tables.
type migrateCmd struct {
	engineFlags `embed:""`
}

func (c *migrateCmd) Run(ctx context.Context, out io.Writer) error {
	if _, err := checkData(c.Data); err != nil {
		return err
	}
	serve, log := serveCmd{engineFlags: c.engineFlags}, slog.New(slog.DiscardHandler)
	var node *nodes.Node
	st := &stores{}
	defer st.Close()
	if err := c.openDatabases(ctx, st, func(db sqldb.SQL) (err error) {
		node, err = serve.register(ctx, db, log)
		return err
	}); err != nil {
		return err
	}
	if _, err := serve.openRails(ctx, node, st, log); err != nil {
		return err
	}
	// A node that stops at once takes itself off the list.
	stopped, stop := context.WithCancel(ctx)
	stop()
	if err := node.Run(stopped); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, "all tables are up to date with", version)
	return err
}
