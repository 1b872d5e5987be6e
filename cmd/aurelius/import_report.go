package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/aurelius-imaging/aurelius/archive/ingest"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// table writes what became of everything, aligned for a person, tab-separated for a program.
func (p *importProgress) table(out io.Writer, s ingest.Summary) error {
	var w io.Writer = out
	flush := func() error { return nil }
	if isTerminal(out) {
		tab := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
		w, flush = tab, tab.Flush
	}
	took := time.Since(p.begun).Seconds()
	stored := s.Count(ingest.Stored)
	fmt.Fprintf(w, "stored\t%d\t%.1f MB in %.2f s, %.0f instances/s, %.1f MB/s\n", stored, float64(s.Bytes)/1e6, took,
		float64(stored)/took, float64(s.Bytes)/1e6/took)
	for _, row := range []struct {
		outcome ingest.Outcome
		meaning string
	}{
		{ingest.Identical, "the same was there already"},
		{ingest.Before, "stored by an earlier run"},
		{ingest.Conflict, "another object has the SOP Instance UID"},
		{ingest.Refused, ""},
		{ingest.NotDICOM, "left alone"},
		{ingest.Missing, "listed, but not there"},
		{ingest.Damaged, "not what its container says"},
		{ingest.Failed, "could not be read or stored"},
	} {
		n := s.Count(row.outcome)
		if n == 0 {
			continue
		}
		if row.outcome != ingest.Refused {
			fmt.Fprintf(w, "%s\t%d\t%s\n", row.outcome, n, row.meaning)
			continue
		}
		for _, kind := range errs.Kinds() {
			if k := p.refused[kind]; k > 0 {
				fmt.Fprintf(w, "%s\t%d\t%s\n", row.outcome, k, kind)
			}
		}
	}
	return flush()
}

// importReport is the operator's list of what needs looking at; it names files and patients, so
// nobody else may read it. Its methods are not safe for concurrent use; a nil report keeps none.
type importReport struct {
	f   *os.File
	w   *bufio.Writer
	enc *json.Encoder
	err error
}

func openReport(path string) (*importReport, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	w := bufio.NewWriter(f)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return &importReport{f: f, w: w, enc: enc}, nil
}

func (r *importReport) line(v any) {
	if r != nil && r.err == nil {
		r.err = r.enc.Encode(v)
	}
}

// reportLine is one line of the report. What is set depends on Kind: an outcome of a file,
// "unknown file" of Orthanc, or "difference".
type reportLine struct {
	Kind   string `json:"kind"`
	Path   string `json:"path,omitempty"`
	Reason string `json:"reason,omitempty"`
	Error  string `json:"error,omitempty"`

	StudyInstanceUID  string `json:"study_instance_uid,omitempty"`
	SeriesInstanceUID string `json:"series_instance_uid,omitempty"`
	SOPInstanceUID    string `json:"sop_instance_uid,omitempty"`

	Level   string  `json:"level,omitempty"`
	ID      string  `json:"id,omitempty"`
	What    string  `json:"what,omitempty"`
	Orthanc *string `json:"orthanc,omitempty"`
	Archive *string `json:"archive,omitempty"`
}

func (r *importReport) result(i ingest.Result) {
	r.line(reportLine{Kind: i.Outcome.String(), Path: i.Path, Reason: errs.KindOf(i.Err).String(), Error: reason(i.Err),
		StudyInstanceUID: i.StudyInstanceUID, SeriesInstanceUID: i.SeriesInstanceUID, SOPInstanceUID: i.SOPInstanceUID})
}

func (r *importReport) unknown(path string) {
	r.line(reportLine{Kind: "unknown file", Path: path, Error: "no row of Orthanc's index names it"})
}

func (r *importReport) difference(d ingest.Difference) {
	r.line(reportLine{Kind: "difference", Level: d.Level, ID: d.UID, What: d.What, Orthanc: &d.Orthanc, Archive: &d.Archive})
}

func (r *importReport) close() error {
	if r == nil {
		return nil
	}
	return errors.Join(r.err, r.w.Flush(), r.f.Close())
}
