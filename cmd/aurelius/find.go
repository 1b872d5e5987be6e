package main

import (
	"context"
	"encoding/json"
	"io"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/dicomjson"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
)

// FindCmd asks a server what it has (C-FIND, PS3.4 C.4.1).
type FindCmd struct {
	clientFlags
	keyFlags
	JSON  bool `name:"json" help:"Print DICOM JSON, one match to a line."`
	Limit int  `help:"Stop after so many matches."`
}

// Run implements the command.
func (c *FindCmd) Run(ctx context.Context, out io.Writer) error {
	level, request, err := c.identifier(false)
	if err != nil {
		return err
	}
	shown := columns(level, request)
	client, err := c.dial(ctx, proposal(finding.model(level)))
	if err != nil {
		return err
	}
	defer hangUp(client)

	show, finish := c.printer(out, shown)
	n := 0
	for match, err := range client.Find(ctx, finding.model(level), request) {
		if err != nil {
			_ = finish()
			return c.Peer.explain(err)
		}
		if err := show(match); err != nil {
			return err
		}
		if n++; n == c.Limit {
			break
		}
	}
	return finish()
}

// printer returns what prints a match, and what ends the output.
func (c *FindCmd) printer(out io.Writer, shown []tag.Tag) (show func(*dicom.Dataset) error, finish func() error) {
	if !c.JSON {
		t := newTable(out, isTerminal(out), shown)
		return t.row, t.flush
	}
	encoder := json.NewEncoder(out)
	return func(d *dicom.Dataset) error {
		return encoder.Encode(json.RawMessage(dicomjson.Append(nil, d, dicomjson.Options{UTF8: true})))
	}, func() error { return nil }
}
