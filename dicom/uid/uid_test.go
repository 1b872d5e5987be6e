package uid_test

import (
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/uid"
)

func TestValidAndSafe(t *testing.T) {
	t.Parallel()
	long := "1." + strings.Repeat("2", 62)
	for _, c := range []struct {
		uid         string
		valid, safe bool
	}{
		{"1.2.840.10008.1.1", true, true},
		{"2.25.0", true, true},
		{long, true, true},
		{long + "3", false, false},
		{"", false, false},
		{"1", false, true},
		{"1.02.3", false, true},
		{"3.2.1", false, true},
		{"12.2.1", false, true},
		{"1..2", false, false},
		{".1.2", false, false},
		{"1.2.", false, false},
		{"1.2.3 ", false, false},
		{"1.2.3\x00", false, false},
		{"1.2/../3", false, false},
		{"1.2.a", false, false},
		{"1.2.*", false, false},
		{"..", false, false},
	} {
		if uid.Valid(c.uid) != c.valid || uid.Safe(c.uid) != c.safe {
			t.Errorf("%q: Valid %v, Safe %v", c.uid, uid.Valid(c.uid), uid.Safe(c.uid))
		}
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		u := uid.New()
		if !uid.Valid(u) || !strings.HasPrefix(u, "2.25.") || seen[u] {
			t.Fatalf("New() = %q", u)
		}
		seen[u] = true
	}
	if !uid.Valid(uid.ImplementationClassUID) || len(uid.ImplementationVersionName) > 16 {
		t.Error("what identifies the implementation is not valid")
	}
}

func TestTables(t *testing.T) {
	t.Parallel()
	classes := uid.StorageClasses()
	uids, keywords := map[string]bool{}, map[string]bool{}
	for _, c := range classes {
		if !uid.Valid(c.UID) || c.Keyword == "" || c.Name == "" || uids[c.UID] || keywords[c.Keyword] {
			t.Errorf("%+v", c)
		}
		uids[c.UID], keywords[c.Keyword] = true, true
		if uid.Name(c.UID) != c.Name || !uid.IsStorage(c.UID) {
			t.Errorf("Name(%s) = %q", c.UID, uid.Name(c.UID))
		}
	}
	for _, u := range []string{uid.CTImageStorage, uid.TwelveLeadECGWaveformStorage, uid.UltrasoundImageStorageRetired,
		uid.SiemensCSANonImageStorage, uid.EncapsulatedPDFStorage, uid.VLWholeSlideMicroscopyImageStorage} {
		if !uids[u] {
			t.Errorf("%s is not a storage class", u)
		}
	}
	for _, u := range []string{uid.MediaStorageDirectoryStorage, uid.Verification, uid.ExplicitVRLittleEndian, ""} {
		if uid.IsStorage(u) {
			t.Errorf("%s is a storage class", u)
		}
	}
	for u, name := range map[string]string{
		uid.Verification:                               "Verification",
		uid.ImplicitVRLittleEndian:                     "Implicit VR Little Endian",
		uid.StudyRootQueryRetrieveInformationModelFind: "Study Root Query/Retrieve Information Model - FIND",
		uid.StorageCommitmentPushModelInstance:         "Storage Commitment Push Model SOP Instance",
		"1.2.3":                                        "",
	} {
		if got := uid.Name(u); got != name {
			t.Errorf("Name(%s) = %q, want %q", u, got, name)
		}
	}
}

func TestDerive(t *testing.T) {
	one := uid.Derive("1.2.3", "4")
	if !uid.Valid(one) || one != uid.Derive("1.2.3", "4") {
		t.Errorf("%s is no UID, or not the same again", one)
	}
	if one == uid.Derive("1.2.34") || one == uid.Derive("1.2.3", "5") || one == uid.Derive("1.2.3") {
		t.Error("other parts give the same UID")
	}
}
