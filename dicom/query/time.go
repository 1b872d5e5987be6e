package query

import (
	"strings"
	"time"

	"github.com/aurelius-imaging/aurelius/dicom/value"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// date returns a DA value as YYYYMMDD, "" if it is none.
func date(s string) string {
	d, err := value.ParseDA(s)
	switch {
	case err != nil:
		return ""
	case len(s) == len("YYYYMMDD"):
		return s // as nearly all are written
	}
	return d.String()
}

// clock returns a TM value as twelve digits HHMMSSffffff, what is missing as zero; "" if it is
// none.
func clock(s string) string {
	t, err := value.ParseTM(s)
	if err != nil {
		return ""
	}
	return t.Sortable()
}

// lastClock is clock for the end of a range: what is missing is the latest it can be, so that
// 10-1030 includes 10:30:59.
func lastClock(s string) string {
	t, err := value.ParseTM(s)
	if err != nil {
		return ""
	}
	return t.Latest().Sortable()
}

// span is the time a DT value stands for, first and last microsecond included; of a range, an
// end that is open is zero.
type span struct{ first, last time.Time }

// moment reads a DT value. Without an offset from UTC it is taken as UTC, on both sides of a
// comparison.
func moment(s string) (span, bool) {
	d, err := value.ParseDT(s)
	if err != nil {
		return span{}, false
	}
	return span{d.Earliest(time.UTC), d.Latest(time.UTC)}, true
}

func (s span) equal(o span) bool { return s.first.Equal(o.first) && s.last.Equal(o.last) }

// overlaps reports whether any moment of o lies in s, which may be open.
func (s span) overlaps(o span) bool {
	return (s.first.IsZero() || !o.last.Before(s.first)) && (s.last.IsZero() || !o.first.After(s.last))
}

// isTime reports whether s is a value of DA, TM or DT.
func isTime(v vr.VR, s string) bool {
	var err error
	switch v {
	case vr.DA:
		_, err = value.ParseDA(s)
	case vr.TM:
		_, err = value.ParseTM(s)
	case vr.DT:
		_, err = value.ParseDT(s)
	}
	return err == nil
}

// timeKey is newKey for DA, TM and DT: a single value, a range (PS3.4 C.2.2.2.5), a list or,
// though no wildcard is allowed, one like 2024*, which is asked for all the same.
func timeKey(op string, k Key, text string) (Key, bool, error) {
	if isTime(k.VR, text) {
		k.Kind, k.Values = Single, []string{text}
		return k, true, nil
	}
	if from, to, ok := cut(k.VR, text); ok {
		k.Kind, k.Values = Range, []string{from, to}
		return k, from != "" || to != "", nil
	}
	if parts := strings.FieldsFunc(text, func(r rune) bool { return r == '\\' || r == ',' }); len(parts) > 1 {
		for _, s := range parts {
			if s = strings.TrimSpace(s); !isTime(k.VR, s) {
				return k, false, badTime(op, k)
			}
			k.Values = append(k.Values, s)
		}
		k.Kind = List
		return k, true, nil
	}
	if k.VR != vr.DT && wild(text) && strings.Trim(text, "0123456789*?.:") == "" {
		k.Kind, k.Values = Wildcard, []string{collapse(text)}
		return k, true, nil
	}
	return k, false, badTime(op, k)
}

func badTime(op string, k Key) error {
	return errs.Errorf(errs.Invalid, op, "the value of %s is no %s and no range", k.Path[len(k.Path)-1], k.VR)
}

// cut splits a range at its hyphen; of several (offsets from UTC have one too) at the first
// that leaves valid values on both sides.
func cut(v vr.VR, text string) (from, to string, ok bool) {
	for i := range len(text) {
		if text[i] != '-' {
			continue
		}
		from, to = strings.TrimSpace(text[:i]), strings.TrimSpace(text[i+1:])
		if (from == "" || isTime(v, from)) && (to == "" || isTime(v, to)) {
			return from, to, true
		}
	}
	return "", "", false
}
