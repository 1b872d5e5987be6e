package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

const (
	questions = 300
	warmUp    = 30
	patience  = 15 * time.Second // for one shape
)

// shape is a kind of question. Where a question's answer would grow with the index it is put so
// that it does not: what is compared is finding, not sending.
type shape struct {
	Name    string
	Indexed bool // else it walks, by its nature
	ask     func(ctx context.Context, a *asker) (matches int, err error)
}

// answer is what a shape took.
type answer struct {
	Name    string  `json:"name"`
	Indexed bool    `json:"indexed"`
	Asked   int     `json:"asked"`
	P50     float64 `json:"p50_us"`
	P99     float64 `json:"p99_us"`
	Small   float64 `json:"small_p50_us"` // of the small index, asked in turns
	Matches float64 `json:"matches"`
}

// asker puts questions about a loaded index.
type asker struct {
	h       hospital
	ix      index.Index
	rand    *rand.Rand
	loaded  progress
	prefix  []string // of names, which few have
	infix   []string // in names, which few have
	dates   []string // at least 25 studies are older
	ctDates []string // at least 10 studies with CT are older
	page    int      // of the deep pages, next
	aSeries []*study // studies with a series of about the mean
}

var shapes = []shape{
	{"patient ID", true, find(query.Study, func(a *asker) string { return "PatientID=" + a.any().patient.id })},
	{"accession number", true, find(query.Study, func(a *asker) string { return "AccessionNumber=" + a.any().accession })},
	{"study UID", true, find(query.Study, func(a *asker) string { return "StudyInstanceUID=" + a.any().uid })},
	{"name prefix", true, find(query.Study, func(a *asker) string { return "PatientName=" + url.QueryEscape(pick(a.rand, a.prefix)) + "*&limit=25" })},
	{"name prefix many have, first 25", true, find(query.Study, func(*asker) string { return "PatientName=S*&limit=25" })},
	{"date range, newest 25", true, find(query.Study, func(a *asker) string { return "StudyDate=-" + pick(a.rand, a.dates) + "&limit=25" })},
	{"modality and date, newest 10", true, find(query.Study, func(a *asker) string {
		return "ModalitiesInStudy=CT&StudyDate=-" + pick(a.rand, a.ctDates) + "&limit=10"
	})},
	{"series of a study", true, find(query.Series, func(a *asker) string { return "StudyInstanceUID=" + a.of().uid })},
	{"instances of a series", true, find(query.Instance, func(a *asker) string {
		st := a.of()
		return "StudyInstanceUID=" + st.uid + "&SeriesInstanceUID=" + st.middle().uid + "&limit=64"
	})},
	{"instance UID", true, find(query.Instance, func(a *asker) string {
		st := a.any()
		se := &st.series[a.rand.IntN(len(st.series))]
		return "SOPInstanceUID=" + a.h.instanceUID(st, se, 1+a.rand.IntN(se.instances))
	})},
	{"deep page, next one", true, find(query.Instance, (*asker).nextPage)},
	{"deep page, from nowhere", false, find(query.Instance, func(a *asker) string {
		return "limit=50&offset=" + strconv.Itoa(a.rand.IntN(a.loaded.Instances-50))
	})},
	{"name infix, first 25", false, find(query.Study, func(*asker) string { return "PatientName=" + url.QueryEscape("*an*") + "&limit=25" })},
	{"name infix few have", false, find(query.Study, func(a *asker) string {
		return "PatientName=" + url.QueryEscape("*"+pick(a.rand, a.infix)+"*") + "&limit=25"
	})},
	{"recent 25", true, func(ctx context.Context, a *asker) (int, error) {
		list, err := a.ix.Recent(ctx, storage.DefaultTenant, 25)
		return len(list), err
	}},
	{"series metadata", true, func(ctx context.Context, a *asker) (n int, err error) {
		st := a.of()
		r := index.Ref{StudyInstanceUID: st.uid, SeriesInstanceUID: st.middle().uid}
		for _, err := range a.ix.Locate(ctx, storage.DefaultTenant, r, index.WithHeader) {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}},
}

// find is a shape that goes through QIDO-RS parameters and Find.
func find(level query.Level, params func(*asker) string) func(context.Context, *asker) (int, error) {
	return func(ctx context.Context, a *asker) (n int, err error) {
		v, err := url.ParseQuery(params(a))
		if err != nil {
			return 0, err
		}
		q, err := query.FromParams(level, "", "", v)
		if err != nil {
			return 0, err
		}
		for _, err := range a.ix.Find(ctx, storage.DefaultTenant, q) {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
}

// any study that is there.
func (a *asker) any() *study { return a.h.study(a.rand.IntN(a.loaded.Studies)) }

// of returns a study whose middle series is of the usual size.
func (a *asker) of() *study { return pick(a.rand, a.aSeries) }

// middle is the series nearest to the mean.
func (st *study) middle() *series {
	best := &st.series[0]
	for i := range st.series {
		if distance(&st.series[i]) < distance(best) {
			best = &st.series[i]
		}
	}
	return best
}

func distance(se *series) int { return max(se.instances-meanSeries, meanSeries-se.instances) }

const meanSeries = 64

// nextPage goes through the second half of the instances page by page, as a client does that
// fetches a list.
func (a *asker) nextPage() string {
	at := a.loaded.Instances/2 + a.page*50
	if a.page++; at+50 > a.loaded.Instances {
		at, a.page = a.loaded.Instances/2, 1
	}
	return "limit=50&offset=" + strconv.Itoa(at)
}

// prepare looks through the studies that are there for what to ask.
func (a *asker) prepare() error {
	byPrefix := make(map[string]int)
	for n := range a.loaded.Studies {
		st := a.h.study(n)
		if d := distance(st.middle()); d <= 6 && len(a.aSeries) < 2000 {
			a.aSeries = append(a.aSeries, st)
		}
		a.dates = append(a.dates, st.date)
		if st.series[0].modality.name == "CT" {
			a.ctDates = append(a.ctDates, st.date)
		}
		name := []rune(strings.ToLower(st.patient.name))
		if i := slices.Index(name, '='); i >= 0 {
			continue
		}
		for l := 2; l <= len(name); l++ {
			byPrefix[string(name[:l])]++
		}
	}
	for p, n := range byPrefix {
		if n >= 2 && n <= 4 && !strings.HasSuffix(p, "^") {
			a.prefix = append(a.prefix, p)
			if family, given, ok := strings.Cut(p, "^"); ok && len([]rune(family)) >= 6 && given != "" {
				a.infix = append(a.infix, string([]rune(family)[2:])+"^"+given)
			}
		}
	}
	slices.Sort(a.prefix) // the same questions each time
	slices.Sort(a.infix)
	if len(a.infix) == 0 {
		a.infix = []string{"nobody"}
	}
	if len(a.prefix) == 0 || len(a.aSeries) == 0 || len(a.dates) < 26 || len(a.ctDates) < 11 {
		return errors.New("too few studies to ask about")
	}
	slices.Sort(a.dates)
	slices.Sort(a.ctDates)
	a.dates, a.ctDates = a.dates[25:], a.ctDates[10:]
	return nil
}

// newAsker opens an index and looks through what it was filled with.
func newAsker(ctx context.Context, h hospital, e engine, dir string) (*asker, error) {
	p, err := readProgress(dir, e.name)
	if err != nil {
		return nil, err
	}
	ix, err := e.open(ctx)
	if err != nil {
		return nil, err
	}
	a := &asker{h: h, ix: ix, rand: rand.New(rand.NewPCG(h.seed, 77)), loaded: p} //nolint:gosec // made-up data
	if err := a.prepare(); err != nil {
		return nil, errors.Join(err, ix.Close())
	}
	return a, nil
}

// askAll times every shape, in turns with the small index.
func askAll(ctx context.Context, h hospital, e, small engine, dir string) (out []answer, err error) {
	a, err := newAsker(ctx, h, e, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.ix.Close()) }()
	b, err := newAsker(ctx, h, small, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.ix.Close()) }()
	for _, s := range shapes {
		r, err := s.time(ctx, a, b)
		if err != nil {
			return out, fmt.Errorf("%s: %w", s.Name, err)
		}
		out = append(out, r)
	}
	return out, nil
}

func (s shape) time(ctx context.Context, a, small *asker) (answer, error) {
	var took, tookSmall []time.Duration
	matches, begin := 0, time.Now()
	for i := range warmUp + questions {
		impatient := time.Since(begin) > patience
		if len(took) > 10 && impatient {
			break
		}
		one, n, err := s.once(ctx, a)
		if err != nil {
			return answer{}, err
		}
		two, _, err := s.once(ctx, small)
		if err != nil {
			return answer{}, err
		}
		if i >= warmUp || impatient {
			took, tookSmall = append(took, one), append(tookSmall, two)
			matches += n
		}
	}
	return answer{Name: s.Name, Indexed: s.Indexed, Asked: len(took), P50: quantile(took, .5), P99: quantile(took, .99),
		Small: quantile(tookSmall, .5), Matches: float64(matches) / float64(len(took))}, nil
}

func (s shape) once(ctx context.Context, a *asker) (time.Duration, int, error) {
	begin := time.Now()
	n, err := s.ask(ctx, a)
	return time.Since(begin), n, err
}

// quantile in microseconds.
func quantile(took []time.Duration, q float64) float64 {
	slices.Sort(took)
	return float64(took[int(q*float64(len(took)-1))].Nanoseconds()) / 1e3
}
