package scp_test

import (
	"fmt"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dimse/scp"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	entry := func(class, syntax string) index.Entry {
		return index.Entry{SOPClassUID: class, TransferSyntaxUID: syntax}
	}
	explicit, implicit := dicom.ExplicitVRLittleEndian.UID, dicom.ImplicitVRLittleEndian.UID
	jpeg, deflated := dicom.JPEGBaseline.UID, dicom.DeflatedExplicitVRLittleEndian.UID
	for _, c := range []struct {
		name    string
		entries []index.Entry
		limit   int
		want    string // proposals/entries of each leg
	}{
		{"nothing", nil, 128, "[]"},
		{"one class, one syntax", []index.Entry{entry("1", explicit), entry("1", explicit)}, 128, "[2/2]"},
		{"compressed has no fallback", []index.Entry{entry("1", jpeg)}, 128, "[1/1]"},
		{"native shares its fallbacks", []index.Entry{entry("1", explicit), entry("1", implicit), entry("1", deflated)}, 128, "[3/3]"},
		{"fallback first, itself later", []index.Entry{entry("1", deflated), entry("1", explicit), entry("1", implicit)}, 128, "[3/3]"},
		{"too many contexts", []index.Entry{entry("1", jpeg), entry("2", jpeg), entry("3", jpeg)}, 2, "[2/2 1/1]"},
		{"one instance stays together", []index.Entry{entry("1", jpeg), entry("2", explicit), entry("1", jpeg)}, 2, "[1/1 2/1 1/1]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := []string{}
			for _, l := range scp.Plan(c.entries, c.limit) {
				got = append(got, fmt.Sprintf("%d/%d", l.Proposals, len(l.Entries)))
			}
			if fmt.Sprint(got) != c.want {
				t.Errorf("legs %v, want %v", got, c.want)
			}
		})
	}
}
