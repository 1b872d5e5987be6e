package dicom_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	oracle "github.com/suyashkumar/dicom"
)

// TestOracle compares with another parser what both can read: the tags, the numbers and the
// plain text of every level. The other one hangs or panics on some files, has no deflate, and
// takes the 64-bit VRs and character sets wrong; those are left out.
func TestOracle(t *testing.T) {
	t.Parallel()
	compared, values := 0, 0
	for _, o := range corpus(t, false) {
		file := o.read(t)
		if len(file) > 1<<20 {
			continue
		}
		f, err := dicom.Read(bytes.NewReader(file), dicom.Source{Lenient: true}, 0)
		if err != nil || f.Meta == nil || f.TransferSyntax.Deflated {
			continue
		}
		theirs, ok := askOracle(file)
		if !ok {
			continue
		}
		n, diff := compareOracle(f.Dataset, theirs)
		if diff != "" {
			t.Errorf("%s: %s", o.Path, diff)
		}
		compared++
		values += n
	}
	t.Logf("%d objects, %d values compared", compared, values)
	if compared < 300 || values < 20_000 {
		t.Errorf("only %d objects with %d values compared", compared, values)
	}
}

// askOracle parses with the other parser, which may panic or never return.
func askOracle(file []byte) ([]*oracle.Element, bool) {
	type answer struct {
		d   oracle.Dataset
		err error
	}
	done := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if r := recover(); r != nil {
				a.err = fmt.Errorf("panic: %v", r)
			}
			done <- a
		}()
		a.d, a.err = oracle.Parse(bytes.NewReader(file), int64(len(file)), nil, oracle.SkipPixelData())
	}()
	select {
	case a := <-done:
		return a.d.Elements, a.err == nil
	case <-time.After(5 * time.Second):
		return nil, false
	}
}

func compareOracle(d *dicom.Dataset, theirs []*oracle.Element) (n int, diff string) {
	theirs = slices.DeleteFunc(slices.Clone(theirs), func(e *oracle.Element) bool { return e.Tag.Group == 2 })
	if len(d.Elements) != len(theirs) {
		return n, fmt.Sprintf("%d elements, the oracle has %d", len(d.Elements), len(theirs))
	}
	for i := range d.Elements {
		e, other := &d.Elements[i], theirs[i]
		if e.Tag != tag.New(other.Tag.Group, other.Tag.Element) {
			return n, fmt.Sprintf("%s, the oracle has %s", e.Tag, other.Tag)
		}
		k, diff := compareValue(e, other)
		if n += k; diff != "" {
			return n, e.Tag.String() + ": " + diff
		}
	}
	return n, ""
}

func compareValue(e *dicom.Element, other *oracle.Element) (n int, diff string) {
	switch v := other.Value.GetValue().(type) {
	case []int:
		ours := e.Ints()
		if e.VR == vr.AT { // the other gives group and element one by one
			for i := range ours {
				ours = slices.Replace(ours, 2*i, 2*i+1, ours[2*i]>>16, ours[2*i]&0xFFFF)
			}
		}
		if len(ours) != len(v) {
			return 0, fmt.Sprintf("%d numbers, the oracle has %d", len(ours), len(v))
		}
		for i := range v {
			signed := e.VR == vr.SS && int64(int16(v[i])) == ours[i] // "US or SS": the other takes the first
			if int64(v[i]) != ours[i] && !signed {
				return 0, fmt.Sprintf("number %d is %d, the oracle has %d", i, ours[i], v[i])
			}
		}
	case []string:
		if !e.VR.Multi() {
			break // the other splits them all the same
		}
		for i, s := range e.Strings(nil) {
			if plain(s) && i < len(v) && strings.Trim(v[i], " \x00") != strings.Trim(s, " \x00") {
				return 0, fmt.Sprintf("text %d differs", i)
			}
		}
	case []*oracle.SequenceItemValue:
		if len(v) != len(e.Items) {
			return 0, fmt.Sprintf("%d items, the oracle has %d", len(e.Items), len(v))
		}
		for i := range v {
			k, diff := compareOracle(e.Items[i], v[i].GetValue().([]*oracle.Element))
			if n += k; diff != "" {
				return n, fmt.Sprintf("item %d: %s", i+1, diff)
			}
		}
	}
	return n + 1, ""
}

func plain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > '~' || r < ' ' })
}
