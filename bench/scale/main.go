// Command scale measures an index at 10 thousand to 10 million instances: it fills SQLite and
// PostgreSQL with a seeded hospital (no pixel bytes) and asks what viewers and archives ask. One
// index grows from size to size; a run that was broken off goes on where it was. Not part of the
// product. `make bench-scale` runs it and writes docs/SCALE.md's table.
//
// It leaves out doors and blobs: make bench measures those.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type options struct {
	engines, sizes, dir, url, shared, out string
	seed                                  uint64
	child                                 string
	to                                    int
}

func main() {
	var o options
	flag.StringVar(&o.engines, "engines", "sqlite,postgres", "which to measure")
	flag.StringVar(&o.sizes, "sizes", "10000,100000,1000000", "instances, ascending")
	flag.StringVar(&o.dir, "dir", "bench-results/scale", "where indexes and results are kept")
	flag.StringVar(&o.url, "url", "", "of PostgreSQL (default: the part, durable)")
	flag.StringVar(&o.shared, "shared", "../shared", "folder with parts")
	flag.StringVar(&o.out, "out", "", "file for the table (default: standard output)")
	flag.Uint64Var(&o.seed, "seed", 4, "of the hospital")
	flag.StringVar(&o.child, "child", "", "load or ask: used by the program itself")
	flag.IntVar(&o.to, "to", 0, "with -child load")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := o.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

func (o *options) run(ctx context.Context) error {
	if o.child != "" {
		return o.runChild(ctx)
	}
	if err := os.MkdirAll(o.dir, 0o750); err != nil {
		return err
	}
	for name := range strings.SplitSeq(o.engines, ",") {
		if err := o.measure(ctx, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return o.report()
}

// runChild does one step in a process of its own, so that memory is the step's.
func (o *options) runChild(ctx context.Context) error {
	h := hospital{seed: o.seed, perObject: inPack}
	if strings.HasPrefix(o.engines, "postgres") {
		h.perObject = 1 // as blob/s3 keeps them
	}
	e, err := openEngine(o.engines, o.dir, o.url)
	if err != nil {
		return err
	}
	var result any
	if o.child == "load" {
		result, err = load(ctx, h, e, o.dir, o.to)
	} else {
		result, err = o.ask(ctx, h, e)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

func (o *options) ask(ctx context.Context, h hospital, e engine) (asked, error) {
	small, err := openEngine(e.name+smallSuffix, o.dir, o.url)
	if err != nil {
		return asked{}, err
	}
	answers, err := askAll(ctx, h, e, small, o.dir)
	return asked{Answers: answers, RSS: peakRSS(), Server: e.server()}, err
}

// asked is what a process that put all questions reports.
type asked struct {
	Answers []answer `json:"answers"`
	RSS     int64    `json:"rss"`    // peak of ours
	Server  int64    `json:"server"` // of the engine's processes, when they had answered
}

// smallest size, and that of the index that is asked in turns.
const smallest = 10_000

// result of one size; a file each.
type result struct {
	Engine string  `json:"engine"`
	Size   int     `json:"size"`
	When   string  `json:"when"`
	Load   loaded  `json:"load"`
	Asked  asked   `json:"asked"`
	Disk   int64   `json:"disk"`
	Busy   float64 `json:"load_average"` // of the machine, others included
}

func (o *options) resultFile(engine string, size int) string {
	return filepath.Join(o.dir, fmt.Sprintf("%s-%d.json", engine, size))
}

func (o *options) sizeList() (out []int, err error) {
	for s := range strings.SplitSeq(o.sizes, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < smallest || len(out) > 0 && n <= out[len(out)-1] {
			return nil, errors.New("sizes must ascend and start at 10000 or more")
		}
		out = append(out, n)
	}
	return out, nil
}

// measure brings one engine to each size and asks; sizes with a result are passed over.
func (o *options) measure(ctx context.Context, name string) error {
	sizes, err := o.sizeList()
	if err != nil {
		return err
	}
	sizes = slices.DeleteFunc(sizes, func(size int) bool {
		_, err := os.Stat(o.resultFile(name, size))
		return err == nil
	})
	if len(sizes) == 0 {
		return nil
	}
	if name == "postgres" && o.url == "" {
		address, pid, err := startPostgres(o.shared)
		if err != nil {
			return err
		}
		own := *o
		own.url = address
		o = &own
		if err := os.Setenv("SCALE_SERVER_PID", pid); err != nil {
			return err
		}
	}
	e, err := openEngine(name, o.dir, o.url)
	if err != nil {
		return err
	}
	if name == "postgres" {
		if err := createSmall(ctx, o.url); err != nil {
			return err
		}
	}
	var small loaded
	if err := o.step(ctx, name+smallSuffix, &small, "load", smallest); err != nil {
		return err
	}
	for _, size := range sizes {
		r := result{Engine: name, Size: size, When: time.Now().UTC().Format(time.DateTime)}
		if err := o.step(ctx, name, &r.Load, "load", size); err != nil {
			return err
		}
		if r.Load.Instances > size+size/5 {
			return fmt.Errorf("the index holds %d instances already, and no result for %d", r.Load.Instances, size)
		}
		if err := o.step(ctx, name, &r.Asked, "ask", size); err != nil {
			return err
		}
		if r.Disk, err = e.disk(ctx); err != nil {
			return err
		}
		r.Busy = loadAverage()
		b, err := json.MarshalIndent(r, "", "\t")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.resultFile(name, size), b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (o *options) step(ctx context.Context, engine string, into any, child string, to int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, "-child", child, "-to", strconv.Itoa(to), "-engines", engine,
		"-dir", o.dir, "-url", o.url, "-seed", strconv.FormatUint(o.seed, 10))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s: %w", child, err)
	}
	return json.Unmarshal(out, into)
}

// peakRSS of this process.
func peakRSS() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return u.Maxrss << 10 // KiB on Linux
}

func loadAverage() float64 {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(b), " ")
	f, _ := strconv.ParseFloat(first, 64)
	return f
}
