package postgres_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/aurelius-imaging/aurelius/internal/testkit"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/indextest"
	"github.com/aurelius-imaging/aurelius/storage/index/postgres"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// server is a database of this run's own, owned by an ordinary role: row-level security holds
// for every test.
var server struct {
	once     sync.Once
	admin    *url.URL
	database string
	role     string
}

const password = "secret"

func TestMain(m *testing.M) {
	code := m.Run()
	if server.database != "" {
		drop()
	}
	os.Exit(code)
}

func drop() {
	ctx := context.Background()
	c, err := pgx.Connect(ctx, server.admin.String())
	if err != nil {
		return
	}
	defer c.Close(ctx)
	for _, sql := range []string{`DROP DATABASE ` + server.database + ` WITH (FORCE)`, `DROP ROLE ` + server.role} {
		if _, err := c.Exec(ctx, sql); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}

// address returns the URL of the run's database, for its ordinary role and a schema.
func address(t testing.TB, schema string) string {
	t.Helper()
	server.once.Do(func() {
		admin, err := url.Parse(testkit.Part(t, "postgres"))
		if err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		c, err := pgx.Connect(ctx, admin.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(ctx)
		name := fmt.Sprintf("index_%x", rand.Uint64())
		for _, sql := range []string{
			fmt.Sprintf(`CREATE ROLE %s LOGIN PASSWORD '%s'`, name, password),
			fmt.Sprintf(`CREATE DATABASE %s OWNER %s`, name, name),
		} {
			if _, err := c.Exec(ctx, sql); err != nil {
				t.Fatal(err)
			}
		}
		server.admin, server.database, server.role = admin, name, name
	})
	if server.database == "" {
		t.Fatal("no database")
	}
	u := *server.admin
	u.User, u.Path = url.UserPassword(server.role, password), "/"+server.database
	q := u.Query()
	q.Set("search_path", schema)
	q.Set("application_name", schema)
	u.RawQuery = q.Encode()
	return u.String()
}

// schema is where the index of a directory is kept.
func schema(dir string) string { return fmt.Sprintf("s%x", sha256.Sum256([]byte(dir)))[:20] }

// node is an index that closes its connections too.
type node struct {
	*postgres.Index
	db *sqldb.PostgresDB
}

func (n node) Close() error {
	if err := n.Index.Close(); err != nil {
		return err
	}
	return n.db.Close()
}

func connect(t testing.TB, url string) *sqldb.PostgresDB {
	t.Helper()
	db, err := sqldb.OpenPostgres(context.Background(), sqldb.PostgresConfig{URL: url, MaxConns: 8})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func open(t testing.TB, dir string) index.Index { return openNode(t, dir) }

func openNode(t testing.TB, dir string) node {
	t.Helper()
	ctx := context.Background()
	db := connect(t, address(t, schema(dir)))
	if _, err := db.Pool().Exec(ctx, `CREATE SCHEMA IF NOT EXISTS `+schema(dir)); err != nil {
		t.Fatal(err)
	}
	ix, err := postgres.Open(ctx, db, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return node{ix, db}
}

func TestIndex(t *testing.T) { indextest.Run(t, open) }
