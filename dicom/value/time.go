package value

import (
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

// ParseDA reads a date: YYYYMMDD, or YYYY.MM.DD of old. The 31st passes in every month: devices
// write it, and clients ask for it as a month's end.
func ParseDA(s string) (Date, error) {
	s = trim(s)
	switch {
	case len(s) == 8:
		return parseDate(s[:4], s[4:6], s[6:])
	case len(s) == 10 && s[4] == '.' && s[7] == '.':
		return parseDate(s[:4], s[5:7], s[8:])
	}
	return Date{}, notA("DA: want YYYYMMDD")
}

func parseDate(year, month, day string) (Date, error) {
	y, ok1 := number(year)
	m, ok2 := number(month)
	d, ok3 := number(day)
	if !ok1 || !ok2 || !ok3 || m < 1 || m > 12 || d < 1 || d > 31 {
		return Date{}, notA("date: no such month or day")
	}
	return Date{y, time.Month(m), d}, nil
}

// String returns YYYYMMDD, which sorts as dates do.
func (d Date) String() string { return string(d.append(make([]byte, 0, 8))) }

func (d Date) append(b []byte) []byte {
	return appendNumber(appendNumber(appendNumber(b, d.Year, 4), int(d.Month), 2), d.Day, 2)
}

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
	return parseTime(s)
}

func parseTime(s string) (Time, error) {
	t := Time{Precision: Hour}
	s, fraction, found := strings.Cut(s, ".")
	if len(s) != 2 && len(s) != 4 && len(s) != 6 || found && len(s) != 6 {
		return Time{}, notA("time: want HHMMSS.FFFFFF or a part of it from the left")
	}
	for i, part := range [...]*int{&t.Hour, &t.Minute, &t.Second} {
		if len(s) < 2 {
			break
		}
		n, ok := number(s[:2])
		if !ok || n > [...]int{23, 59, 60}[i] {
			return Time{}, notA("time: no such hour, minute or second")
		}
		*part, s = n, s[2:]
		t.Precision = Hour + Precision(i)
	}
	if found {
		n, ok := number(fraction)
		if !ok || len(fraction) > 6 {
			return Time{}, notA("time: want one to six digits behind the point")
		}
		t.Precision, t.Digits, t.Microsecond = Fraction, len(fraction), n
		for range 6 - len(fraction) {
			t.Microsecond *= 10
		}
	}
	return t, nil
}

// String returns the time with the precision it has.
func (t Time) String() string { return string(t.append(make([]byte, 0, 13))) }

func (t Time) append(b []byte) []byte {
	b = appendNumber(b, t.Hour, 2)
	if t.Precision >= Minute {
		b = appendNumber(b, t.Minute, 2)
	}
	if t.Precision >= Second {
		b = appendNumber(b, t.Second, 2)
	}
	if t.Precision < Fraction {
		return b
	}
	all := len(b) + 1 + min(t.Digits, 6)
	return appendNumber(append(b, '.'), t.Microsecond, 6)[:all]
}

// Sortable returns the time as twelve digits HHMMSSffffff, which sort as times do.
func (t Time) Sortable() string {
	b := appendNumber(make([]byte, 0, 12), t.Hour, 2)
	b = appendNumber(appendNumber(b, t.Minute, 2), t.Second, 2)
	return string(appendNumber(b, t.Microsecond, 6))
}

// Latest returns the last microsecond that the time covers: of 10 it is 10:59:59.999999.
func (t Time) Latest() Time {
	switch t.Precision {
	case Hour:
		t.Minute, t.Second, t.Microsecond = 59, 59, 999999
	case Minute:
		t.Second, t.Microsecond = 59, 999999
	case Second:
		t.Microsecond = 999999
	default:
		step := 1
		for range 6 - t.Digits {
			step *= 10
		}
		t.Microsecond += step - 1
	}
	t.Precision, t.Digits = Fraction, 6
	return t
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
// without the offset from UTC. Its day is one of the calendar, for it stands for a moment.
func ParseDT(s string) (DateTime, error) {
	s = trim(s)
	var d DateTime
	if at := strings.LastIndexAny(s, "+-"); at >= 4 {
		offset, ok := parseOffset(s[at:])
		if !ok {
			return DateTime{}, notA("DT: offset from UTC is not between -1200 and +1400")
		}
		s, d.Zoned, d.Offset = s[:at], true, offset
	}
	date, clock := s, ""
	if len(s) > 8 {
		date, clock = s[:8], s[8:]
	}
	year, month, day := date, "01", "01"
	switch len(date) {
	case 4:
		d.Precision = Year
	case 6:
		d.Precision, year, month = Month, date[:4], date[4:]
	case 8:
		d.Precision, year, month, day = Day, date[:4], date[4:6], date[6:]
	default:
		return DateTime{}, notA("DT: want YYYYMMDDHHMMSS.FFFFFF or a part of it from the left")
	}
	var err error
	if d.Date, err = parseDate(year, month, day); err != nil {
		return DateTime{}, err
	}
	if d.Day > daysIn(d.Year, d.Month) {
		return DateTime{}, notA("DT: no day of the calendar")
	}
	if clock != "" {
		if d.Time, err = parseTime(clock); err != nil {
			return DateTime{}, err
		}
		d.Precision = d.Time.Precision
	}
	return d, nil
}

func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
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
	b := d.Date.append(make([]byte, 0, 26))
	switch d.Precision {
	case Year:
		b = b[:4]
	case Month:
		b = b[:6]
	case Day:
	default:
		b = d.Time.append(b)
	}
	if d.Zoned {
		sign, m := byte('+'), d.Offset
		if m < 0 {
			sign, m = '-', -m
		}
		b = appendNumber(appendNumber(append(b, sign), m/60, 2), m%60, 2)
	}
	return string(b)
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
	var first time.Time // that is not covered any more
	switch t := d.Earliest(loc); d.Precision {
	case Year:
		first = t.AddDate(1, 0, 0)
	case Month:
		first = t.AddDate(0, 1, 0)
	case Day:
		first = t.AddDate(0, 0, 1)
	default:
		d.Time = d.Time.Latest()
		return d.Earliest(loc)
	}
	return first.Add(-time.Microsecond)
}
