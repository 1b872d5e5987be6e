package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/blob/fs"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/sqlite"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// backupCmd copies a data directory while a server may be using it. It needs nothing of the
// server: SQLite lets another process take a copy of one moment, and packs can be read at any
// time.
//
// First the index, then the packs: a row is written after its record, so what the copy of the
// index knows is in the packs that are copied after it. Only a record that is erased in between
// is missing; another round, which has little left to copy, settles that.
type backupCmd struct {
	engineFlags `embed:""`
	Dir         string `arg:"" placeholder:"DIR" help:"Where the backup is kept. A backup to the same place again copies only what has changed."`
}

// errElsewhere is what backup and restore say of engines that have tools of their own.
var errElsewhere = errors.New("this copies data directories; PostgreSQL and S3 have their own ways, see Care in docs/GETTING_STARTED.md")

func (c *backupCmd) Run(ctx context.Context, out io.Writer) error {
	if c.Database != "" || c.S3.Endpoint != "" {
		return errElsewhere
	}
	if _, err := os.Stat(filepath.Join(c.Data, indexFile)); err != nil {
		return fmt.Errorf("%s is no data directory of Aurelius: %w", c.Data, err)
	}
	if inside, err := within(c.Dir, c.Data); err != nil {
		return err
	} else if inside {
		return fmt.Errorf("%s lies in the data directory: a backup must outlive it", c.Dir)
	}
	b := &backup{data: c.Data, dir: c.Dir, run: time.Now().UTC().Format("20060102T150405.000"), out: out}
	return b.make(ctx)
}

// within reports whether a directory, which need not be there yet, is or lies in another one,
// whatever links lead to it.
func within(dir, parent string) (bool, error) {
	outer, err := os.Stat(parent)
	if err != nil {
		return false, err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return false, err
	}
	real, err := filepath.EvalSymlinks(dir)
	for errors.Is(err, os.ErrNotExist) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		real, err = filepath.EvalSymlinks(dir)
	}
	for err == nil {
		var at os.FileInfo
		if at, err = os.Stat(real); err == nil && os.SameFile(at, outer) {
			return true, nil
		}
		if real == filepath.Dir(real) {
			break
		}
		real = filepath.Dir(real)
	}
	return false, err
}

// backup is one run of it.
type backup struct {
	data, dir string
	run       string // names this run's files
	out       io.Writer

	known    map[string]backupPack // copies that are there, by bucket and key
	progress *os.File
	copied   int
	bytes    int64
}

// maxRounds bounds how often what is erased meanwhile is run after.
const maxRounds = 3

func (b *backup) make(ctx context.Context) error {
	syscall.Umask(0o077)
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return err
	}
	lock, err := b.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := b.open(); err != nil {
		return err
	}
	defer b.progress.Close()
	m, err := b.rounds(ctx)
	if err != nil {
		return err
	}
	m.Finished, m.Version = time.Now().UTC(), version
	if err := m.write(b.dir); err != nil {
		return err
	}
	if err := errors.Join(os.Remove(filepath.Join(b.dir, progressFile)), b.sweep(m)); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "backup complete: %d instances in %d packs, %d copied (%d MB)\n",
		m.Instances, len(m.Packs), b.copied, b.bytes/1e6)
	if m.Missing > 0 {
		return fmt.Errorf("the archive itself lacks the bytes of %d instances: see aurelius fsck", m.Missing)
	}
	return nil
}

// lock keeps a second backup out of the directory.
func (b *backup) lock() (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(b.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another backup to %s is running", b.dir)
	}
	return f, nil
}

// open looks what is there of former backups, complete and interrupted.
func (b *backup) open() error {
	b.known = make(map[string]backupPack)
	m, err := readManifest(b.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var there []backupPack
	if m != nil {
		there = m.Packs
	}
	resumed, err := readProgress(b.dir)
	if err != nil {
		return err
	}
	for _, p := range append(there, resumed...) {
		b.known[p.Bucket+"/"+string(p.Key)] = p
	}
	if len(resumed) > 0 {
		fmt.Fprintf(b.out, "going on with an interrupted backup: %d packs are there\n", len(resumed))
	}
	b.progress, err = os.OpenFile(filepath.Join(b.dir, progressFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	return err
}

// rounds copies until every row of the copied index has its record. What is missing in two rounds
// is missing in the archive itself; what is missing in the last one alone was deleted while it
// ran, and is deleted in the copy too.
func (b *backup) rounds(ctx context.Context) (*manifest, error) {
	before := map[blob.Location]bool{}
	for n := 1; ; n++ {
		m, missing, err := b.round(ctx)
		if err != nil {
			return nil, err
		}
		fresh := slices.DeleteFunc(slices.Clone(missing), func(x lost) bool { return before[x.location] })
		if len(fresh) == 0 {
			m.Missing = len(missing)
			return m, b.sums(m)
		}
		if n == maxRounds {
			return m, errors.Join(b.settle(ctx, m, before), b.sums(m))
		}
		for _, x := range missing {
			before[x.location] = true
		}
	}
}

// lost is a row of the copied index without a record in the copied packs.
type lost struct {
	tenant   storage.TenantID
	ref      index.Ref
	location blob.Location
}

// round copies the databases and then the packs.
func (b *backup) round(ctx context.Context) (*manifest, []lost, error) {
	m := &manifest{Format: manifestFormat}
	if err := b.databases(ctx, m); err != nil {
		return nil, nil, err
	}
	if err := b.packs(ctx, m); err != nil {
		return nil, nil, err
	}
	missing, err := b.check(ctx, m)
	return m, missing, err
}

// packs copies the packs of every store.
func (b *backup) packs(ctx context.Context, m *manifest) error {
	m.Packs = nil
	buckets, err := filepath.Glob(filepath.Join(b.data, "*", "packs"))
	if err != nil {
		return err
	}
	for _, path := range buckets {
		if err := b.bucket(ctx, m, filepath.Base(filepath.Dir(path))); err != nil {
			return err
		}
	}
	return nil
}

// settle deletes in the copied index what was deleted since it was copied, but not what was
// missing before. An instance that was only moved to another pack is deleted as well: that pack
// is copied here, and restore finds the record in it.
func (b *backup) settle(ctx context.Context, m *manifest, before map[blob.Location]bool) error {
	if err := b.packs(ctx, m); err != nil {
		return err
	}
	missing, err := b.check(ctx, m)
	if err != nil {
		return err
	}
	ix, err := sqlite.Open(b.indexCopy(m), sqlite.Config{})
	if err != nil {
		return err
	}
	for _, x := range missing {
		if before[x.location] {
			m.Missing++
			continue
		}
		var gone []blob.Location
		if gone, err = ix.Remove(ctx, x.tenant, x.ref); err == nil {
			err = ix.Erased(ctx, gone)
		}
		if err != nil {
			break
		}
		m.Instances--
	}
	return errors.Join(err, ix.Close())
}

// indexCopy is the last of the databases.
func (b *backup) indexCopy(m *manifest) string {
	return filepath.Join(b.dir, m.Databases[len(m.Databases)-1].File)
}

// sums completes the manifest.
func (b *backup) sums(m *manifest) (err error) {
	for i := range m.Databases {
		d := &m.Databases[i]
		if d.Size, d.SHA256, err = sumOf(filepath.Join(b.dir, d.File)); err != nil {
			return err
		}
	}
	return syncDir(filepath.Join(b.dir, databasesDir))
}

// databases copies the SQLite files, the index last: cursors of the feed must not be ahead of it.
func (b *backup) databases(ctx context.Context, m *manifest) error {
	paths, err := filepath.Glob(filepath.Join(b.data, "*.sqlite"))
	if err != nil {
		return err
	}
	slices.SortFunc(paths, func(x, y string) int {
		switch {
		case filepath.Base(x) == indexFile:
			return 1
		case filepath.Base(y) == indexFile:
			return -1
		}
		return strings.Compare(x, y)
	})
	if err := os.MkdirAll(filepath.Join(b.dir, databasesDir), 0o700); err != nil {
		return err
	}
	for _, path := range paths {
		name := filepath.Base(path)
		file := filepath.Join(databasesDir, name+"-"+b.run)
		if err := sqldb.Snapshot(ctx, path, filepath.Join(b.dir, file)); err != nil {
			return fmt.Errorf("copying %s: %w", name, err)
		}
		m.Databases = append(m.Databases, backupFile{Name: name, File: file})
	}
	return nil
}

// bucket copies the packs of a store that have changed since they were copied last.
func (b *backup) bucket(ctx context.Context, m *manifest, bucket string) error {
	source := filepath.Join(b.data, bucket)
	packs, err := fs.Packs(source)
	if err != nil {
		return err
	}
	for _, p := range packs {
		have, ok := b.known[bucket+"/"+string(p.Key)]
		if !ok || !b.current(have, p) {
			have, err = b.pack(ctx, source, bucket, p.Key)
			if errs.Is(err, errs.NotFound) {
				continue // all of it was erased
			}
			if err != nil {
				return err
			}
		}
		m.Packs = append(m.Packs, have)
	}
	return nil
}

// current reports whether the copy is of the pack as it is.
func (b *backup) current(have backupPack, p fs.PackFile) bool {
	if have.Grows != p.Grows || have.PackFile.Size != p.Size || have.Modified.IsZero() || !have.Modified.Equal(p.Modified) {
		return false
	}
	info, err := os.Stat(filepath.Join(b.dir, have.File))
	return err == nil && info.Size() == have.backupFile.Size
}

func (b *backup) pack(ctx context.Context, source, bucket string, k storage.Key) (backupPack, error) {
	file := filepath.Join(bucket, string(k)+"-"+b.run)
	path := filepath.Join(b.dir, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return backupPack{}, err
	}
	c, err := fs.CopyPack(ctx, source, k, path)
	if err != nil {
		return backupPack{}, err
	}
	name, err := fs.PackName(k, c.Grows)
	if err != nil {
		return backupPack{}, err
	}
	p := backupPack{Bucket: bucket, PackFile: c.PackFile, backupFile: backupFile{
		Name: filepath.Join(bucket, name), File: file, Size: c.Length, SHA256: hex.EncodeToString(c.SHA256[:]),
	}}
	line, err := json.Marshal(p)
	if err == nil {
		_, err = b.progress.Write(append(line, '\n'))
	}
	b.known[bucket+"/"+string(k)] = p
	b.copied++
	b.bytes += c.Length
	return p, errors.Join(err, syncDir(filepath.Dir(path)))
}

// check holds each row of the copied index against the copied packs.
func (b *backup) check(ctx context.Context, m *manifest) (missing []lost, err error) {
	m.Instances = 0
	paths, tenants := map[storage.Key]string{}, map[storage.TenantID]bool{storage.DefaultTenant: true}
	for _, p := range m.Packs {
		if p.Bucket == studiesBucket {
			paths[p.Key] = filepath.Join(b.dir, p.File)
			tenant, _, _ := strings.Cut(string(p.Key), "/")
			tenants[storage.TenantID(tenant)] = true
		}
	}
	copies := fs.Copies{Path: func(k storage.Key) (string, bool) { p, ok := paths[k]; return p, ok }}
	defer copies.Close()
	ix, err := sqlite.Open(b.indexCopy(m), sqlite.Config{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ix.Close()) }()
	for t := range tenants {
		for e, err := range ix.Locate(ctx, t, index.Ref{}, 0) {
			has := false
			if err == nil {
				has, err = copies.Has(e.Location)
			}
			if err != nil {
				return nil, err
			}
			m.Instances++
			if !has {
				missing = append(missing, lost{t, e.Ref, e.Location})
			}
		}
	}
	return missing, nil
}

// sweep removes the files that the manifest does not name any more.
func (b *backup) sweep(m *manifest) error {
	named := map[string]bool{manifestFile: true, "lock": true}
	for _, f := range m.files() {
		named[f.File] = true
	}
	return filepath.WalkDir(b.dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(b.dir, path)
		if err != nil || named[rel] || !b.ours(rel) {
			return err
		}
		return os.Remove(path)
	})
}

// ours reports whether a file was made by a backup: others are left alone.
func (b *backup) ours(rel string) bool {
	bucket, _, _ := strings.Cut(rel, string(filepath.Separator))
	return bucket == databasesDir || bucket == studiesBucket || bucket == derivedBucket
}
