package sqlite

import (
	"sync"

	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// terms remembers the rows of tables terms and tenants that readers have seen committed. Both
// only grow: their number is bounded by the SOP classes, transfer syntaxes, AE titles and
// tenants there are.
type terms struct {
	lock    sync.RWMutex
	text    map[int64]string
	tenants map[storage.TenantID]int64
}

const (
	selectTerm     = `SELECT term FROM terms WHERE id=?`
	selectTermID   = `SELECT id FROM terms WHERE term=?`
	maxTermsCached = 4096
)

func (t *terms) tenant(name storage.TenantID) (int64, bool) {
	t.lock.RLock()
	defer t.lock.RUnlock()
	id, ok := t.tenants[name]
	return id, ok
}

func (t *terms) setTenant(name storage.TenantID, id int64) {
	t.lock.Lock()
	defer t.lock.Unlock()
	if t.tenants == nil || len(t.tenants) >= maxTermsCached {
		t.tenants = make(map[storage.TenantID]int64)
	}
	t.tenants[name] = id
}

// term returns the text of a row of terms.
func (t *terms) term(c *sqldb.Conn, id int64) (string, error) {
	t.lock.RLock()
	s, ok := t.text[id]
	t.lock.RUnlock()
	if ok {
		return s, nil
	}
	r, err := c.Query(selectTerm, id)
	if err != nil {
		return "", err
	}
	defer r.Close()
	if !r.Next() {
		return "", r.Err()
	}
	s = r.Text(0)
	t.lock.Lock()
	defer t.lock.Unlock()
	if t.text == nil || len(t.text) >= maxTermsCached {
		t.text = make(map[int64]string)
	}
	t.text[id] = s
	return s, nil
}
