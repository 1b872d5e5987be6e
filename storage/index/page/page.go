// Package page remembers where pages of a question begin. QIDO-RS can only page by offset; without
// a memory the cost of a page grows with its number. Where a place is, and how long it holds, is
// the engine's.
package page

import (
	"strconv"
	"strings"
	"sync"

	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/storage"
)

// Deep is the offset from which on the place of a page is worth remembering.
const Deep = 200

// maxPlaces bounds a Memory.
const maxPlaces = 256

// Memory holds places by Key. The zero value is ready; it is safe for concurrent use.
type Memory[P any] struct {
	lock   sync.Mutex
	places map[string]P
}

// Get returns the place of a page.
func (m *Memory[P]) Get(key string) (P, bool) {
	m.lock.Lock()
	defer m.lock.Unlock()
	p, ok := m.places[key]
	return p, ok
}

// Put remembers a place, and forgets all others when there are too many.
func (m *Memory[P]) Put(key string, p P) {
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.places == nil || len(m.places) >= maxPlaces {
		m.places = make(map[string]P)
	}
	m.places[key] = p
}

// Key names a page of a question.
func Key(t storage.TenantID, q *query.Query, offset int64) string {
	var b strings.Builder
	b.WriteString(string(t))
	b.WriteByte(0)
	b.WriteByte(byte(q.Level))
	b.WriteString(strconv.FormatBool(q.Fuzzy))
	for _, k := range q.Keys {
		for _, t := range k.Path {
			b.WriteString(t.Hex())
		}
		b.WriteByte(byte(k.Kind))
		for _, v := range k.Values {
			b.WriteByte(0)
			b.WriteString(v)
		}
		b.WriteByte(1)
	}
	b.WriteString(strconv.FormatInt(offset, 10))
	return b.String()
}
