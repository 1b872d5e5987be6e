package postgres

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
)

const (
	selectTenant = `SELECT id FROM tenants WHERE name=$1`
	insertTenant = `INSERT INTO tenants (name) VALUES ($1) ON CONFLICT (name) DO NOTHING`
	selectTerms  = `SELECT id, term FROM terms WHERE tenant=$1 AND id=ANY($2)`
)

// maxNames bounds each map of names.
const maxNames = 4096

// names remembers rows of tenants and terms that were seen committed. Both only grow.
type names struct {
	lock    sync.RWMutex
	tenants map[storage.TenantID]int64
	texts   map[int64]string
	terms   map[termKey]int64
}

type termKey struct {
	tenant int64
	term   string
}

// tenantID returns the tenant's number; 0 when nothing was ever stored for it.
func (ix *Index) tenantID(ctx context.Context, op string, t storage.TenantID) (id int64, err error) {
	n := &ix.names
	n.lock.RLock()
	id = n.tenants[t]
	n.lock.RUnlock()
	if id != 0 {
		return id, nil
	}
	err = ix.read(ctx, op, everyTenant, statement{selectTenant, []any{text(string(t))}, each(func(r pgx.Rows) error {
		return r.Scan(&id)
	})})
	if err != nil || id == 0 {
		return 0, err
	}
	n.lock.Lock()
	defer n.lock.Unlock()
	if n.tenants == nil || len(n.tenants) >= maxNames {
		n.tenants = make(map[storage.TenantID]int64)
	}
	n.tenants[t] = id
	return id, nil
}

// newTenantID is tenantID for one that is about to store something.
func (ix *Index) newTenantID(ctx context.Context, op string, t storage.TenantID) (int64, error) {
	id, err := ix.tenantID(ctx, op, t)
	if err != nil || id != 0 {
		return id, err
	}
	if err := ix.read(ctx, op, everyTenant, statement{sql: insertTenant, args: []any{text(string(t))}}); err != nil {
		return 0, err
	}
	return ix.tenantID(ctx, op, t)
}

// learn remembers terms.
func (n *names) learn(tenant int64, id int64, term string) {
	n.lock.Lock()
	defer n.lock.Unlock()
	if n.texts == nil || len(n.texts) >= maxNames {
		n.texts, n.terms = make(map[int64]string), make(map[termKey]int64)
	}
	n.texts[id], n.terms[termKey{tenant, term}] = term, id
}

func (n *names) term(tenant int64, term string) (int64, bool) {
	n.lock.RLock()
	defer n.lock.RUnlock()
	id, ok := n.terms[termKey{tenant, term}]
	return id, ok
}

func (n *names) textOf(id int64) (string, bool) {
	n.lock.RLock()
	defer n.lock.RUnlock()
	s, ok := n.texts[id]
	return s, ok
}

// texts returns the terms of the numbers.
func (ix *Index) texts(ctx context.Context, op string, tenant int64, ids map[int64]string) error {
	var unknown []int64
	for id := range ids {
		s, ok := ix.names.textOf(id)
		if ok {
			ids[id] = s
		} else if id != 0 {
			unknown = append(unknown, id)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	found := 0
	err := ix.read(ctx, op, tenant, statement{selectTerms, []any{tenant, unknown}, each(func(r pgx.Rows) error {
		var id int64
		var s string
		if err := r.Scan(&id, &s); err != nil {
			return err
		}
		found++
		ids[id] = s
		ix.names.learn(tenant, id, s)
		return nil
	})})
	if err == nil && found < len(unknown) {
		err = errs.Errorf(errs.Internal, op, "a term is missing")
	}
	return err
}
