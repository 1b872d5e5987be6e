package value_test

import (
	"math"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/dicom/value"
)

func TestNumbers(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]float64{"1": 1, " +1.5 ": 1.5, ".5": 0.5, "5.": 5, "-1e3\x00": -1000, "": math.NaN(), "nan": math.NaN(),
		"Inf": math.NaN(), "0x1p2": math.NaN(), "1_0": math.NaN(), "1,5": math.NaN(), "--1": math.NaN(), "1e999": math.NaN()} {
		got, err := value.ParseDS(in)
		if math.IsNaN(want) != (err != nil) || err == nil && got != want {
			t.Errorf("ParseDS(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for in, want := range map[string]int64{"12": 12, " -7 ": -7, "+3": 3, "1.0": 1} {
		if got, err := value.ParseIS(in); err != nil || got != want {
			t.Errorf("ParseIS(%q) = %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "1O", "1.5", "0x1", "."} {
		if got, err := value.ParseIS(in); err == nil {
			t.Errorf("ParseIS(%q) = %v, want an error", in, got)
		}
	}
	for _, f := range []float64{0, 1, -1.0 / 3, 1e-300 / 3, -math.MaxFloat64, math.Pi * 1e10, 0.1} {
		s := value.FormatDS(f)
		got, err := value.ParseDS(s)
		if err != nil || len(s) > 16 || math.Abs(got-f) > math.Abs(f)*1e-8 {
			t.Errorf("FormatDS(%v) = %q", f, s)
		}
	}
	if s := value.FormatIS(-5); s != "-5" {
		t.Errorf("FormatIS: %q", s)
	}
}

func TestAge(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"018M": "018M", "18y ": "018Y", "3D": "003D", "120W": "120W", "": "", "M": "", "1234Y": "", "-18Y": "", "018Z": ""} {
		got, err := value.ParseAS(in)
		if (err != nil) != (want == "") || err == nil && got.String() != want {
			t.Errorf("ParseAS(%q) = %v, %v; want %q", in, got, err, want)
		}
	}
}

func TestPersonName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, out, format string }{
		{"Doe^John", "Doe^John", "John Doe"},
		{"Adams^John Robert Quincy^^Rev.^B.A. M.Div. ", "Adams^John Robert Quincy^^Rev.^B.A. M.Div.", "Rev. John Robert Quincy Adams, B.A. M.Div."},
		{"Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada^Tarou=山田^太郎=やまだ^たろう", "Tarou Yamada"},
		{"=山田", "=山田", ""},
		{"Doe^^^^", "Doe", "Doe"},
		{"", "", ""},
		{"A=B=C=D", "A=B=C", "A"},
		{"^^^^MD", "^^^^MD", "MD"},
	} {
		n := value.ParsePN(c.in)
		if n.String() != c.out || n.Alphabetic.Format() != c.format {
			t.Errorf("ParsePN(%q) = %q, %q; want %q, %q", c.in, n, n.Alphabetic.Format(), c.out, c.format)
		}
	}
	if n := value.ParsePN("a"); n.Alphabetic.IsZero() || !n.Phonetic.IsZero() {
		t.Error("IsZero")
	}
}

func TestDate(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"20240229": "20240229", "1993.08.22": "19930822", "2024-01-31": "20240131", " 19000101\x00": "19000101",
		"20230229": "", "20241301": "", "2024": "", "2024010": "", "19930822 x": "", "+2240101": "", "20240132": "", "2024.01-31": ""} {
		got, err := value.ParseDA(in)
		if (err != nil) != (want == "") || err == nil && got.String() != want {
			t.Errorf("ParseDA(%q) = %v, %v; want %q", in, got, err, want)
		}
	}
}

func TestTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in, out string
		span    int64
	}{
		{"10", "10", 3600e6}, {"1045", "1045", 60e6}, {"104500", "104500", 1e6}, {"104500.12", "104500.12", 1e4},
		{"104500.123456 ", "104500.123456", 1}, {"10:45:00.5", "104500.5", 1e5}, {"10:45", "1045", 60e6}, {"235960", "235960", 1e6},
	} {
		got, err := value.ParseTM(c.in)
		if err != nil || got.String() != c.out || got.Latest()-got.Earliest()+1 != c.span {
			t.Errorf("ParseTM(%q) = %v, %v", c.in, got, err)
		}
	}
	for _, in := range []string{"", "1", "24", "1060", "104561", "1045.5", "104500.", "104500.1234567", "10-45", "１０"} {
		if got, err := value.ParseTM(in); err == nil {
			t.Errorf("ParseTM(%q) = %v, want an error", in, got)
		}
	}
}

func TestDateTime(t *testing.T) {
	t.Parallel()
	berlin := time.FixedZone("", 3600)
	for _, c := range []struct{ in, out, earliest, latest string }{
		{"2024", "2024", "2024-01-01T00:00:00+01:00", "2024-12-31T23:59:59.999999+01:00"},
		{"202402", "202402", "2024-02-01T00:00:00+01:00", "2024-02-29T23:59:59.999999+01:00"},
		{"20240229", "20240229", "2024-02-29T00:00:00+01:00", "2024-02-29T23:59:59.999999+01:00"},
		{"2024022910", "2024022910", "2024-02-29T10:00:00+01:00", "2024-02-29T10:59:59.999999+01:00"},
		{"20240229104500.25-0530 ", "20240229104500.25-0530", "2024-02-29T10:45:00.25-05:30", "2024-02-29T10:45:00.259999-05:30"},
		{"2024+1400", "2024+1400", "2024-01-01T00:00:00+14:00", "2024-12-31T23:59:59.999999+14:00"},
	} {
		got, err := value.ParseDT(c.in)
		if err != nil || got.String() != c.out {
			t.Errorf("ParseDT(%q) = %v, %v", c.in, got, err)
			continue
		}
		if e, l := got.Earliest(berlin).Format(time.RFC3339Nano), got.Latest(berlin).Format(time.RFC3339Nano); e != c.earliest || l != c.latest {
			t.Errorf("%q covers %s to %s, want %s to %s", c.in, e, l, c.earliest, c.latest)
		}
	}
	for _, in := range []string{"", "202", "20241", "20241301", "2024-1500", "2024-0560", "2024-05", "20240101T10", "2024.01.01"} {
		if got, err := value.ParseDT(in); err == nil {
			t.Errorf("ParseDT(%q) = %v, want an error", in, got)
		}
	}
}

func TestRanges(t *testing.T) {
	t.Parallel()
	date := func(key, v string) (in, ok bool) {
		r, err := value.ParseDARange(key)
		d, _ := value.ParseDA(v)
		return value.ContainsDate(r, d), err == nil
	}
	clock := func(key, v string) (in, ok bool) {
		r, err := value.ParseTMRange(key)
		d, _ := value.ParseTM(v)
		return value.ContainsTime(r, d), err == nil
	}
	both := func(key, v string) (in, ok bool) {
		r, err := value.ParseDTRange(key)
		d, _ := value.ParseDT(v)
		return value.ContainsDateTime(r, d, time.UTC), err == nil
	}
	for _, c := range []struct {
		VR       string
		contains func(key, v string) (bool, bool)
		key, v   string
		in, ok   bool
	}{
		{"DA", date, "20240101-20240131", "20240131", true, true},
		{"DA", date, "20240101-20240131", "20240201", false, true},
		{"DA", date, "-20240131", "19000101", true, true},
		{"DA", date, "20240101-", "20231231", false, true},
		{"DA", date, "20240101", "20240101", true, true},
		{"DA", date, "2024-01-01", "20240101", true, true},
		{"DA", date, "-", "20240101", true, false},
		{"DA", date, "2024", "20240101", true, false},
		{"TM", clock, "10-11", "115959.9", true, true},
		{"TM", clock, "1030-", "10", true, true},
		{"TM", clock, "10:30:00-10:45:00", "1044", true, true},
		{"TM", clock, "-09", "10", false, true},
		{"TM", clock, "22-06", "2330", true, true},
		{"TM", clock, "22-06", "0530", true, true},
		{"TM", clock, "22-06", "12", false, true},
		{"DT", both, "20240101-20240131", "202401311200", true, true},
		{"DT", both, "20240101-0500-20240102", "2024010104", false, true},
		{"DT", both, "20240101-0500-20240102", "2024010105", true, true},
		{"DT", both, "2023-2024", "202406", true, true},
		{"DT", both, "2024-0500", "2024", true, true},
		{"DT", both, "2024-", "2023123123-0500", true, true},
	} {
		if in, ok := c.contains(c.key, c.v); ok != c.ok || ok && in != c.in {
			t.Errorf("%s %q contains %q: %v (valid %v), want %v (%v)", c.VR, c.key, c.v, in, ok, c.in, c.ok)
		}
	}
}

// FuzzValue: what parses prints as something that parses to the same, and prints the same.
func FuzzValue(f *testing.F) {
	for _, s := range []string{"20240229", "1993.08.22", "10:45:00.5", "20240101-0500-20240102", "Doe^J=a=b", "018M", "-1.5e3", "2024+1400"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		again := func(VR, once string, parse func(string) (string, error)) {
			if twice, err := parse(once); err != nil || twice != once {
				t.Errorf("%s %q prints %q, which reads as %q, %v", VR, s, once, twice, err)
			}
		}
		check := func(VR string, parse func(string) (string, error)) {
			if once, err := parse(s); err == nil {
				again(VR, once, parse)
			}
		}
		check("DA", func(s string) (string, error) { v, err := value.ParseDA(s); return v.String(), err })
		check("TM", func(s string) (string, error) { v, err := value.ParseTM(s); return v.String(), err })
		check("DT", func(s string) (string, error) { v, err := value.ParseDT(s); return v.String(), err })
		check("AS", func(s string) (string, error) { v, err := value.ParseAS(s); return v.String(), err })
		check("PN", func(s string) (string, error) { return value.ParsePN(s).String(), nil })
		check("IS", func(s string) (string, error) { v, err := value.ParseIS(s); return value.FormatIS(v), err })
		if v, err := value.ParseDS(s); err == nil && len(value.FormatDS(v)) > 16 {
			t.Errorf("FormatDS(%v) = %q", v, value.FormatDS(v))
		}
		value.ParseDARange(s)
		value.ParseTMRange(s)
		value.ParseDTRange(s)
	})
}
