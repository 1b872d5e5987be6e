// Package errs is the one vocabulary of failure. A Kind says what went wrong in terms every
// door can translate (C-STORE status, HTTP code, FHIR issue); each door owns one table that
// does so. The text of the wrapped error is for the log; Safe is all a peer may see.
package errs

import (
	"errors"
	"fmt"
)

// Kind classifies an error for the doors.
type Kind uint8

// The kinds. Internal is the zero value, so an error nobody classified is never shown as a
// peer's fault.
const (
	Internal        Kind = iota // a bug or an unclassified failure of ours
	Invalid                     // bytes or values that cannot be understood
	Mismatch                    // data set does not match its SOP Class or the request
	Unsupported                 // SOP Class, transfer syntax or media type we do not offer
	NotFound                    // nothing there (or not yours)
	Conflict                    // same SOP Instance UID, other bytes
	Unauthenticated             // who are you
	Forbidden                   // not allowed
	Exhausted                   // quota, disk space or a size limit
	Unavailable                 // an engine is down; try again
	Canceled                    // the peer went away or asked to stop
)

var names = [...]string{"internal", "invalid", "mismatch", "unsupported", "not found", "conflict",
	"unauthenticated", "forbidden", "exhausted", "unavailable", "canceled"}

// Kinds lists every Kind; the doors' tables are tested against it.
func Kinds() []Kind {
	out := make([]Kind, len(names))
	for i := range out {
		out[i] = Kind(i)
	}
	return out
}

func (k Kind) String() string {
	if int(k) < len(names) {
		return names[k]
	}
	return "internal"
}

// Error is an operation that failed with a Kind.
type Error struct {
	Kind Kind
	Op   string // package and operation: "archive.Store"
	Msg  string // safe to show to a peer: no patient data, no path; may be empty
	Err  error  // the cause; for the log only
}

// E wraps err as kind. It returns nil when err is nil.
func E(kind Kind, op string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: kind, Op: op, Err: err}
}

// Errorf makes an error whose message is safe to show to a peer.
func Errorf(kind Kind, op, format string, args ...any) error {
	return &Error{Kind: kind, Op: op, Msg: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string {
	switch {
	case e.Err != nil && e.Msg != "":
		return e.Op + ": " + e.Msg + ": " + e.Err.Error()
	case e.Err != nil:
		return e.Op + ": " + e.Err.Error()
	case e.Msg != "":
		return e.Op + ": " + e.Msg
	}
	return e.Op + ": " + e.Kind.String()
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the outermost Kind in err's chain, Internal when there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// Is reports whether err has the kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }

// Safe returns the text a peer may see: the first safe message in the chain, else the Kind.
func Safe(err error) string {
	for cause := err; cause != nil; {
		var e *Error
		if !errors.As(cause, &e) {
			break
		}
		if e.Msg != "" {
			return e.Msg
		}
		cause = e.Err
	}
	return KindOf(err).String()
}
