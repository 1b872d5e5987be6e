// Package sr reads structured reports and key object selections (PS3.3 A.35, C.17, C.18): the
// document's head and its content tree, whatever template they follow.
//
// Every value type of PS3.3 C.17.3.2.1 is read; one that is not known keeps its place with its
// concept name and what stands below it. By-reference relationships point at the item they name;
// they may form cycles, so who walks the tree follows Children and not Target. It leaves out:
// judging templates (PS3.16), and anything that is not in the document itself.
package sr

import (
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/iod"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// MaxDepth bounds the content tree, as the depth of sequences is when an object is parsed.
const MaxDepth = 128

// Document is a structured report or a key object selection.
type Document struct {
	iod.Subject
	Title iod.Code // the root's concept name

	// Complete, Preliminary and Verified are the flags of PS3.3 C.17.2. A key object selection has
	// none: HasState is false.
	HasState                        bool
	Complete, Preliminary, Verified bool
	CompletionDescription           string

	Verifiers    []Observer
	Authors      []Observer
	Participants []Observer

	Predecessors  []iod.Reference
	Identical     []iod.Reference // copies of it in other studies
	Evidence      []iod.Reference // Current Requested Procedure Evidence
	OtherEvidence []iod.Reference // Pertinent Other Evidence
	Procedures    []iod.Code

	Root  *Item
	Items int // in the tree
}

// Observer is a person or device that verified a document, wrote it or took part in it.
type Observer struct {
	Name         string // of a person, in the form of PN
	Device       string // manufacturer and model or station, where it is a device
	Organization string
	Role         string // Participation Type of a participant: SOURCE, ENT, ATTEST
	Code         iod.Code
	DateTime     string
}

// Is reports whether a data set has what makes a document: its outermost content item.
func Is(d *dicom.Dataset) bool {
	return d.Text(tag.ValueType) != "" || len(d.Items(tag.ContentSequence)) > 0
}

// Read reads a document. errs.Mismatch says that the data set is none, errs.Exhausted that its
// tree is too deep.
func Read(d *dicom.Dataset) (*Document, error) {
	const op = "sr.Read"
	if !Is(d) {
		return nil, errs.Errorf(errs.Mismatch, op, "the instance is no structured report")
	}
	doc := &Document{
		Subject:               iod.ReadSubject(d),
		Title:                 iod.FirstCode(d, tag.ConceptNameCodeSequence),
		HasState:              d.Has(tag.CompletionFlag) || d.Has(tag.VerificationFlag),
		Complete:              d.Text(tag.CompletionFlag) == "COMPLETE",
		Preliminary:           d.Text(tag.PreliminaryFlag) == "PRELIMINARY",
		Verified:              d.Text(tag.VerificationFlag) == "VERIFIED",
		CompletionDescription: d.Text(tag.CompletionFlagDescription),
		Predecessors:          iod.ReadHierarchy(d, tag.PredecessorDocumentsSequence),
		Identical:             iod.ReadHierarchy(d, tag.IdenticalDocumentsSequence),
		Evidence:              iod.ReadHierarchy(d, tag.CurrentRequestedProcedureEvidenceSequence),
		OtherEvidence:         iod.ReadHierarchy(d, tag.PertinentOtherEvidenceSequence),
	}
	for _, item := range d.Items(tag.VerifyingObserverSequence) {
		doc.Verifiers = append(doc.Verifiers, Observer{
			Name: item.Text(tag.VerifyingObserverName), Organization: item.Text(tag.VerifyingOrganization),
			Code: iod.FirstCode(item, tag.VerifyingObserverIdentificationCodeSequence), DateTime: item.Text(tag.VerificationDateTime),
		})
	}
	doc.Authors = observers(d, tag.AuthorObserverSequence)
	doc.Participants = observers(d, tag.ParticipantSequence)
	for _, item := range d.Items(tag.PerformedProcedureCodeSequence) {
		doc.Procedures = append(doc.Procedures, iod.ReadCode(item))
	}
	r := reader{}
	root, err := r.item(d, 1)
	if err != nil {
		return nil, errs.E(errs.KindOf(err), op, err)
	}
	doc.Root, doc.Items = root, r.items
	number(root, []int{1})
	for _, it := range r.references {
		it.Target = root.Find(it.Path)
	}
	return doc, nil
}

// Type returns the name of the SOP Class without what all such names end with: "Comprehensive SR".
func (d *Document) Type() string {
	name := uid.Name(d.SOPClassUID)
	for _, tail := range [...]string{" Storage", " Document"} {
		if n := len(name) - len(tail); n > 0 && name[n:] == tail {
			name = name[:n]
		}
	}
	if name == "" {
		return "Structured Report"
	}
	return name
}

// observers reads the Identified Person or Device Macro (PS3.3 Table C.17-3b).
func observers(d *dicom.Dataset, sequence tag.Tag) []Observer {
	var out []Observer
	for _, item := range d.Items(sequence) {
		o := Observer{
			Name: item.Text(tag.PersonName), Role: item.Text(tag.ParticipationType),
			Organization: item.Text(tag.InstitutionName), DateTime: item.Text(tag.ParticipationDateTime),
			Code: iod.FirstCode(item, tag.PersonIdentificationCodeSequence),
		}
		for _, t := range [...]tag.Tag{tag.Manufacturer, tag.ManufacturerModelName, tag.StationName} {
			if s := item.Text(t); s != "" && item.Text(tag.ObserverType) == "DEV" {
				if o.Device != "" {
					o.Device += " "
				}
				o.Device += s
			}
		}
		out = append(out, o)
	}
	return out
}
