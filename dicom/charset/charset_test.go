package charset_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aurelius-imaging/aurelius/dicom/charset"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// field is a text element of shared/data/charsets. Text is what the standard makes of it,
// pydicom 3.0.2's reading where it has none of its own in Pydicom.
type field struct {
	File    string
	Terms   []string
	VR      string
	Raw     string
	Text    string
	Pydicom string
}

func fields(t testing.TB) []field {
	t.Helper()
	b, err := os.ReadFile(testkit.Testdata("charset", "values.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list []field
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func (f field) bytes(t testing.TB) []byte {
	t.Helper()
	raw, err := hex.DecodeString(f.Raw)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func decode(s *charset.Set, vr string, raw []byte) string {
	if vr == "PN" {
		return s.DecodePN(raw)
	}
	return s.Decode(raw)
}

// person compares names as pydicom prints them: without padding and empty trailing groups.
func person(s string) string { return strings.TrimRight(s, " \x00=") }

func TestDecodeCorpus(t *testing.T) {
	t.Parallel()
	for _, f := range fields(t) {
		t.Run(f.File, func(t *testing.T) {
			t.Parallel()
			set, err := charset.Parse(f.Terms)
			if err != nil {
				t.Errorf("Parse(%q): %v", f.Terms, err)
			}
			if got := decode(set, f.VR, f.bytes(t)); person(got) != person(f.Text) {
				t.Errorf("%s %q\n got %q\nwant %q", f.VR, f.Terms, got, f.Text)
			}
		})
	}
}

// TestEncodeCorpus: what was decoded can be encoded again and means the same.
func TestEncodeCorpus(t *testing.T) {
	t.Parallel()
	for _, f := range fields(t) {
		set, _ := charset.Parse(f.Terms)
		text := decode(set, f.VR, f.bytes(t))
		raw, ok := set.Encode(text)
		if !ok && len(f.Terms) > 0 {
			t.Errorf("%s: Encode(%q) could not say it", f.File, text)
			continue
		}
		if got := decode(set, f.VR, raw); ok && got != text {
			t.Errorf("%s: Encode(%q) = %x, which is %q", f.File, text, raw, got)
		}
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, terms, raw, want string
		personName             bool
	}{
		{"ascii", "", "Doe^John", "Doe^John", true},
		{"undeclared Latin-1", "", "J\xE9r\xF4me", "Jérôme", false},
		{"undeclared UTF-8", "", "Jérôme", "Jérôme", false},
		{"UTF-8 with a broken byte", "ISO_IR 192", "J\xE9r\xC3\xB4me", "J\uFFFDrôme", false},
		{"undefined in ISO 8859-3", "ISO_IR 109", "a\xA5b", "a\uFFFDb", false},
		{"G1 returns at ^", `ISO 2022 IR 100\ISO 2022 IR 126`, "\x1B-F\xC4^\xE9", "Δ^é", true},
		{"G1 stays at ^ in other text", `ISO 2022 IR 100\ISO 2022 IR 126`, "\x1B-F\xC4^\xE9", "Δ^ι", false},
		{"G1 returns at line end", `ISO 2022 IR 100\ISO 2022 IR 126`, "\x1B-F\xC4\r\n\xE9", "Δ\r\né", false},
		{"escape of an undeclared set", "ISO_IR 100", "\x1B$B;3\x1B(B", "山", false},
		{"unknown escape", `\ISO 2022 IR 87`, "a\x1B%Gb", "a\uFFFD%Gb", false},
		{"Korean without escape", `\ISO 2022 IR 149`, "\xB1\xE8^\xC8\xF1", "김^희", true},
		{"half a character", `\ISO 2022 IR 149`, "\x1B$)C\xB1", "\uFFFD", false},
		{"backslash byte in JIS X 0208", `\ISO 2022 IR 87`, "\x1B$B%\\\x1B(B", "ボ", false},
		{"Shift JIS as ISO_IR 13", "ISO_IR 13", "\xD4\x8ER", "ﾔ山", false},
		{"overline", "ISO_IR 13", "a~\\b", "a‾\\b", false},
		{"GBK second byte 5C", "GBK", "\x81\x5C", "乗", false},
		{"GB18030 four bytes", "GB18030", "\x95\x32\x82\x36", "𠀀", false},
		{"unknown term", "ISO_IR 999", "\xE9", "é", false},
		{"control characters", "ISO_IR 192", "a\x00b\x07", "a\x00b\x07", false},
	} {
		set, _ := charset.ParseValue([]byte(c.terms))
		got := set.Decode([]byte(c.raw))
		if c.personName {
			got = set.DecodePN([]byte(c.raw))
		}
		if got != c.want {
			t.Errorf("%s: %q in %q = %q, want %q", c.name, c.raw, c.terms, got, c.want)
		}
	}
}

func TestParseTerms(t *testing.T) {
	t.Parallel()
	for terms, valid := range map[string]bool{
		"": true, "ISO_IR 6": true, "ISO_IR 100": true, "ISO-IR 100": true, "ISO IR 100": true, "ISO_IR_192": true,
		"iso 8859-1": true, "UTF-8": true, "ISO_IR 192 ": true, `ISO 2022 IR 13\ISO 2022 IR 87`: true,
		`\ISO 2022 IR 149`: true, `ISO 2022 IR 6\ISO 2022 IR 87\ISO 2022 IR 159`: true,
		"KLINGON": false, `ISO_IR 192\ISO 2022 IR 87`: false, `ISO_IR 100\GBK`: false, "???": false,
	} {
		set, err := charset.ParseValue([]byte(terms))
		if set == nil || (err == nil) != valid {
			t.Errorf("ParseValue(%q) = %v, %v; want valid %v", terms, set, err, valid)
		}
	}
	for _, defined := range strings.Fields("6 13 100 101 109 110 126 127 138 144 148 166 203 58 87 149 159") {
		for _, prefix := range []string{"ISO_IR ", "ISO 2022 IR "} {
			if _, err := charset.Parse([]string{prefix + defined}); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		terms, raw string
		want       []string
	}{
		{"", `A\B`, []string{"A", "B"}},
		{"", "", []string{""}},
		{"ISO_IR 192", `A\é\`, []string{"A", "é", ""}},
		{"GBK", "\x81\x5C\\B", []string{"乗", "B"}},
		{`\ISO 2022 IR 87`, "\x1B$B%\\\x1B(B\\B", []string{"ボ", "B"}},
		{`\ISO 2022 IR 149`, "\x1B$)C\xB1\xE8\\\x1B$)C\xC8\xF1", []string{"김", "희"}},
	} {
		set, _ := charset.ParseValue([]byte(c.terms))
		var got []string
		for rest, more := []byte(c.raw), true; more; {
			var value []byte
			value, rest, more = set.Cut(rest)
			got = append(got, set.Decode(value))
		}
		if strings.Join(got, "|") != strings.Join(c.want, "|") {
			t.Errorf("%q in %q = %q, want %q", c.raw, c.terms, got, c.want)
		}
	}
}

func TestEncode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		terms, text, want string
		ok                bool
	}{
		{"", "plain", "plain", true},
		{"", "é", "?", false},
		{"ISO_IR 100", "Jérôme", "J\xE9r\xF4me", true},
		{"ISO_IR 100", "山", "?", false},
		{"ISO_IR 203", "€", "\xA4", true},
		{"ISO_IR 166", "ชื่อ", "\xAA\xD7\xE8\xCD", true},
		{`\ISO 2022 IR 87`, "山田^太郎", "\x1B$B;3ED\x1B(B^\x1B$BB@O:\x1B(B", true},
		{`\ISO 2022 IR 149`, "김^희", "\x1B$)C\xB1\xE8^\x1B$)C\xC8\xF1", true},
		{`\ISO 2022 IR 58`, "张^小", "\x1B$)A\xD5\xC5^\x1B$)A\xD0\xA1", true},
		{`ISO 2022 IR 13\ISO 2022 IR 87`, "ﾔﾏ=山", "\xD4\xCF=\x1B$B;3\x1B(J", true},
		{`ISO 2022 IR 100\ISO 2022 IR 126`, "é^Δ^é", "\xE9^\x1B-F\xC4\x1B-A^\xE9", true},
		{"GBK", "王", "\xCD\xF5", true},
		{"GB18030", "𠀀", "\x95\x32\x82\x36", true},
		{"ISO_IR 192", "é", "é", true},
		{"ISO_IR 100", "\x1B$B;3", "?$B;3", false},
		{`\ISO 2022 IR 87`, "山\x1B(B", "\x1B$B;3\x1B(B?(B", false},
	} {
		set, _ := charset.ParseValue([]byte(c.terms))
		got, ok := set.Encode(c.text)
		if string(got) != c.want || ok != c.ok {
			t.Errorf("Encode(%q) in %q = %q, %v; want %q, %v", c.text, c.terms, got, ok, c.want, c.ok)
		}
	}
}

// TestWholeTables: every character of the two-byte sets is encoded to what decodes to it.
func TestWholeTables(t *testing.T) {
	t.Parallel()
	for term, c := range map[string]struct {
		escape  string
		side    byte // 0x80 for G1
		defined int  // characters the set defines, at least
	}{
		"ISO 2022 IR 87":  {"\x1B$B", 0, 6879},
		"ISO 2022 IR 159": {"\x1B$(D", 0, 6067},
		"ISO 2022 IR 149": {"\x1B$)C", 0x80, 8224},
		"ISO 2022 IR 58":  {"\x1B$)A", 0x80, 7445},
	} {
		set, err := charset.Parse([]string{"", term})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for row := byte(0x21); row < 0x7F; row++ {
			for cell := byte(0x21); cell < 0x7F; cell++ {
				raw := append([]byte(c.escape), row|c.side, cell|c.side)
				text := set.Decode(raw)
				vendor := term == "ISO 2022 IR 87" && (row > 0x28 && row < 0x30 || row > 0x74) || text == "€" && row == 0x22 // read, never written
				if text == "\uFFFD" || vendor {
					continue
				}
				n++
				if back, ok := set.Encode(text); !ok || set.Decode(back) != text {
					t.Errorf("%s: %x is %q, which encodes to %x, %v", term, raw, text, back, ok)
				}
			}
		}
		if n < c.defined {
			t.Errorf("%s: %d characters, want %d", term, n, c.defined)
		}
	}
}

func TestDecodeASCIIAllocatesOnlyTheString(t *testing.T) {
	raw := []byte("1.2.840.10008.5.1.4.1.1.2^and more text")
	if n := testing.AllocsPerRun(100, func() { sink = charset.Latin1.DecodePN(raw) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

var sink string

func FuzzCharsetDecode(f *testing.F) {
	for _, c := range fields(f) {
		f.Add(strings.Join(c.Terms, `\`), c.bytes(f))
	}
	f.Add("ISO_IR 13", []byte("\x8E\x52\xFF~"))
	f.Fuzz(func(t *testing.T, terms string, raw []byte) {
		set, _ := charset.ParseValue([]byte(terms))
		for _, text := range []string{set.Decode(raw), set.DecodePN(raw)} {
			if !utf8.ValidString(text) {
				t.Fatalf("%q: not UTF-8: %q", raw, text)
			}
			encoded, ok := set.Encode(text)
			if again := set.Decode(encoded); ok && !strings.ContainsAny(text, "^=\x1B\uFFFD") && again != text {
				t.Fatalf("%q became %q by way of %q", text, again, encoded)
			}
		}
		if a, b := string(set.Append([]byte("x"), raw, true)), "x"+set.DecodePN(raw); a != b {
			t.Fatalf("Append %q, DecodePN %q", a, b)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for _, f := range fields(b) {
		if f.File != "japanese-ir87.dcm" && f.File != "french-ir100.dcm" && f.File != "korean-ir149.dcm" {
			continue
		}
		set, _ := charset.Parse(f.Terms)
		raw := f.bytes(b)
		b.Run(f.File, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sink = set.DecodePN(raw)
			}
		})
	}
	raw := []byte("1.2.840.10008.5.1.4.1.1.2^and more text")
	b.Run("ascii", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sink = charset.Latin1.DecodePN(raw)
		}
	})
}
