package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// report writes the table of every result there is.
func (o *options) report() error {
	files, err := filepath.Glob(filepath.Join(o.dir, "*-[0-9]*.json"))
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
	if o.out == "" {
		_, err = os.Stdout.WriteString(table(results))
		return err
	}
	return insert(o.out, table(results))
}

// The table goes between two marks of a document, which are put at its end when it has none.
const (
	beginMark = "<!-- make bench-scale: begin -->\n"
	endMark   = "<!-- make bench-scale: end -->\n"
)

func insert(file, text string) error {
	b, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	before, rest, _ := strings.Cut(string(b), beginMark)
	_, after, _ := strings.Cut(rest, endMark)
	return os.WriteFile(file, []byte(before+beginMark+text+endMark+after), 0o644) //nolint:gosec // a document
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
		fmt.Fprintf(&b, "%d CPUs (%s), %s of memory; load average of the machine %s; %s", runtime.NumCPU(), cpuModel(), memory(),
			each(own, ", ", func(r result) string { return fmt.Sprintf("%.1f", r.Busy) }),
			each(own, ", ", func(r result) string { return r.When[:10] }))
		if engine == "postgres" {
			fmt.Fprintf(&b, "; durable commits, `%s`", postgresOptions)
		}
		b.WriteString(".\n\n")
		row := func(name string, cell func(r result) string) {
			fmt.Fprintf(&b, "| %s | %s | |\n", name, each(own, " | ", cell))
		}
		fmt.Fprintf(&b, "| p50 / p99 ms (matches) | %s | last to 10 k |\n", each(own, " | ", func(r result) string { return short(r.Size) }))
		fmt.Fprintf(&b, "| --- | %s | ---: |\n", each(own, " | ", func(result) string { return "---:" }))
		row("instances", func(r result) string { return fmt.Sprint(r.Load.Instances) })
		row("studies", func(r result) string { return fmt.Sprint(r.Load.Studies) })
		row("bulk store rate, /s", func(r result) string { return rate(r.Load.BulkRate) })
		row("store rate, 4 senders, /s", func(r result) string { return rate(r.Load.Rate4) })
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
			fmt.Fprintf(&b, "| %s | %s | %s |\n", name, each(own, " | ", func(r result) string {
				if i >= len(r.Asked.Answers) {
					return ""
				}
				a := r.Asked.Answers[i]
				return fmt.Sprintf("%.2f / %.2f (%.0f)", a.P50/1e3, a.P99/1e3, a.Matches)
			}), growth(own, i))
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

// growth is the p50 of a shape at the largest size to that of the small index in the same
// minute.
func growth(rs []result, shape int) string {
	last := rs[len(rs)-1].Asked.Answers
	if shape >= len(last) || last[shape].Small == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f", last[shape].P50/last[shape].Small)
}

func cpuModel() string {
	b, _ := os.ReadFile("/proc/cpuinfo") // another system: no name
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func memory() string {
	b, _ := os.ReadFile("/proc/meminfo") // as above
	var kib int64
	_, _ = fmt.Sscanf(string(b), "MemTotal: %d kB", &kib)
	return fmt.Sprintf("%d GiB", kib>>20)
}

// rate is empty where the index had been filled before.
func rate(r float64) string {
	if r == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f", r)
}

func mib(n int64) string { return fmt.Sprintf("%.0f", float64(n)/(1<<20)) }

func short(n int) string {
	if n >= 1_000_000 {
		return strconv.FormatFloat(float64(n)/1e6, 'g', 3, 64) + " M"
	}
	return fmt.Sprintf("%d k", n/1_000)
}
