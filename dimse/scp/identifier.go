package scp

import (
	"cmp"
	"io"
	"slices"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/charset"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// identifier reads the Identifier of a C-FIND, C-MOVE or C-GET request, which the association
// has in memory already, within its limit.
func identifier(r *dimse.Request) (*dicom.Dataset, error) {
	if r.Data == nil {
		return nil, errs.Errorf(errs.Mismatch, "scp.identifier", "no Identifier")
	}
	b, err := io.ReadAll(r.Data)
	if err != nil {
		return nil, err
	}
	return dicom.ParseDataset(b, r.TransferSyntax)
}

// patientRoot tells which information model a request uses.
func patientRoot(r *dimse.Request) bool {
	switch r.Context.AbstractSyntax {
	case uid.PatientRootQueryRetrieveInformationModelFind,
		uid.PatientRootQueryRetrieveInformationModelMove,
		uid.PatientRootQueryRetrieveInformationModelGet:
		return true
	}
	return false
}

// responder makes the Identifiers of C-FIND responses (PS3.4 C.4.1.1.3.2): of every match the
// keys that were asked for and no others, empty where nothing is known, and what the standard
// adds. It is made once per request and reused for every match.
type responder struct {
	keys  []dicom.Element // of the request, in order of tags; fixed answers have their value
	asked *charset.Set    // nil: none, or one we do not know
	terms []byte          // Specific Character Set as it was asked for
	out   []dicom.Element // reused
}

// isOurs tells the attributes of an Identifier that are not matched but set by us.
func isOurs(t tag.Tag) bool {
	switch t {
	case tag.SpecificCharacterSet, tag.QueryRetrieveLevel, tag.RetrieveAETitle:
		return true
	}
	return t.GroupLength()
}

func newResponder(request *dicom.Dataset, retrieveAETitle string) *responder {
	a := &responder{keys: make([]dicom.Element, 0, len(request.Elements)+2)}
	for e := range request.All() {
		switch {
		case e.Tag == tag.InstanceAvailability:
			a.fixed(e.Tag, vr.CS, "ONLINE")
		case !isOurs(e.Tag):
			a.keys = append(a.keys, dicom.Element{Tag: e.Tag, VR: e.VR, Items: e.Items})
		}
	}
	a.fixed(tag.QueryRetrieveLevel, vr.CS, request.Text(tag.QueryRetrieveLevel))
	a.fixed(tag.RetrieveAETitle, vr.AE, retrieveAETitle)
	slices.SortStableFunc(a.keys, byTag)
	a.keys = slices.CompactFunc(a.keys, func(x, y dicom.Element) bool { return x.Tag == y.Tag })

	if e := request.Get(tag.SpecificCharacterSet); e != nil && !e.IsEmpty() {
		if set, err := charset.Parse(e.Strings(nil)); err == nil {
			a.asked, a.terms = set, e.Value
		}
	}
	return a
}

func byTag(x, y dicom.Element) int { return cmp.Compare(x.Tag, y.Tag) }

func (a *responder) fixed(t tag.Tag, v vr.VR, value string) {
	a.keys = append(a.keys, dicom.Element{Tag: t, VR: v, Value: padded([]byte(value), v)})
}

// response returns the Identifier that answers with the match, whose text is UTF-8. It is good
// until the next call.
func (a *responder) response(match *dicom.Dataset) *dicom.Dataset {
	a.out = append(a.out[:0], dicom.Element{Tag: tag.SpecificCharacterSet, VR: vr.CS})
	for i := range a.keys {
		a.out = append(a.out, answer(&a.keys[i], match))
	}
	rsp := &dicom.Dataset{Elements: a.out}
	switch {
	case plain(rsp):
		rsp.Elements = a.out[1:] // the default repertoire says it all
	case a.asked != nil && recode(rsp, a.asked):
		a.out[0].Value = a.terms
	default:
		a.out[0].Value = []byte("ISO_IR 192")
	}
	return rsp
}

// answer returns what the match has to say to one key.
func answer(key *dicom.Element, match *dicom.Dataset) dicom.Element {
	if len(key.Value) > 0 {
		return *key
	}
	e := dicom.Element{Tag: key.Tag, VR: key.VR}
	found := match.Get(key.Tag)
	switch {
	case found == nil:
		return e
	case found.VR != vr.SQ:
		e.VR, e.Value = found.VR, padded(found.Value, found.VR)
		return e
	}
	// PS3.4 C.2.2.2.6: an item in the request names the attributes wanted of each item;
	// without one the sequence is returned as it is.
	var keys *dicom.Dataset
	if len(key.Items) > 0 && len(key.Items[0].Elements) > 0 {
		keys = key.Items[0]
	}
	e.VR, e.Items = vr.SQ, make([]*dicom.Dataset, len(found.Items))
	for i, item := range found.Items {
		e.Items[i] = answerItem(keys, item)
	}
	return e
}

// answerItem returns of an item what the keys ask for (nil: all). Text of a match is UTF-8 at
// every depth, whatever an item said of itself when it was stored.
func answerItem(keys, item *dicom.Dataset) *dicom.Dataset {
	out := &dicom.Dataset{}
	if keys == nil {
		keys = item
	}
	for key := range keys.All() {
		if key.Tag.GroupLength() || key.Tag == tag.SpecificCharacterSet {
			continue
		}
		sub := dicom.Element{Tag: key.Tag, VR: key.VR}
		if keys != item {
			sub.Items = key.Items
		}
		out.Elements = append(out.Elements, answer(&sub, item))
	}
	return out
}

// plain tells whether all text of the data set is in the default repertoire.
func plain(d *dicom.Dataset) bool {
	for e := range d.All() {
		for _, item := range e.Items {
			if !plain(item) {
				return false
			}
		}
		if e.VR.Charset() && !ascii(e.Value) {
			return false
		}
	}
	return true
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 || c == 0x1b {
			return false
		}
	}
	return true
}

// recode turns the UTF-8 text of the data set into the character set, all of it or nothing.
func recode(d *dicom.Dataset, set *charset.Set) bool {
	if set.IsUTF8() {
		return true
	}
	coded := slices.Clone(d.Elements)
	for i := range coded {
		e := &coded[i]
		switch {
		case e.VR == vr.SQ:
			items := make([]*dicom.Dataset, len(e.Items))
			for k, item := range e.Items {
				items[k] = &dicom.Dataset{Elements: slices.Clone(item.Elements)}
				if !recode(items[k], set) {
					return false
				}
			}
			e.Items = items
		case e.VR.Charset() && !ascii(e.Value):
			b, ok := set.Encode(strings.TrimRight(string(e.Value), " \x00"))
			if !ok {
				return false
			}
			e.Value = padded(b, e.VR)
		}
	}
	copy(d.Elements, coded)
	return true
}

// padded makes the length even (PS3.5 6.2) without writing to b's array.
func padded(b []byte, v vr.VR) []byte {
	if len(b)%2 == 1 {
		return append(b[:len(b):len(b)], v.Padding())
	}
	return b
}
