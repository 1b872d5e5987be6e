package pdu_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/aurelius-imaging/aurelius/dimse/pdu"
)

const (
	verification = "1.2.840.10008.1.1"
	implicitLE   = "1.2.840.10008.1.2"
	explicitLE   = "1.2.840.10008.1.2.1"
	explicitBE   = "1.2.840.10008.1.2.2"
	deflatedLE   = "1.2.840.10008.1.2.1.99"
	jpeg2000     = "1.2.840.10008.1.2.4.90"
	ctImage      = "1.2.840.10008.5.1.4.1.1.2"
	studyGet     = "1.2.840.10008.5.1.4.1.2.2.3"
)

func fixtures() map[string]struct {
	bytes string
	want  pdu.PDU
} {
	return map[string]struct {
		bytes string
		want  pdu.PDU
	}{
		"dcmtk A-ASSOCIATE-RQ": {dcmtkAssociateRQ, &pdu.AssociateRQ{
			ProtocolVersion: 1, CalledAETitle: "STORESCP", CallingAETitle: "DCMTK", ApplicationContext: pdu.ApplicationContext,
			Contexts: []pdu.ContextRQ{{ID: 1, AbstractSyntax: verification, TransferSyntaxes: []string{implicitLE}}},
			User: pdu.UserInformation{MaxLength: 16384, ImplementationClassUID: "1.2.276.0.7230010.3.0.3.6.7",
				ImplementationVersionName: "OFFIS_DCMTK_367"},
		}},
		"dcmtk A-ASSOCIATE-AC": {dcmtkAssociateAC, &pdu.AssociateAC{
			ProtocolVersion: 1, CalledAETitle: "STORESCP", CallingAETitle: "DCMTK", ApplicationContext: pdu.ApplicationContext,
			Contexts: []pdu.ContextAC{{ID: 1, TransferSyntax: implicitLE}},
			User: pdu.UserInformation{MaxLength: 16384, ImplementationClassUID: "1.2.276.0.7230010.3.0.3.6.7",
				ImplementationVersionName: "OFFIS_DCMTK_367"},
		}},
		"dcmtk C-ECHO-RQ":    {dcmtkEchoRQ, &pdu.Data{PDVs: []pdu.PDV{{ContextID: 1, Command: true, Last: true, Data: []byte(dcmtkEchoRQ[12:])}}}},
		"dcmtk C-ECHO-RSP":   {dcmtkEchoRSP, &pdu.Data{PDVs: []pdu.PDV{{ContextID: 1, Command: true, Last: true, Data: []byte(dcmtkEchoRSP[12:])}}}},
		"dcmtk A-RELEASE-RQ": {dcmtkReleaseRQ, &pdu.ReleaseRQ{}},
		"dcmtk A-RELEASE-RP": {dcmtkReleaseRP, &pdu.ReleaseRP{}},
		"pynetdicom A-ASSOCIATE-RQ": {pynetdicomAssociateRQ, &pdu.AssociateRQ{
			ProtocolVersion: 1, CalledAETitle: "PYNET", CallingAETitle: "PYSCU", ApplicationContext: pdu.ApplicationContext,
			Contexts: []pdu.ContextRQ{
				{ID: 1, AbstractSyntax: verification, TransferSyntaxes: []string{implicitLE, explicitLE, deflatedLE, explicitBE}},
				{ID: 3, AbstractSyntax: ctImage, TransferSyntaxes: []string{explicitLE, jpeg2000}},
				{ID: 5, AbstractSyntax: studyGet, TransferSyntaxes: []string{implicitLE, explicitLE, deflatedLE, explicitBE}},
			},
			User: pdu.UserInformation{
				MaxLength: 16382, ImplementationClassUID: "1.2.826.0.1.3680043.9.3811.3.0.4", ImplementationVersionName: "PYNETDICOM_304",
				AsyncOperations: &pdu.AsyncOperations{Invoked: 5, Performed: 2},
				Roles:           []pdu.Role{{SOPClassUID: ctImage, SCU: true, SCP: true}},
				Extended:        []pdu.Extended{{SOPClassUID: studyGet, Info: []byte{1, 0, 1}}},
				CommonExtended: []pdu.CommonExtended{{SOPClassUID: ctImage, ServiceClassUID: "1.2.840.10008.4.2",
					RelatedSOPClassUID: []string{"1.2.840.10008.5.1.4.1.1.88.22"}}},
				UserIdentity: &pdu.UserIdentity{Type: pdu.IdentityUserAndPasscode, ResponseWanted: true, Primary: []byte("user"), Secondary: []byte("secret")},
			},
		}},
		"pynetdicom A-ASSOCIATE-AC": {pynetdicomAssociateAC, &pdu.AssociateAC{
			ProtocolVersion: 1, CalledAETitle: "PYNET", CallingAETitle: "PYSCU", ApplicationContext: pdu.ApplicationContext,
			Contexts: []pdu.ContextAC{{ID: 1, TransferSyntax: implicitLE}, {ID: 3, TransferSyntax: explicitLE}, {ID: 5, TransferSyntax: implicitLE}},
			User: pdu.UserInformation{
				MaxLength: 16382, ImplementationClassUID: "1.2.826.0.1.3680043.9.3811.3.0.4", ImplementationVersionName: "PYNETDICOM_304",
				AsyncOperations: &pdu.AsyncOperations{Invoked: 1, Performed: 1},
				Roles:           []pdu.Role{{SOPClassUID: ctImage, SCU: true, SCP: true}},
				Extended:        []pdu.Extended{{SOPClassUID: studyGet, Info: []byte{1, 0, 1}}},
			},
		}},
		"A-ASSOCIATE-RJ": {"\x03\x00\x00\x00\x00\x04" + "\x00\x01\x01\x07", &pdu.AssociateRJ{
			Result: pdu.RejectedPermanent, Source: pdu.RejectSourceUser, Reason: pdu.RejectCalledNotRecognized}},
		"A-ABORT": {"\x07\x00\x00\x00\x00\x04" + "\x00\x00\x02\x06", &pdu.Abort{
			Source: pdu.ServiceProvider, Reason: pdu.InvalidParameterValue}},
	}
}

func TestDecodeFixtures(t *testing.T) {
	t.Parallel()
	for name, f := range fixtures() {
		got, err := pdu.Read(strings.NewReader(f.bytes), 1<<14)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !reflect.DeepEqual(got, f.want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", name, got, f.want)
		}
		again := roundTrip(t, got)
		if !reflect.DeepEqual(again, got) {
			t.Errorf("%s changed on the way:\n%+v\n%+v", name, got, again)
		}
	}
}

// TestEncodeFixtures compares bytes where the peer writes the items in our order and leaves
// reserved bytes zero.
func TestEncodeFixtures(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"dcmtk A-ASSOCIATE-AC", "dcmtk C-ECHO-RQ", "dcmtk C-ECHO-RSP", "dcmtk A-RELEASE-RQ",
		"dcmtk A-RELEASE-RP", "A-ASSOCIATE-RJ", "A-ABORT"} {
		f := fixtures()[name]
		b, err := pdu.Append(nil, f.want)
		if err != nil || string(b) != f.bytes {
			t.Errorf("%s: %v\ngot  %x\nwant %x", name, err, b, f.bytes)
		}
	}
}

func roundTrip(t testing.TB, p pdu.PDU) pdu.PDU {
	t.Helper()
	b, err := pdu.Append(nil, p)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pdu.Read(bytes.NewReader(b), 1<<31)
	if err != nil {
		t.Fatalf("own encoding refused: %v\n%x", err, b)
	}
	return got
}

// TestTruncated cuts every fixture at every byte, and lies about each length by one.
func TestTruncated(t *testing.T) {
	t.Parallel()
	for name, f := range fixtures() {
		for n := range len(f.bytes) {
			if _, err := pdu.Read(strings.NewReader(f.bytes[:n]), 1<<14); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s cut at %d: %v", name, n, err)
			}
		}
		typ, _ := pdu.ParseHeader([]byte(f.bytes))
		for n := range len(f.bytes) - pdu.HeaderLen {
			// Cutting between items leaves a shorter PDU that is well formed.
			if _, err := pdu.Decode(typ, []byte(f.bytes[pdu.HeaderLen:pdu.HeaderLen+n])); err != nil && pdu.ReasonOf(err) == pdu.ReasonNotSpecified {
				t.Errorf("%s body of %d: %v has no reason", name, n, err)
			}
		}
	}
}

func TestCheckHeader(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		typ    pdu.Type
		length uint32
		ok     bool
		reason pdu.AbortReason
	}{
		{"request", pdu.TypeAssociateRQ, 205, true, 0},
		{"request of 4 GB", pdu.TypeAssociateRQ, 0xFFFFFFFF, false, pdu.InvalidParameterValue},
		{"request over the limit", pdu.TypeAssociateRQ, pdu.MaxAssociateLength + 1, false, pdu.InvalidParameterValue},
		{"data at the limit", pdu.TypeData, 16384, true, 0},
		{"data over the limit", pdu.TypeData, 16385, false, pdu.InvalidParameterValue},
		{"release", pdu.TypeReleaseRQ, 4, true, 0},
		{"long release", pdu.TypeReleaseRQ, 5, false, pdu.InvalidParameterValue},
		{"short abort", pdu.TypeAbort, 3, false, pdu.InvalidParameterValue},
		{"type 0", 0, 4, false, pdu.UnrecognizedPDU},
		{"type 8", 8, 4, false, pdu.UnrecognizedPDU},
		{"HTTP", 'G', 0x20202f20, false, pdu.UnrecognizedPDU},
	} {
		err := pdu.CheckHeader(c.typ, c.length, 16384)
		if (err == nil) != c.ok || err != nil && pdu.ReasonOf(err) != c.reason {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	fixed := "\x00\x01\x00\x00" + strings.Repeat(" ", 32) + strings.Repeat("\x00", 32)
	many := strings.Repeat("\x20\x00\x00\x04\x01\x00\x00\x00", pdu.MaxContexts)
	for _, c := range []struct {
		name string
		typ  pdu.Type
		body string
	}{
		{"no fixed part", pdu.TypeAssociateRQ, fixed[:67]},
		{"item header cut", pdu.TypeAssociateRQ, fixed + "\x10\x00\x00"},
		{"item longer than PDU", pdu.TypeAssociateRQ, fixed + "\x10\x00\xff\xff1"},
		{"two application contexts", pdu.TypeAssociateRQ, fixed + "\x10\x00\x00\x011\x10\x00\x00\x011"},
		{"129 contexts", pdu.TypeAssociateRQ, fixed + many + many[:8]},
		{"context of 3 bytes", pdu.TypeAssociateRQ, fixed + "\x20\x00\x00\x03\x01\x00\x00"},
		{"answer of 3 bytes", pdu.TypeAssociateAC, fixed + "\x21\x00\x00\x03\x01\x00\x00"},
		{"maximum length of 2 bytes", pdu.TypeAssociateRQ, fixed + "\x50\x00\x00\x06\x51\x00\x00\x02\x00\x00"},
		{"maximum length twice", pdu.TypeAssociateRQ, fixed + "\x50\x00\x00\x10" + strings.Repeat("\x51\x00\x00\x04\x00\x00\x40\x00", 2)},
		{"role UID longer than item", pdu.TypeAssociateRQ, fixed + "\x50\x00\x00\x08\x54\x00\x00\x04\x00\xff12"},
		{"identity fields longer than item", pdu.TypeAssociateRQ, fixed + "\x50\x00\x00\x0a\x58\x00\x00\x06\x02\x00\xff\xff12"},
		{"related classes cut", pdu.TypeAssociateRQ, fixed + "\x50\x00\x00\x0e\x57\x00\x00\x0a\x00\x011\x00\x011\x00\x02\x00\x09"},
		{"PDV header cut", pdu.TypeData, "\x00\x00\x00\x02\x01"},
		{"PDV longer than PDU", pdu.TypeData, "\x00\x00\x00\x04\x01\x03x"},
		{"PDV of 4 GB", pdu.TypeData, "\xff\xff\xff\xff\x01\x03x"},
		{"PDV without header", pdu.TypeData, "\x00\x00\x00\x01\x01\x03"},
	} {
		if p, err := pdu.Decode(c.typ, []byte(c.body)); err == nil {
			t.Errorf("%s: %+v", c.name, p)
		} else if pdu.ReasonOf(err) == pdu.ReasonNotSpecified {
			t.Errorf("%s: no abort reason in %v", c.name, err)
		}
	}
}

func TestTolerates(t *testing.T) {
	t.Parallel()
	fixed := "\x00\x01\xff\xff" + "A\x00              " + "  B             " + strings.Repeat("\xff", 32)
	p, err := pdu.Decode(pdu.TypeAssociateRQ, []byte(fixed+
		"\x99\x00\x00\x02xx"+ // an item nobody knows
		"\x10\x00\x00\x16"+pdu.ApplicationContext+"\x00"+ // padded
		"\x50\x00\x00\x06\x60\x00\x00\x02zz")) // user information nobody knows
	if err != nil {
		t.Fatal(err)
	}
	want := &pdu.AssociateRQ{ProtocolVersion: 1, CalledAETitle: "A", CallingAETitle: "B", ApplicationContext: pdu.ApplicationContext,
		User: pdu.UserInformation{Unknown: []pdu.Item{{Type: 0x60, Data: []byte("zz")}}}}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got %+v", p)
	}
}

func TestAppendRefuses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("1", 70000)
	for name, p := range map[string]pdu.PDU{
		"abstract syntax": &pdu.AssociateRQ{Contexts: []pdu.ContextRQ{{ID: 1, AbstractSyntax: long}}},
		"identity":        &pdu.AssociateRQ{User: pdu.UserInformation{UserIdentity: &pdu.UserIdentity{Primary: []byte(long)}}},
		"both fields": &pdu.AssociateRQ{User: pdu.UserInformation{UserIdentity: &pdu.UserIdentity{
			Primary: []byte(long[:40000]), Secondary: []byte(long[:40000])}}},
	} {
		if b, err := pdu.Append([]byte("x"), p); err == nil || string(b) != "x" {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	uid := rapid.StringMatching(`[0-2](\.(0|[1-9][0-9]{0,9})){1,6}`)
	ae := rapid.StringMatching(`[A-Z0-9_]([A-Z0-9_ ]{0,14}[A-Z0-9_])?`)
	raw := rapid.Custom(func(t *rapid.T) []byte {
		if b := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes"); len(b) > 0 {
			return b
		}
		return nil
	})
	user := rapid.Custom(func(t *rapid.T) (u pdu.UserInformation) {
		u.MaxLength = rapid.Uint32().Draw(t, "max")
		u.ImplementationClassUID = uid.Draw(t, "class")
		u.ImplementationVersionName = rapid.StringMatching(`([A-Z0-9]{1,16})?`).Draw(t, "version")
		if rapid.Bool().Draw(t, "async") {
			u.AsyncOperations = &pdu.AsyncOperations{Invoked: rapid.Uint16().Draw(t, "i"), Performed: rapid.Uint16().Draw(t, "p")}
		}
		for range rapid.IntRange(0, 3).Draw(t, "roles") {
			u.Roles = append(u.Roles, pdu.Role{SOPClassUID: uid.Draw(t, "uid"), SCU: rapid.Bool().Draw(t, "scu"), SCP: rapid.Bool().Draw(t, "scp")})
			u.Extended = append(u.Extended, pdu.Extended{SOPClassUID: uid.Draw(t, "uid"), Info: raw.Draw(t, "info")})
			u.CommonExtended = append(u.CommonExtended, pdu.CommonExtended{SOPClassUID: uid.Draw(t, "uid"), ServiceClassUID: uid.Draw(t, "uid"),
				RelatedSOPClassUID: []string{uid.Draw(t, "uid"), uid.Draw(t, "uid")}})
		}
		if rapid.Bool().Draw(t, "identity") {
			u.UserIdentity = &pdu.UserIdentity{Type: pdu.IdentityType(rapid.Byte().Draw(t, "type")), ResponseWanted: rapid.Bool().Draw(t, "wanted"),
				Primary: raw.Draw(t, "primary"), Secondary: raw.Draw(t, "secondary")}
		}
		if rapid.Bool().Draw(t, "response") {
			b := raw.Draw(t, "response")
			u.UserIdentityResponse = &b
		}
		return u
	})
	rapid.Check(t, func(rt *rapid.T) {
		rq := &pdu.AssociateRQ{ProtocolVersion: 1, CalledAETitle: ae.Draw(rt, "called"), CallingAETitle: ae.Draw(rt, "calling"),
			ApplicationContext: pdu.ApplicationContext, User: user.Draw(rt, "user")}
		ac := &pdu.AssociateAC{ProtocolVersion: 1, CalledAETitle: rq.CalledAETitle, CallingAETitle: rq.CallingAETitle,
			ApplicationContext: pdu.ApplicationContext, User: rq.User}
		data := &pdu.Data{}
		for i := range rapid.IntRange(1, 128).Draw(rt, "contexts") {
			rq.Contexts = append(rq.Contexts, pdu.ContextRQ{ID: byte(2*i + 1), AbstractSyntax: uid.Draw(rt, "abstract"), TransferSyntaxes: []string{uid.Draw(rt, "ts"), implicitLE}})
			ac.Contexts = append(ac.Contexts, pdu.ContextAC{ID: byte(2*i + 1), Result: rapid.ByteMax(4).Draw(rt, "result"), TransferSyntax: uid.Draw(rt, "ts")})
			data.PDVs = append(data.PDVs, pdu.PDV{ContextID: byte(2*i + 1), Command: i%2 == 0, Last: i%3 == 0, Data: append([]byte{}, raw.Draw(rt, "data")...)})
		}
		for _, p := range []pdu.PDU{rq, ac, data} {
			if got := roundTrip(t, p); !reflect.DeepEqual(got, p) {
				rt.Fatalf("got  %+v\nwant %+v", got, p)
			}
		}
	})
}

func FuzzPDU(f *testing.F) {
	for _, x := range fixtures() {
		f.Add([]byte(x.bytes))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := pdu.Read(bytes.NewReader(b), 1<<16)
		if err != nil {
			return
		}
		encoded, err := pdu.Append(nil, first)
		if err != nil { // our Maximum Length item made a full user information item too long
			return
		}
		second, err := pdu.Read(bytes.NewReader(encoded), 1<<16)
		if err != nil {
			t.Fatalf("own encoding refused: %v", err)
		}
		if !reflect.DeepEqual(first, second) {
			t.Fatalf("changed:\n%+v\n%+v", first, second)
		}
	})
}
