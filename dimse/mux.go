package dimse

import (
	"context"
)

// Mux picks the Handler of a request by command field and abstract syntax. Like the registry of
// contexts it is filled before the server starts and only read afterwards.
type Mux struct {
	handlers map[muxKey]Handler
	classes  map[string]bool
}

type muxKey struct {
	field          CommandField
	AbstractSyntax string
}

// Handle registers h for requests of the field on contexts of the abstract syntaxes; without
// any, for all that no other handler is registered for.
func (m *Mux) Handle(field CommandField, h Handler, AbstractSyntaxes ...string) {
	if m.handlers == nil {
		m.handlers = make(map[muxKey]Handler)
		m.classes = make(map[string]bool)
	}
	if len(AbstractSyntaxes) == 0 {
		AbstractSyntaxes = []string{""}
	}
	for _, uid := range AbstractSyntaxes {
		m.handlers[muxKey{field, uid}] = h
		m.classes[uid] = true
	}
}

// HandleFunc registers a function as Handle does.
func (m *Mux) HandleFunc(field CommandField, f func(context.Context, *ResponseWriter, *Request), AbstractSyntaxes ...string) {
	m.Handle(field, HandlerFunc(f), AbstractSyntaxes...)
}

// ServeDIMSE hands the request to its handler. What has none is answered with 0211
// (unrecognized operation) when the SOP Class is known or the command is not, else with 0122
// (SOP Class not supported), as PS3.7 9 and 10 have it.
func (m *Mux) ServeDIMSE(ctx context.Context, w *ResponseWriter, r *Request) {
	field, uid := r.Command.Field, r.Context.AbstractSyntax
	h, ok := m.handlers[muxKey{field, uid}]
	if !ok {
		h, ok = m.handlers[muxKey{field, ""}]
	}
	switch {
	case ok:
		h.ServeDIMSE(ctx, w, r)
	case !field.Known(), m.classes[uid]:
		_ = w.Respond(StatusUnrecognizedOperation)
	default:
		_ = w.Respond(StatusSOPClassNotSupported)
	}
}

// HandlerFunc is a function as a Handler.
type HandlerFunc func(ctx context.Context, w *ResponseWriter, r *Request)

// ServeDIMSE calls f.
func (f HandlerFunc) ServeDIMSE(ctx context.Context, w *ResponseWriter, r *Request) { f(ctx, w, r) }
