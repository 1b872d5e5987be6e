package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/archive/ingest"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// importCmd brings in what is on a disk: straight into the data directory while no server uses
// it, else through the server.
type importCmd struct {
	Paths        []string `arg:"" optional:"" name:"path" help:"Folders, zips, DICOMDIRs and files; - reads one object or one zip from standard input."`
	Orthanc      string   `placeholder:"DIR" help:"Import the storage directory of an Orthanc that is stopped, and compare."`
	OrthancIndex string   `name:"orthanc-index" placeholder:"FILE" help:"Orthanc's SQLite index (default: the file index in its directory)."`

	engineFlags `embed:""`
	limitFlags  `embed:""`
	URL         string `name:"url" placeholder:"http://HOST:PORT" help:"Store through the server at this address; default while a server uses the data directory: ${import_url}."`
	Duplicates  string `enum:"keep-first,replace" default:"keep-first" help:"Other bytes under a stored SOP Instance UID: keep-first refuses them, replace takes them."`
	Workers     int    `short:"p" help:"Objects on their way at the same time; default twice the cores, at least 8."`
	Resume      bool   `default:"true" negatable:"" help:"Continue where an import of the same paths was cut short."`
	Report      string `placeholder:"FILE" help:"Write a JSON line for everything that was not stored, and for every difference from Orthanc."`
}

// importURL is where serve listens by default.
const importURL = "http://127.0.0.1:8000"

// Validate implements kong's hook.
func (c *importCmd) Validate() error {
	if err := c.engineFlags.Validate(); err != nil {
		return err
	}
	switch {
	case c.Orthanc == "" && c.OrthancIndex != "":
		return errors.New("--orthanc-index: want --orthanc too")
	case c.Orthanc == "" && len(c.Paths) == 0:
		return errors.New("nothing to import: want paths, or --orthanc")
	case c.Orthanc != "" && len(c.Paths) > 0:
		return errors.New("want paths or --orthanc, not both")
	}
	return nil
}

// Run implements the command.
func (c *importCmd) Run(ctx context.Context, out io.Writer) (err error) {
	src, orthanc, err := c.source()
	if err != nil {
		return err
	}
	if orthanc != nil {
		defer orthanc.index.Close()
	}
	to, err := c.target(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.close()) }()
	journal, err := c.journal(to)
	if err != nil {
		return err
	}
	report, err := openReport(c.Report)
	if err != nil {
		return errors.Join(err, journal.Close())
	}
	defer func() { err = errors.Join(err, report.close()) }()

	p := newImportProgress(os.Stderr, report)
	if orthanc != nil {
		p.total, p.sum, _ = orthanc.Measure() // without it there is no forecast
	} else {
		p.measure(ctx, c.Paths)
	}
	defer p.end()
	if n := journal.Known(); n > 0 {
		p.say("continuing: %d files were stored by an earlier run; --no-resume reads them again", n)
	}
	summary, err := ingest.Run(ctx, to, storage.DefaultTenant, src, ingest.Options{Workers: c.Workers, Journal: journal}, p.add)
	p.end()
	if err := p.table(out, summary); err != nil {
		return errors.Join(err, journal.Close())
	}
	if err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted; the same command continues where this one ended")
		}
		return errors.Join(err, journal.Close())
	}
	if summary.Count(ingest.Failed) > 0 {
		err = journal.Close()
	} else {
		err = journal.Finish()
	}
	if orthanc != nil {
		err = errors.Join(err, orthanc.compare(ctx, to, report, out))
	}
	if !summary.Fine() {
		err = errors.Join(err, errors.New("not everything was stored"))
	}
	return err
}

// source is what the command line names.
func (c *importCmd) source() (ingest.Source, *orthancStorage, error) {
	if c.Orthanc == "" {
		if len(c.Paths) == 1 && c.Paths[0] == "-" {
			return ingest.Stream(ingest.Limits{}, "-", os.Stdin), nil, nil
		}
		return ingest.Files(ingest.Limits{}, c.Paths...), nil, nil
	}
	dir, err := filepath.Abs(c.Orthanc)
	if err != nil {
		return nil, nil, err
	}
	file := cmp.Or(c.OrthancIndex, filepath.Join(dir, "index"))
	index, err := sqldb.OpenForeign(file)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %s", file, reason(err))
	}
	o := &orthancStorage{Orthanc: ingest.Orthanc{Dir: dir, Index: index}, index: index}
	if err := o.Check(); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %s", file, reason(err)), index.Close())
	}
	return o.Items(), o, nil
}

// target is where objects go.
type target interface {
	ingest.Storer
	ingest.Finder
	name() string // what a journal is about, beside the paths
	close() error
}

// local is the archive itself: a data directory, or engines that nodes share.
type local struct {
	*archive.Archive
	stores *stores
	about  string
	stop   context.CancelFunc
	done   chan error
}

func (l *local) name() string { return l.about }

func (l *local) close() error {
	l.stop()
	return errors.Join(<-l.done, l.stores.Close())
}

// target opens the data directory, or the server that has it.
func (c *importCmd) target(ctx context.Context) (target, error) {
	if c.URL != "" {
		return dialWeb(ctx, c.URL)
	}
	dir, err := checkData(c.Data)
	if err != nil {
		return nil, err
	}
	st, err := c.open(ctx)
	if errs.Is(err, errs.Unavailable) && c.S3.Endpoint == "" && c.Database == "" { // the directory has its one owner
		server, unreached := dialWeb(ctx, importURL)
		if unreached != nil {
			return nil, fmt.Errorf("%s: %s; and no server answers at %s: stop the process that uses it, or say --url", dir, errs.Safe(err), importURL)
		}
		fmt.Fprintf(os.Stderr, "%s is in use: storing through the server at %s\n", dir, importURL)
		return server, nil
	}
	if err != nil {
		return nil, err
	}
	if _, err := c.identify(ctx, st, false); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	cfg := archive.Config{Derived: st.derived}
	if c.Duplicates == "replace" {
		cfg.Duplicates = archive.Replace
	}
	c.bound(&cfg, st.blobs)
	a := archive.New(cfg, st.blobs, st.index)
	if _, err := a.Recover(ctx); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	base, stop := context.WithCancel(context.WithoutCancel(ctx))
	l := &local{Archive: a, stores: st, about: dir + " " + c.S3.Endpoint + " " + c.S3.Prefix + " " + c.Database, stop: stop, done: make(chan error, 1)}
	go func() { l.done <- a.Run(base) }()
	return l, nil
}

// journal opens the journal of these paths and this target, in the data directory.
func (c *importCmd) journal(to target) (*ingest.Journal, error) {
	dir, err := filepath.Abs(c.Data)
	if c.URL != "" { // no data directory of ours
		dir, err = os.UserCacheDir()
		dir = filepath.Join(dir, "aurelius")
	}
	if err != nil {
		return nil, err
	}
	about := []string{to.name(), c.Orthanc}
	for _, path := range append([]string{c.Orthanc}, c.Paths...) {
		if path, err = filepath.Abs(path); err != nil {
			return nil, err
		}
		about = append(about, path)
	}
	sum := sha256.Sum256([]byte(strings.Join(about, "\x00")))
	file := filepath.Join(dir, "import", hex.EncodeToString(sum[:8])+".journal")
	if !c.Resume {
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	return ingest.OpenJournal(file)
}

// orthancStorage is an Orthanc's storage with its open index.
type orthancStorage struct {
	ingest.Orthanc
	index *sqldb.Foreign
}

// compare reports how Orthanc's index, its files and the archive differ.
func (o *orthancStorage) compare(ctx context.Context, to ingest.Finder, report *importReport, out io.Writer) error {
	unknown := 0
	err := o.Unknown(ctx, func(path string) {
		unknown++
		report.unknown(path)
	})
	if err != nil {
		return err
	}
	attributes := 0
	c, err := o.Compare(ctx, to, storage.DefaultTenant, func(d ingest.Difference) {
		if d.What != "instances" {
			attributes++
		}
		report.difference(d)
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "compared with Orthanc: %d patients, %d studies, %d series; %d counts differ (%d lower here), "+
		"%d attributes differ, %d files that its index does not know\n",
		c.Patients, c.Studies, c.Series, c.Differences-int64(attributes), c.Less, attributes, unknown)
	return err
}

// importProgress counts results, shows them to a person who watches, and writes the report.
type importProgress struct {
	mu            sync.Mutex
	stderr        *os.File
	watched       bool
	report        *importReport
	begun, showed time.Time
	complaints    int
	refused       map[errs.Kind]int

	files, bytes int64 // so far, in bytes of the source
	objects      int64
	total, sum   int64 // what there is; 0: not known yet

	measuring sync.WaitGroup
	stop      context.CancelFunc // of measuring
}

func newImportProgress(stderr *os.File, report *importReport) *importProgress {
	return &importProgress{stderr: stderr, watched: isTerminal(stderr), report: report, begun: time.Now(), refused: map[errs.Kind]int{}}
}

// measure finds out how much there is, for the forecast, beside the import; end waits for it.
func (p *importProgress) measure(ctx context.Context, paths []string) {
	if !p.watched {
		return
	}
	ctx, p.stop = context.WithCancel(ctx)
	p.measuring.Go(func() {
		files, bytes := ingest.Measure(ctx, paths...)
		if ctx.Err() == nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.total, p.sum = files, bytes
		}
	})
}

func (p *importProgress) wipe() {
	if p.watched {
		_, _ = fmt.Fprint(p.stderr, "\r\x1b[K")
	}
}

func (p *importProgress) say(format string, args ...any) {
	p.wipe()
	_, _ = fmt.Fprintf(p.stderr, format+"\n", args...)
}

// linesEvery is how often a log gets a line of progress.
const linesEvery = 10 * time.Second

// add is called with one result at a time.
func (p *importProgress) add(r ingest.Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files++
	p.bytes += max(r.Cost, 0)
	if r.Outcome != ingest.NotDICOM {
		p.objects++
	}
	switch {
	case r.Outcome == ingest.Refused:
		p.refused[errs.KindOf(r.Err)]++
	case r.Outcome == ingest.Stored, r.Outcome == ingest.Identical, r.Outcome == ingest.Before:
		p.show()
		return
	}
	p.report.result(r)
	if !r.Outcome.Fine() {
		if p.complaints++; p.complaints <= maxComplaints {
			p.say("%s: %s: %s", clean(r.Path), r.Outcome, clean(reason(r.Err)))
		}
		if p.complaints == maxComplaints {
			p.say("more of these are only counted; --report FILE has them all")
		}
	}
	p.show()
}

// reason prefers the words that were chosen for a person.
func reason(err error) string {
	if text := errs.Safe(err); text != errs.KindOf(err).String() {
		return text
	}
	return err.Error()
}

func (p *importProgress) show() {
	every := linesEvery
	if p.watched {
		every = 200 * time.Millisecond
	}
	now := time.Now()
	if p.showed.IsZero() {
		p.showed = p.begun
	}
	if now.Sub(p.showed) < every {
		return
	}
	p.showed = now
	took := now.Sub(p.begun)
	line := fmt.Sprintf("%d instances, %.1f MB/s", p.objects, float64(p.bytes)/1e6/took.Seconds())
	if p.sum > 0 && p.bytes > 0 {
		part := min(float64(p.bytes)/float64(p.sum), 1)
		left := time.Duration(float64(took) * (1 - part) / part).Round(time.Second)
		const width = 24
		bar := strings.Repeat("#", int(part*width))
		line = fmt.Sprintf("[%-*s] %3.0f %% of %d files  %s, %s left", width, bar, part*100, p.total, line, left)
	}
	if !p.watched {
		_, _ = fmt.Fprintln(p.stderr, line)
		return
	}
	_, _ = fmt.Fprintf(p.stderr, "\r%s\x1b[K", line)
}

// end takes the progress line away; it may be called twice.
func (p *importProgress) end() {
	if p.stop != nil {
		p.stop()
		p.measuring.Wait()
	}
	p.wipe()
}
