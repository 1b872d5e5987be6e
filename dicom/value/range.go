package value

import (
	"strings"
	"time"
)

// Range is what a matching key says of dates or times (PS3.4 C.2.2.2.5): "A-B", "A-", "-B", or
// one value, which is both ends. An end that is open is nil.
type Range[T any] struct {
	From, To *T
}

// ParseDARange reads a date or a range of dates.
func ParseDARange(s string) (Range[Date], error) { return parseRange(s, "DA", ParseDA) }

// ParseTMRange reads a time or a range of times.
func ParseTMRange(s string) (Range[Time], error) { return parseRange(s, "TM", ParseTM) }

// ParseDTRange reads a date time or a range. A text that is one date time with an offset, such
// as 2024-0500, is that and no range of years.
func ParseDTRange(s string) (Range[DateTime], error) { return parseRange(s, "DT", ParseDT) }

func parseRange[T any](s, VR string, parse func(string) (T, error)) (Range[T], error) {
	s = trim(s)
	one, err := parse(s)
	if err == nil {
		return Range[T]{&one, &one}, nil
	}
	for at, c := range s {
		if c != '-' {
			continue
		}
		from, ok1 := end(s[:at], parse)
		to, ok2 := end(s[at+1:], parse)
		if ok1 && ok2 && (from != nil || to != nil) {
			return Range[T]{from, to}, nil
		}
	}
	if strings.Contains(s, "-") {
		err = bad(VR, "range without two ends")
	}
	return Range[T]{}, err
}

func end[T any](s string, parse func(string) (T, error)) (*T, bool) {
	if s = trim(s); s == "" {
		return nil, true
	}
	v, err := parse(s)
	return &v, err == nil
}

// ContainsDate reports whether the date lies in the range, ends included.
func ContainsDate(r Range[Date], d Date) bool {
	return (r.From == nil || d.Compare(*r.From) >= 0) && (r.To == nil || d.Compare(*r.To) <= 0)
}

// ContainsTime reports whether any moment the time covers lies in the range: 10 is in 1030-11.
// From later than To is a range over midnight.
func ContainsTime(r Range[Time], t Time) bool {
	after := r.From == nil || t.Latest() >= r.From.Earliest()
	before := r.To == nil || t.Earliest() <= r.To.Latest()
	if r.From != nil && r.To != nil && r.From.Earliest() > r.To.Latest() {
		return after || before
	}
	return after && before
}

// ContainsDateTime reports whether any moment the date time covers lies in the range. Where no
// offset is given loc counts.
func ContainsDateTime(r Range[DateTime], d DateTime, loc *time.Location) bool {
	return (r.From == nil || !d.Latest(loc).Before(r.From.Earliest(loc))) &&
		(r.To == nil || !d.Earliest(loc).After(r.To.Latest(loc)))
}
