package query

import (
	"strings"
	"time"
)

// Date reads a DA value as YYYYMMDD; the form of ACR-NEMA, YYYY.MM.DD, is understood (PS3.5
// Table 6.2-1). It reports false for anything else.
func Date(s string) (string, bool) {
	if len(s) == 10 && s[4] == '.' && s[7] == '.' {
		s = s[:4] + s[5:7] + s[8:]
	}
	if len(s) != 8 || !digits(s) {
		return "", false
	}
	if m := s[4:6]; m < "01" || m > "12" {
		return "", false
	}
	if d := s[6:]; d < "01" || d > "31" {
		return "", false
	}
	return s, true
}

// Clock reads a TM value as twelve digits HHMMSSffffff, what is missing as zero. The form of
// ACR-NEMA with colons is understood.
func Clock(s string) (string, bool) { return clock(s, "000000000000") }

// lastClock is Clock for the end of a range: what is missing is the latest it can be, so that
// 10-1030 includes 10:30:59.
func lastClock(s string) (string, bool) { return clock(s, "235959999999") }

func clock(s, rest string) (string, bool) {
	if strings.IndexByte(s, ':') >= 0 {
		s = strings.ReplaceAll(s, ":", "")
	}
	whole, fraction, dot := strings.Cut(s, ".")
	if dot && (len(whole) != 6 || fraction == "" || len(fraction) > 6 || !digits(fraction)) {
		return "", false
	}
	if n := len(whole); n != 2 && n != 4 && n != 6 || !digits(whole) {
		return "", false
	}
	if whole[:2] > "23" || len(whole) > 2 && whole[2:4] > "59" || len(whole) > 4 && whole[4:6] > "60" {
		return "", false
	}
	s = whole + fraction
	return s + rest[len(s):], true
}

// instant is the span of time a DT value stands for, first and last included.
type instant struct{ first, last time.Time }

// moment reads a DT value: YYYY[MM[DD[HH[MM[SS[.ffffff]]]]]][&ZZXX]. Without an offset from UTC
// it is taken as UTC, on both sides of a comparison.
func moment(s string) (instant, bool) {
	zone := time.UTC
	if i := strings.LastIndexAny(s, "+-"); i >= 4 {
		z := s[i:]
		if len(z) != 5 || !digits(z[1:]) || z[3:] > "59" {
			return instant{}, false
		}
		seconds := (int(z[1]-'0')*10+int(z[2]-'0'))*3600 + (int(z[3]-'0')*10+int(z[4]-'0'))*60
		if z[0] == '-' {
			seconds = -seconds
		}
		if seconds > 14*3600 || seconds < -12*3600 {
			return instant{}, false
		}
		zone, s = time.FixedZone("", seconds), s[:i]
	}
	whole, fraction, dot := strings.Cut(s, ".")
	if !digits(whole) || dot && (len(whole) != 14 || fraction == "" || len(fraction) > 6 || !digits(fraction)) {
		return instant{}, false
	}
	layout, step := "", time.Nanosecond
	var years, months, days int
	switch len(whole) {
	case 4:
		layout, years = "2006", 1
	case 6:
		layout, months = "200601", 1
	case 8:
		layout, days = "20060102", 1
	case 10:
		layout, step = "2006010215", time.Hour
	case 12:
		layout, step = "200601021504", time.Minute
	case 14:
		layout, step = "20060102150405", time.Second
	default:
		return instant{}, false
	}
	first, err := time.ParseInLocation(layout, whole, zone)
	if err != nil {
		return instant{}, false
	}
	if dot {
		micros := 0
		for _, c := range (fraction + "000000")[:6] {
			micros = micros*10 + int(c-'0')
		}
		first, step = first.Add(time.Duration(micros)*time.Microsecond), time.Microsecond
		for range 6 - len(fraction) {
			step *= 10
		}
	}
	last := first.AddDate(years, months, days)
	if years+months+days == 0 {
		last = first.Add(step)
	}
	return instant{first, last.Add(-time.Nanosecond)}, true
}

func digits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) > 0
}
