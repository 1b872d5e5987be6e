package scp

import (
	"context"

	"github.com/aurelius-imaging/aurelius/dimse"
)

func (d *Door) move(ctx context.Context, w *dimse.ResponseWriter, r *dimse.Request) {
	_ = w.Respond(dimse.StatusUnrecognizedOperation)
}
