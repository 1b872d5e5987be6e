package dicom_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
)

// difference says where two data sets differ, "" when they do not. When not exact, what a change
// of the VR encoding may lose is forgiven: VRs, undefined lengths, group lengths.
func difference(a, b *dicom.Dataset, exact bool) string {
	x, y := elements(a, exact), elements(b, exact)
	if len(x) != len(y) {
		return fmt.Sprintf("%d and %d elements", len(x), len(y))
	}
	if exact && a.Undefined != b.Undefined {
		return "one item of undefined length"
	}
	for i := range x {
		if diff := elementDifference(x[i], y[i], exact); diff != "" {
			return x[i].Tag.String() + ": " + diff
		}
	}
	return ""
}

func elements(d *dicom.Dataset, exact bool) []*dicom.Element {
	var out []*dicom.Element
	for e := range d.All() {
		if exact || e.Tag.Element() != 0 {
			out = append(out, e)
		}
	}
	return out
}

func elementDifference(a, b *dicom.Element, exact bool) string {
	switch {
	case a.Tag != b.Tag:
		return "other tag " + b.Tag.String()
	case exact && a.VR != b.VR:
		return "VR " + a.VR.String() + " and " + b.VR.String()
	case exact && a.Undefined != b.Undefined:
		return "one of undefined length"
	case len(a.Items) != len(b.Items):
		if !exact && (a.VR == vr.UN || b.VR == vr.UN) {
			return ""
		}
		return "number of items"
	case len(a.Fragments) != len(b.Fragments):
		return "number of fragments"
	case (a.Bulk == nil) != (b.Bulk == nil) || a.Bulk != nil && *a.Bulk != *b.Bulk:
		return "bulk value"
	case !bytes.Equal(a.Value, b.Value):
		return fmt.Sprintf("value of VR %s: %d and %d bytes", a.VR, len(a.Value), len(b.Value))
	}
	for i := range a.Items {
		if diff := difference(a.Items[i], b.Items[i], exact); diff != "" {
			return fmt.Sprintf("item %d: %s", i+1, diff)
		}
	}
	for i := range a.Fragments {
		if !bytes.Equal(a.Fragments[i], b.Fragments[i]) {
			return fmt.Sprintf("fragment %d", i+1)
		}
	}
	return ""
}

// checkSameHeader compares a header with the one that came back from the index's form.
func checkSameHeader(t *testing.T, name string, a, b *dicom.Header) {
	t.Helper()
	if a.TransferSyntax != b.TransferSyntax || a.DatasetOffset != b.DatasetOffset || a.End != b.End {
		t.Errorf("%s: header comes back different", name)
	}
	if (a.Pixel == nil) != (b.Pixel == nil) {
		t.Errorf("%s: pixel data lost", name)
	} else if p, q := a.Pixel, b.Pixel; p != nil && (p.Tag != q.Tag || p.VR != q.VR || p.Offset != q.Offset ||
		p.Length != q.Length || p.Encapsulated != q.Encapsulated || p.FirstItem != q.FirstItem) {
		t.Errorf("%s: pixel data comes back different: %+v", name, q)
	}
	if diff := difference(a.Dataset, b.Dataset, true); diff != "" {
		t.Errorf("%s: %s", name, diff)
	}
}
