package query_test

import (
	"net/url"
	"testing"
	"unicode/utf8"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
)

// FuzzGlob compares with the textbook recursion, on inputs short enough for it.
func FuzzGlob(f *testing.F) {
	for _, s := range [][2]string{{"a*b", "aXb"}, {"*a*b?", "aabbc"}, {"?", "ü"}, {"**", ""}, {"a[b]*", "a[b]c"}, {"*a*a*a*b", "aaaaaaaaaaaa"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 8 || len(s) > 16 || !utf8.ValidString(pattern) || !utf8.ValidString(s) {
			query.Glob(pattern, s)
			return
		}
		if got, want := query.Glob(pattern, s), naive([]rune(pattern), []rune(s)); got != want {
			t.Errorf("Glob(%q, %q) = %v, want %v", pattern, s, got, want)
		}
	})
}

func naive(p, s []rune) bool {
	switch {
	case len(p) == 0:
		return len(s) == 0
	case p[0] == '*':
		return naive(p[1:], s) || len(s) > 0 && naive(p, s[1:])
	case len(s) == 0:
		return false
	}
	return (p[0] == '?' || p[0] == s[0]) && naive(p[1:], s[1:])
}

// FuzzMatch asks random questions of random values: nothing may panic, and a value must match
// itself where it can be asked for at all.
func FuzzMatch(f *testing.F) {
	f.Add("Smith^John", "smi*", true)
	f.Add("20240101", "2024-", false)
	f.Add("a=b=c=d", "=", true)
	f.Add("20240215103000.1+0100", "-2024", false)
	f.Fuzz(func(t *testing.T, stored, asked string, fuzzy bool) {
		d := &dicom.Dataset{}
		tags := []tag.Tag{tag.PatientName, tag.StudyDate, tag.StudyTime, tag.AcquisitionDateTime, tag.SeriesNumber,
			tag.StudyInstanceUID, tag.PatientID, tag.StudyDescription, tag.Rows}
		for _, tg := range tags {
			d.SetElement(dicom.Element{Tag: tg, VR: tg.VR(), Value: []byte(stored)})
		}
		for _, tg := range tags {
			v := url.Values{tg.Hex(): {asked}}
			if fuzzy {
				v["fuzzymatching"] = []string{"true"}
			}
			q, err := query.FromParams(query.Instance, "", "", v)
			if err != nil {
				continue
			}
			q.Match(d)
			own := d.Text(tg)
			if tg == tag.PatientID && own != "" && utf8.ValidString(own) {
				q.Keys = []query.Key{{Path: []tag.Tag{tg}, VR: tg.VR(), Kind: query.Single, Values: []string{own}}}
				if !q.Match(d) && query.Canon(tg, tg.VR(), own) != "" {
					t.Errorf("%q does not match itself", own)
				}
			}
		}
	})
}

func FuzzFromParams(f *testing.F) {
	for _, s := range []string{"", "PatientName=a*&limit=5", "includefield=all,00100010", "StudyDate=20240101-",
		"00400275.00400009=x", "limit=-1", "a=%ff", "StudyInstanceUID=1.2,1.3\\1.4"} {
		f.Add(s, uint8(1))
	}
	f.Fuzz(func(t *testing.T, params string, level uint8) {
		v, err := url.ParseQuery(params)
		if err != nil {
			return
		}
		q, err := query.FromParams(query.Level(level%4), "1.2", "1.3", v)
		if err != nil {
			return
		}
		if q.Limit < 0 || q.Offset < 0 {
			t.Errorf("limit %d, offset %d", q.Limit, q.Offset)
		}
		for _, k := range q.Keys {
			if len(k.Path) == 0 || query.LevelOf(k.Path[0]) > q.Level && k.Path[0] != tag.SeriesInstanceUID && k.Path[0] != tag.StudyInstanceUID {
				t.Errorf("key %+v at level %s", k, q.Level)
			}
			if (k.Kind == query.Range) != (len(k.Values) == 2 && k.Kind == query.Range) {
				t.Errorf("range with %d ends", len(k.Values))
			}
		}
		q.Match(&dicom.Dataset{})
	})
}

func FuzzFromIdentifier(f *testing.F) {
	ts, ok := dicom.LookupTransferSyntax("1.2.840.10008.1.2.1")
	if !ok {
		f.Fatal("explicit little endian is unknown")
	}
	d := set("QueryRetrieveLevel", "STUDY", "PatientName", "a*", "StudyDate", "20240101-20240202", "SeriesNumber", "1")
	d.SetItems(tag.RequestAttributesSequence, set("ScheduledProcedureStepID", "S1"))
	b, err := dicom.AppendDataset(nil, d, ts)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := dicom.ParseDataset(b, ts)
		if err != nil {
			return
		}
		if q, err := query.FromIdentifier(d, true); err == nil {
			q.Match(d)
		}
	})
}
