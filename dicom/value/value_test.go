package value_test

import (
	"math"
	"strconv"
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
	for in, want := range map[string]int64{"12": 12, " -7 ": -7, "+3": 3, "1.0": 1, "1e2": 100} {
		if got, err := value.ParseIS(in); err != nil || got != want {
			t.Errorf("ParseIS(%q) = %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "1O", "1.5", "0x1", ".", "1e30", "Inf"} {
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
}

func TestPersonName(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Doe^John": "Doe^John",
		"Adams^John Robert Quincy^^Rev.^B.A. M.Div. ": "Adams^John Robert Quincy^^Rev.^B.A. M.Div.",
		"Yamada^Tarou=山田^太郎=やまだ^たろう":                  "Yamada^Tarou=山田^太郎=やまだ^たろう",
		" Doe ^ John = 山田 ":                           "Doe^John=山田",
		"=山田":                                         "=山田",
		"Doe^^^^":                                     "Doe",
		"":                                            "",
		"A=B=C=D":                                     "A=B=C",
		"^^^^MD^PhD^ ^":                               "^^^^MD^PhD",
	} {
		if n := value.ParsePN(in); n.String() != want {
			t.Errorf("ParsePN(%q) = %q, want %q", in, n, want)
		}
	}
	name := value.ParsePN("Doe^John^M^Dr^PhD=山田")
	if want := (value.NameComponents{Family: "Doe", Given: "John", Middle: "M", Prefix: "Dr", Suffix: "PhD"}); name.Alphabetic != want {
		t.Errorf("%+v, want %+v", name.Alphabetic, want)
	}
	if name.Ideographic.Family != "山田" || name.Phonetic != (value.NameComponents{}) {
		t.Errorf("groups: %+v", name)
	}
}

func TestDate(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"20240229": "20240229", "1993.08.22": "19930822", "2024-01-31": "", " 19000101\x00": "19000101",
		"20230231": "20230231", "20230200": "", "20241301": "", "2024": "", "2024010": "", "19930822 x": "", "+2240101": "", "20240132": "", "2024.01-31": ""} {
		got, err := value.ParseDA(in)
		if (err != nil) != (want == "") || err == nil && got.String() != want {
			t.Errorf("ParseDA(%q) = %v, %v; want %q", in, got, err, want)
		}
	}
}

func TestTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, out, first, last string }{
		{"10", "10", "100000000000", "105959999999"},
		{"1045", "1045", "104500000000", "104559999999"},
		{"104500", "104500", "104500000000", "104500999999"},
		{"104500.12", "104500.12", "104500120000", "104500129999"},
		{"104500.123456 ", "104500.123456", "104500123456", "104500123456"},
		{"10:45:00.5", "104500.5", "104500500000", "104500599999"},
		{"10:45", "1045", "104500000000", "104559999999"},
		{"235960", "235960", "235960000000", "235960999999"},
	} {
		got, err := value.ParseTM(c.in)
		if err != nil || got.String() != c.out || got.Sortable() != c.first || got.Latest().Sortable() != c.last {
			t.Errorf("ParseTM(%q) = %v, %v, covers %s to %s", c.in, got, err, got.Sortable(), got.Latest().Sortable())
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
	for _, in := range []string{"", "202", "20241", "20241301", "20230229", "2024-1500", "2024-0560", "2024-05", "20240101T10", "2024.01.01"} {
		if got, err := value.ParseDT(in); err == nil {
			t.Errorf("ParseDT(%q) = %v, want an error", in, got)
		}
	}
}

// TestAllocations: names, dates and times are read once for each instance stored. It does not
// run beside other tests, for AllocsPerRun counts theirs too.
func TestAllocations(t *testing.T) {
	for name, parse := range map[string]func(){
		"PN":     func() { value.ParsePN("Yamada^Tarou=山田^太郎") },
		"DA":     func() { value.ParseDA("20240229") },
		"old DA": func() { value.ParseDA("1993.08.22") },
		"bad DA": func() { value.ParseDA("20241301") },
		"TM":     func() { value.ParseTM("104500.123456") },
		"old TM": func() { value.ParseTM("10:45:00.5") },
		"bad TM": func() { value.ParseTM("99") },
		"DT":     func() { value.ParseDT("20240229104500.25-0530") },
		"bad DT": func() { value.ParseDT("20230229") },
		"DS":     func() { value.ParseDS(" 1.50 ") },
		"IS":     func() { value.ParseIS("512 ") },
	} {
		if n := testing.AllocsPerRun(100, parse); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// FuzzValue: what parses prints as something that parses to the same, and prints the same.
func FuzzValue(f *testing.F) {
	for _, s := range []string{"20240229", "1993.08.22", "10:45:00.5", "Doe^J=a=b", "-1.5e3", "2024+1400"} {
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
		check("PN", func(s string) (string, error) { return value.ParsePN(s).String(), nil })
		check("IS", func(s string) (string, error) { v, err := value.ParseIS(s); return strconv.FormatInt(v, 10), err })
		if v, err := value.ParseDS(s); err == nil && len(value.FormatDS(v)) > 16 {
			t.Errorf("FormatDS(%v) = %q", v, value.FormatDS(v))
		}
	})
}
