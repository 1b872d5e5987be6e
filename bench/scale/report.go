package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// report writes the table of every result there is.
func (o *options) report() error {
	files, err := filepath.Glob(filepath.Join(o.dir, "*-*.json"))
	if err != nil {
		return err
	}
	var results []result
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		var r result
		if err := json.Unmarshal(b, &r); err != nil {
			return err
		}
		results = append(results, r)
	}
	slices.SortFunc(results, func(a, b result) int {
		if a.Engine != b.Engine {
			return -strings.Compare(a.Engine, b.Engine)
		}
		return a.Size - b.Size
	})
	w := io.Writer(os.Stdout)
	if o.out != "" {
		f, err := os.Create(o.out)
		if err != nil {
			return err
		}
		defer f.Close()
		w = f
	}
	_, err = io.WriteString(w, table(results))
	return err
}

// table has a row for each figure and a column for each engine and size.
func table(results []result) string {
	var b strings.Builder
	for engine := range engineNames(results) {
		var own []result
		for _, r := range results {
			if r.Engine == engine {
				own = append(own, r)
			}
		}
		fmt.Fprintf(&b, "### %s\n\n", engine)
		fmt.Fprintf(&b, "`go run ./bench/scale -engines %s`, %d CPUs, load average %s, %s\n\n", engine, runtime.NumCPU(), each(own, ", ", func(r result) string {
			return fmt.Sprintf("%.1f", r.Busy)
		}), each(own, ", ", func(r result) string { return r.When[:10] }))
		row := func(name string, cell func(r result) string) {
			fmt.Fprintf(&b, "| %s | %s |\n", name, each(own, " | ", cell))
		}
		row("", func(r result) string { return short(r.Size) })
		row("---", func(result) string { return "---:" })
		row("instances", func(r result) string { return fmt.Sprint(r.Load.Instances) })
		row("studies", func(r result) string { return fmt.Sprint(r.Load.Studies) })
		row("bulk store rate, /s", func(r result) string { return fmt.Sprintf("%.0f", r.Load.BulkRate) })
		row("store rate, 4 senders, /s", func(r result) string { return fmt.Sprintf("%.0f", r.Load.Rate4) })
		row("disk, bytes an instance", func(r result) string { return fmt.Sprintf("%.0f", float64(r.Disk)/float64(r.Load.Instances)) })
		row("RSS storing, MiB", func(r result) string { return mib(r.Load.RSS) })
		row("RSS asking, MiB", func(r result) string { return mib(r.Asked.RSS) })
		if engine != "sqlite" {
			row("memory of the server, MiB", func(r result) string { return mib(r.Asked.Server) })
		}
		for i, s := range shapes {
			name := s.Name
			if !s.Indexed {
				name += " (walks)"
			}
			row(fmt.Sprintf("%s: p50, p99 ms (matches)", name), func(r result) string {
				if i >= len(r.Asked.Answers) {
					return ""
				}
				a := r.Asked.Answers[i]
				return fmt.Sprintf("%.2f, %.2f (%.0f)", a.P50/1e3, a.P99/1e3, a.Matches)
			})
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func engineNames(results []result) func(func(string) bool) {
	return func(yield func(string) bool) {
		last := ""
		for _, r := range results {
			if r.Engine != last && !yield(r.Engine) {
				return
			}
			last = r.Engine
		}
	}
}

func each(rs []result, sep string, cell func(result) string) string {
	cells := make([]string, len(rs))
	for i, r := range rs {
		cells[i] = cell(r)
	}
	return strings.Join(cells, sep)
}

func mib(n int64) string { return fmt.Sprintf("%.0f", float64(n)/(1<<20)) }

func short(n int) string {
	if n >= 1_000_000 {
		return fmt.Sprintf("%d M", n/1_000_000)
	}
	return fmt.Sprintf("%d k", n/1_000)
}
