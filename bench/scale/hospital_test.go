package main

import (
	"reflect"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/tag"
)

// TestHospital holds the made-up hospital to what docs/SCALE.md says of it.
func TestHospital(t *testing.T) {
	t.Parallel()
	h := hospital{seed: 4, perObject: inPack}
	const n = 4000
	patients, names, uids := map[string]bool{}, map[string]int{}, map[string]bool{}
	instances, seriesCount, groups := 0, 0, 0
	for i := range n {
		st := h.study(i)
		if !reflect.DeepEqual(st, h.study(i)) {
			t.Fatalf("study %d is not the same twice", i)
		}
		patients[st.patient.id] = true
		names[st.patient.name]++
		if strings.Contains(st.patient.name, "=") {
			groups++
		}
		instances += st.instances()
		seriesCount += len(st.series)
		for _, uid := range append([]string{st.uid}, st.series[0].uid, h.instanceUID(st, &st.series[0], 1)) {
			if uids[uid] || len(uid) > 64 {
				t.Fatalf("study %d: UID %s is there twice, or too long", i, uid)
			}
			uids[uid] = true
		}
	}
	between := func(what string, got, low, high float64) {
		if got < low || got > high {
			t.Errorf("%s: %.2f, want %.2f to %.2f", what, got, low, high)
		}
	}
	between("studies a patient", n/float64(len(patients)), 1.3, 1.7)
	between("series a study", float64(seriesCount)/n, 3.5, 4.5)
	between("instances a series", float64(instances)/float64(seriesCount), 55, 75)
	between("names of three groups, %", float64(groups)*100/n, 3, 8)
	most := 0
	for _, c := range names {
		most = max(most, c)
	}
	between("studies under the most common name", float64(most), 5, 200)
}

// TestInstance checks that an instance is whole, and apart from its neighbours.
func TestInstance(t *testing.T) {
	t.Parallel()
	h := hospital{seed: 4, perObject: inPack}
	st := h.study(7)
	sc := h.newScan(st, &st.series[0], 130)
	one, err := sc.instance(1)
	if err != nil {
		t.Fatal(err)
	}
	two, err := sc.instance(2)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(one.Dataset.Elements); n < 65 || n > 90 {
		t.Errorf("%d elements", n)
	}
	if one.Dataset.UID(tag.SOPInstanceUID) != one.SOPInstanceUID || one.SOPInstanceUID == two.SOPInstanceUID {
		t.Error("SOP Instance UIDs")
	}
	if one.Blob.End != two.Blob.Location.Offset-64 || one.Blob.Location.Object != two.Blob.Location.Object {
		t.Error("records do not follow each other")
	}
	for i := 1; i < len(one.Dataset.Elements); i++ {
		if one.Dataset.Elements[i].Tag <= one.Dataset.Elements[i-1].Tag {
			t.Error("elements are not in order")
		}
	}
}
