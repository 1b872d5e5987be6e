package sqlite

import (
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// How a header is kept; its first byte says so.
const headerRaw = 0

func packHeader(h []byte) []byte {
	if h == nil {
		return nil
	}
	return append(append(make([]byte, 0, len(h)+1), headerRaw), h...)
}

func unpackHeader(b []byte) ([]byte, error) {
	switch {
	case len(b) == 0:
		return nil, nil
	case b[0] == headerRaw:
		return b[1:], nil
	}
	return nil, errs.Errorf(errs.Internal, "sqlite.header", "unknown form of a stored header")
}
