package dimse_test

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dimse"
)

// echoRQ is the command set of DCMTK 3.6.7's echoscu, field by field.
const echoRQ = "" +
	"0000 0000 04000000 38000000" + // (0000,0000) Command Group Length 56
	"0000 0200 12000000 312e322e3834302e31303030382e312e3100" + // Affected SOP Class UID 1.2.840.10008.1.1
	"0000 0001 02000000 3000" + // Command Field C-ECHO-RQ
	"0000 1001 02000000 0100" + // Message ID 1
	"0000 0008 02000000 0101" // Command Data Set Type: none

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCommandFixture(t *testing.T) {
	t.Parallel()
	raw := unhex(t, echoRQ)
	want := &dimse.Command{Field: dimse.CEchoRQ, MessageID: 1, AffectedSOPClassUID: "1.2.840.10008.1.1"}
	got, err := dimse.ParseCommand(raw)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("parsed %+v, want %+v", got, want)
	}
	if b := want.AppendTo(nil); !bytes.Equal(b, raw) {
		t.Errorf("encoded %x\nwant    %x", b, raw)
	}
}

func TestCommandRoundTrip(t *testing.T) {
	t.Parallel()
	tags := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) tag.Tag { return tag.Tag(rapid.Uint32().Draw(t, "tag")) }), 0, 5)
	uid := rapid.StringMatching(`([0-2](\.[1-9][0-9]{0,8}){1,5})?`)
	ae := rapid.StringMatching(`([A-Z0-9_]{1,16})?`)
	rapid.Check(t, func(rt *rapid.T) {
		c := &dimse.Command{
			Field:                     dimse.CommandField(rapid.Uint16().Draw(rt, "field")),
			MessageID:                 rapid.Uint16().Draw(rt, "id"),
			MessageIDBeingRespondedTo: rapid.Uint16().Draw(rt, "responded"),
			AffectedSOPClassUID:       uid.Draw(rt, "class"),
			RequestedSOPClassUID:      uid.Draw(rt, "rclass"),
			AffectedSOPInstanceUID:    uid.Draw(rt, "instance"),
			RequestedSOPInstanceUID:   uid.Draw(rt, "rinstance"),
			Priority:                  dimse.Priority(rapid.Uint16Max(2).Draw(rt, "priority")),
			HasDataset:                rapid.Bool().Draw(rt, "dataset"),
			Status:                    dimse.Status(rapid.Uint16().Draw(rt, "status")),
			MoveDestination:           ae.Draw(rt, "destination"),
			MoveOriginatorAETitle:     ae.Draw(rt, "originator"),
			MoveOriginatorMessageID:   rapid.Uint16().Draw(rt, "originatorID"),
			EventTypeID:               rapid.Uint16().Draw(rt, "event"),
			ActionTypeID:              rapid.Uint16().Draw(rt, "action"),
			ErrorComment:              rapid.StringMatching(`([a-z][a-z ]{0,62}[a-z])?`).Draw(rt, "comment"),
			ErrorID:                   rapid.Uint16().Draw(rt, "error"),
		}
		if v := tags.Draw(rt, "offending"); len(v) > 0 {
			c.OffendingElement = v
		}
		if v := tags.Draw(rt, "attributes"); len(v) > 0 {
			c.AttributeIdentifierList = v
		}
		if rapid.Bool().Draw(rt, "counters") {
			n := rapid.IntRange(-1, 65535)
			k := dimse.Counters{Remaining: n.Draw(rt, "r"), Completed: n.Draw(rt, "c"), Failed: n.Draw(rt, "f"), Warning: n.Draw(rt, "w")}
			if k != (dimse.Counters{Remaining: -1, Completed: -1, Failed: -1, Warning: -1}) {
				c.Counters = &k
			}
		}
		got, err := dimse.ParseCommand(c.AppendTo(nil))
		if err != nil {
			rt.Fatal(err)
		}
		if !reflect.DeepEqual(got, c) {
			rt.Fatalf("got  %+v\nwant %+v", got, c)
		}
	})
}

func TestParseCommandRefuses(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]string{
		"empty":            "",
		"other group":      "0800 0000 02000000 3000",
		"ends in header":   "0000 0001 02",
		"lying length":     "0000 0001 ffffffff 3000",
		"length over end":  "0000 0001 04000000 3000",
		"no command field": "0000 1001 02000000 0100",
		"wrong width":      "0000 0001 04000000 30000000",
	} {
		if c, err := dimse.ParseCommand(unhex(t, s)); err == nil {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func FuzzCommand(f *testing.F) {
	f.Add(unhex(f, echoRQ))
	f.Add((&dimse.Command{Field: dimse.CMoveRSP, MessageIDBeingRespondedTo: 7, Status: dimse.StatusPending,
		Counters: &dimse.Counters{Remaining: 3, Completed: 2, Failed: -1, Warning: 0}, ErrorComment: "x"}).AppendTo(nil))
	f.Add((&dimse.Command{Field: dimse.NGetRQ, MessageID: 3, RequestedSOPClassUID: "1.2", RequestedSOPInstanceUID: "1.2.3",
		AttributeIdentifierList: []tag.Tag{0x00100010}}).AppendTo(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := dimse.ParseCommand(b)
		if err != nil {
			return
		}
		encoded := first.AppendTo(nil)
		second, err := dimse.ParseCommand(encoded)
		if err != nil {
			if len(encoded) > 64<<10 { // our mandatory elements made a full set too long
				return
			}
			t.Fatalf("own encoding refused: %v", err)
		}
		if !reflect.DeepEqual(first, second) {
			t.Fatalf("changed:\n%+v\n%+v", first, second)
		}
	})
}
