package scp_test

import (
	"fmt"
	"testing"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/native"
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
	passing := archive.New(archive.Config{}, nil, nil).Lossless
	decoding := archive.New(archive.Config{Codecs: codec.NewRegistry(append(native.Codecs(), lossless{})...)}, nil, nil).Lossless
	for _, c := range []struct {
		name    string
		entries []index.Entry
		limit   int
		forms   func(string) []string
		want    string // proposals/entries of each leg
	}{
		{"nothing", nil, 128, passing, "[]"},
		{"one class, one syntax", []index.Entry{entry("1", explicit), entry("1", explicit)}, 128, passing, "[2/2]"},
		{"compressed has no fallback", []index.Entry{entry("1", jpeg)}, 128, passing, "[1/1]"},
		{"native shares its fallbacks", []index.Entry{entry("1", explicit), entry("1", implicit), entry("1", deflated)}, 128, passing, "[3/3]"},
		{"fallback first, itself later", []index.Entry{entry("1", deflated), entry("1", explicit), entry("1", implicit)}, 128, passing, "[3/3]"},
		{"too many contexts", []index.Entry{entry("1", jpeg), entry("2", jpeg), entry("3", jpeg)}, 2, passing, "[2/2 1/1]"},
		{"one instance stays together", []index.Entry{entry("1", jpeg), entry("2", explicit), entry("1", jpeg)}, 2, passing, "[1/1 2/1 1/1]"},
		{"compressed, and what it can be decoded to", []index.Entry{entry("1", lossless{}.TransferSyntax().UID)}, 128, decoding, "[3/1]"},
		{"native, and what it can be encoded to", []index.Entry{entry("1", implicit), entry("1", lossless{}.TransferSyntax().UID), entry("1", jpeg)}, 128, decoding, "[4/3]"},
		{"as stored before all others", []index.Entry{entry("1", lossless{}.TransferSyntax().UID)}, 1, decoding, "[1/1]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := []string{}
			for _, l := range scp.Plan(c.entries, c.limit, c.forms) {
				got = append(got, fmt.Sprintf("%d/%d", l.Proposals, len(l.Entries)))
			}
			if fmt.Sprint(got) != c.want {
				t.Errorf("legs %v, want %v", got, c.want)
			}
		})
	}
}

// lossless is some codec that encodes too.
type lossless struct{ native.Codec }

func (lossless) TransferSyntax() dicom.TransferSyntax { return dicom.RLELossless }
