package dicom_test

import (
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
)

// TestNumberStrings: what dicom/value calls a number is one here, and nothing else: SQL, matching
// and JSON must agree on it. Reading a plain one costs no memory.
func TestNumberStrings(t *testing.T) {
	for text, want := range map[string]int64{"12 ": 12, " -3": -3, "1.0": 1, "1e2\x00": 100, "+7": 7} {
		e := dicom.Element{VR: vr.IS, Value: []byte(text)}
		if n, ok := e.Int(); !ok || n != want {
			t.Errorf("%q: %d, %v", text, n, ok)
		}
	}
	plain := dicom.Element{VR: vr.IS, Value: []byte("12 ")}
	if n := testing.AllocsPerRun(100, func() { _, _ = plain.Int() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	for _, text := range []string{"1O", "", "0x1p4", "1_0", "inf", "nan", "1.5"} {
		e := dicom.Element{VR: vr.IS, Value: []byte(text)}
		if n, ok := e.Int(); ok {
			t.Errorf("%q is read as %d", text, n)
		}
		d := dicom.Element{VR: vr.DS, Value: []byte(text)}
		if f := d.Floats(); text != "1.5" && len(f) != 0 {
			t.Errorf("%q is read as %v", text, f)
		}
	}
}
