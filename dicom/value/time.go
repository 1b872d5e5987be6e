package value

import (
	"fmt"
	"strings"
	"time"
)

// Precision says down to which component a time is given.
type Precision uint8

// The precisions, from the coarsest.
const (
	Year Precision = iota
	Month
	Day
	Hour
	Minute
	Second
	Fraction
)

// Date is a value of DA.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// ParseDA reads a date: YYYYMMDD, or YYYY.MM.DD of old, or YYYY-MM-DD that some devices write.
func ParseDA(s string) (Date, error) {
	s = trim(s)
	if len(s) == 10 && (s[4] == '.' || s[4] == '-') && s[7] == s[4] {
		s = s[:4] + s[5:7] + s[8:]
	}
	if len(s) != 8 {
		return Date{}, bad("DA", "want YYYYMMDD")
	}
	y, ok1 := number(s[:4])
	m, ok2 := number(s[4:6])
	d, ok3 := number(s[6:])
	if !ok1 || !ok2 || !ok3 || m < 1 || m > 12 || d < 1 || d > daysIn(y, time.Month(m)) {
		return Date{}, bad("DA", "no day of the calendar")
	}
	return Date{y, time.Month(m), d}, nil
}

func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// String returns YYYYMMDD.
func (d Date) String() string { return fmt.Sprintf("%04d%02d%02d", d.Year, int(d.Month), d.Day) }

// IsZero reports whether there is no date.
func (d Date) IsZero() bool { return d == Date{} }

// Compare orders dates.
func (d Date) Compare(o Date) int { return d.ordinal() - o.ordinal() }

func (d Date) ordinal() int { return d.Year<<9 | int(d.Month)<<5 | d.Day }

// Time is a value of TM. What lies below its precision is zero.
type Time struct {
	Hour, Minute, Second int
	Microsecond          int
	Precision            Precision // Hour to Fraction
	Digits               int       // of the fraction, 1 to 6
}

// ParseTM reads a time: HH, HHMM, HHMMSS, HHMMSS.F to six digits, or with colons as of old.
// Second 60 is a leap second.
func ParseTM(s string) (Time, error) {
	s = trim(s)
	if len(s) > 5 && s[2] == ':' && s[5] == ':' {
		s = s[:2] + s[3:5] + s[6:]
	} else if len(s) == 5 && s[2] == ':' {
		s = s[:2] + s[3:]
	}
	return parseTime(s, "TM")
}

func parseTime(s, VR string) (Time, error) {
	t := Time{Precision: Hour}
	s, fraction, found := strings.Cut(s, ".")
	if len(s) != 2 && len(s) != 4 && len(s) != 6 || found && len(s) != 6 {
		return Time{}, bad(VR, "want HHMMSS.FFFFFF or a part of it from the left")
	}
	for i, part := range []*int{&t.Hour, &t.Minute, &t.Second} {
		if len(s) < 2 {
			break
		}
		n, ok := number(s[:2])
		if !ok || n > [...]int{23, 59, 60}[i] {
			return Time{}, bad(VR, "no time of the day")
		}
		*part, s = n, s[2:]
		t.Precision = Hour + Precision(i)
	}
	if found {
		n, ok := number(fraction)
		if !ok || len(fraction) > 6 {
			return Time{}, bad(VR, "want one to six digits behind the point")
		}
		t.Precision, t.Digits, t.Microsecond = Fraction, len(fraction), n
		for range 6 - len(fraction) {
			t.Microsecond *= 10
		}
	}
	return t, nil
}

// String returns the time with the precision it has.
func (t Time) String() string {
	s := fmt.Sprintf("%02d%02d%02d.%06d", t.Hour, t.Minute, t.Second, t.Microsecond)
	switch t.Precision {
	case Hour:
		return s[:2]
	case Minute:
		return s[:4]
	case Second:
		return s[:6]
	}
	return s[:7+t.Digits]
}

// Earliest returns the first microsecond of the day that the time covers.
func (t Time) Earliest() int64 {
	return ((int64(t.Hour)*60+int64(t.Minute))*60+int64(t.Second))*1e6 + int64(t.Microsecond)
}

// Latest returns the last: 10 covers 10:00:00.000000 to 10:59:59.999999.
func (t Time) Latest() int64 { return t.Earliest() + t.span() - 1 }

func (t Time) span() int64 {
	switch t.Precision {
	case Hour:
		return 3600e6
	case Minute:
		return 60e6
	case Second:
		return 1e6
	}
	span := int64(1)
	for range 6 - t.Digits {
		span *= 10
	}
	return span
}

// DateTime is a value of DT. What lies below its precision is its first: January, 1, zero.
type DateTime struct {
	Date
	Time      Time // with its own precision where DateTime's is Hour or finer
	Precision Precision
	Zoned     bool
	Offset    int // minutes east of UTC, where Zoned
}

// ParseDT reads a date time: YYYYMMDDHHMMSS.FFFFFF&ZZXX or a part of it from the left, with or
// without the offset from UTC.
func ParseDT(s string) (DateTime, error) {
	s = trim(s)
	d := DateTime{Date: Date{Month: time.January, Day: 1}}
	if at := strings.LastIndexAny(s, "+-"); at >= 4 {
		offset, ok := parseOffset(s[at:])
		if !ok {
			return DateTime{}, bad("DT", "offset from UTC is not between -1200 and +1400")
		}
		s, d.Zoned, d.Offset = s[:at], true, offset
	}
	date, clock := s, ""
	if len(s) > 8 {
		date, clock = s[:8], s[8:]
	}
	if len(date) != 4 && len(date) != 6 && len(date) != 8 {
		return DateTime{}, bad("DT", "want YYYYMMDDHHMMSS.FFFFFF or a part of it from the left")
	}
	full, err := ParseDA(date + "0101"[len(date)-4:])
	if err != nil || strings.ContainsAny(date, ".-") {
		return DateTime{}, bad("DT", "no day of the calendar")
	}
	d.Date, d.Precision = full, Precision(len(date)/2-2)
	if clock != "" {
		if d.Time, err = parseTime(clock, "DT"); err != nil {
			return DateTime{}, err
		}
		d.Precision = d.Time.Precision
	}
	return d, nil
}

func parseOffset(s string) (minutes int, ok bool) {
	if len(s) != 5 {
		return 0, false
	}
	hours, ok1 := number(s[1:3])
	minutes, ok2 := number(s[3:])
	minutes += 60 * hours
	if s[0] == '-' {
		minutes = -minutes
	}
	return minutes, ok1 && ok2 && minutes >= -12*60 && minutes <= 14*60 && s[3] < '6'
}

// String returns the date time with the precision it has.
func (d DateTime) String() string {
	s := d.Date.String()
	switch d.Precision {
	case Year:
		s = s[:4]
	case Month:
		s = s[:6]
	case Day:
	default:
		s += d.Time.String()
	}
	if d.Zoned {
		sign, m := '+', d.Offset
		if m < 0 {
			sign, m = '-', -m
		}
		s += fmt.Sprintf("%c%02d%02d", sign, m/60, m%60)
	}
	return s
}

// Earliest returns the first moment covered; without an offset it is in loc (Timezone Offset
// From UTC of the data set, else the site's).
func (d DateTime) Earliest(loc *time.Location) time.Time {
	if d.Zoned {
		loc = time.FixedZone("", d.Offset*60)
	}
	return time.Date(d.Year, d.Month, d.Day, d.Time.Hour, d.Time.Minute, d.Time.Second, d.Time.Microsecond*1000, loc)
}

// Latest returns the last microsecond covered.
func (d DateTime) Latest(loc *time.Location) time.Time {
	t := d.Earliest(loc)
	switch d.Precision {
	case Year:
		t = t.AddDate(1, 0, 0)
	case Month:
		t = t.AddDate(0, 1, 0)
	case Day:
		t = t.AddDate(0, 0, 1)
	default:
		t = t.Add(time.Duration(d.Time.span()) * time.Microsecond)
	}
	return t.Add(-time.Microsecond)
}
