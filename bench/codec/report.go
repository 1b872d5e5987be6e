package main

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"time"
)

const intro = `# Codecs

What the codecs of ` + "`dicom/codec`" + ` cost, held against C on the same frames in one run: DCMTK's own codecs and the C libraries, in process, each in turn. ` +
	`The least CPU time of one call of many counts; MB are of decoded samples. ` + "`make bench-codec`" + ` writes this file.

Frames to decode were encoded by DCMTK where it can (quality 90, ours otherwise). CT 512x512, MR 384x384, MG a square of 1024 cut from a mammogram, ` +
	`US 640x480 RGB, all of ` + "`../shared/data`" + `; grey samples made unsigned. Allocations are of ours, for one frame into a buffer that is large enough.

`

// render writes the tables.
func render(rows []row, dcmtk, clib *peer) []byte {
	var b bytes.Buffer
	b.WriteString(intro)
	fmt.Fprintf(&b, "Measured with %s on %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, p := range []*peer{dcmtk, clib} {
		if p != nil {
			fmt.Fprintf(&b, "; %s", p.versions)
		}
	}
	b.WriteString(".\n\n## Decode\n\n| codec | frame | ours MB/s | DCMTK MB/s | library MB/s | our time / DCMTK's | / library's | goal | met | allocations | bytes |\n|---|---|---:|---:|---:|---:|---:|---|---|---:|---:|\n")
	for _, r := range rows {
		t := r.decode
		if t.ours == 0 {
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %d | %d |\n", r.name, r.subject.picture, speed(r.size, t.ours), speed(r.size, t.dcmtk),
			r.withLibrary(speed(r.size, t.clib)), ratio(t.ours, t.dcmtk), ratio(t.ours, t.clib), r.goal, r.met(), t.allocations, t.allocated)
	}
	for _, r := range rows {
		if len(r.decode.differs) > 0 {
			fmt.Fprintf(&b, "\n%s of %s: %s decoded other samples than we.\n", r.name, r.subject.picture, strings.Join(r.decode.differs, " and "))
		}
	}
	b.WriteString("\n## Encode\n\n| codec | frame | ours MB/s | DCMTK MB/s | library MB/s | our time / DCMTK's | / library's | ours 1: | DCMTK 1: | library 1: | allocations | bytes |\n|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, r := range rows {
		t := r.encode
		if t.ours == 0 {
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %d | %d |\n", r.name, r.subject.picture, speed(r.size, t.ours), speed(r.size, t.dcmtk),
			r.withLibrary(speed(r.size, t.clib)), ratio(t.ours, t.dcmtk), ratio(t.ours, t.clib),
			compression(r.size, t.sizes[0]), compression(r.size, t.sizes[1]), compression(r.size, t.sizes[2]), t.allocations, t.allocated)
	}
	return b.Bytes()
}

func (r row) withLibrary(speed string) string {
	if speed == "" {
		return ""
	}
	return r.library + " " + speed
}

func speed(size int, t time.Duration) string {
	if t == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f", float64(size)/t.Seconds()/1e6)
}

func ratio(a, b time.Duration) string {
	if a == 0 || b == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", a.Seconds()/b.Seconds())
}

func compression(size, encoded int) string {
	if encoded == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", float64(size)/float64(encoded))
}

func (g goal) String() string {
	if g.peer == "" {
		return ""
	}
	return fmt.Sprintf("%g x %s", g.ratio, g.peer)
}

func (r row) met() string {
	than := r.decode.clib
	if r.goal.peer == "DCMTK" {
		than = r.decode.dcmtk
	}
	switch {
	case r.goal.peer == "" || than == 0:
		return ""
	case r.decode.ours.Seconds() <= r.goal.ratio*than.Seconds():
		return "yes"
	}
	return "no"
}

func (t timing) line(verb string, r row) string {
	return fmt.Sprintf("%s %-15s %-9s ours %8s  DCMTK %8s  library %8s", verb, r.name, r.subject.picture, speed(r.size, t.ours), speed(r.size, t.dcmtk), speed(r.size, t.clib))
}
