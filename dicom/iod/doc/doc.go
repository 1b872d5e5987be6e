// Package doc reads encapsulated documents (PS3.3 A.45, A.85, A.104, C.24.2): PDF, CDA, STL, OBJ
// and MTL. It says where the document's bytes are, how many, and of what media type: the one
// the header claims only where the bytes begin like it.
package doc

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/iod"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Media types that the standard's encapsulated documents have, and the one for bytes that are
// nothing one knows.
const (
	PDF    = "application/pdf"
	CDA    = "text/xml" // PS3.3 C.24.2: "text/XML"
	STL    = "model/stl"
	OBJ    = "model/obj"
	MTL    = "model/mtl"
	Binary = "application/octet-stream"
)

// HeadSize is how many of a document's first bytes Type looks at.
const HeadSize = 1024

// Document is an encapsulated document.
type Document struct {
	iod.Subject
	Title   string
	Concept iod.Code // what kind of document it is
	Claimed string   // MIME Type of Encapsulated Document, lower case; by the SOP Class where it is missing

	// Value are the bytes; where they were left in the object, Bulk says where they lie. Both are
	// without padding.
	Value  []byte
	Bulk   *dicom.Bulk
	Length int64

	Sources []iod.Reference // Source Instance Sequence
}

var byClass = map[string]string{
	uid.EncapsulatedPDFStorage: PDF, uid.EncapsulatedCDAStorage: CDA, uid.EncapsulatedSTLStorage: STL,
	uid.EncapsulatedOBJStorage: OBJ, uid.EncapsulatedMTLStorage: MTL,
}

// Read reads a document. errs.Mismatch says that the data set has none.
func Read(d *dicom.Dataset) (*Document, error) {
	const op = "doc.Read"
	e := d.Get(tag.EncapsulatedDocument)
	if e == nil {
		return nil, errs.Errorf(errs.Mismatch, op, "the instance has no encapsulated document")
	}
	if e.Items != nil || e.Fragments != nil {
		return nil, errs.Errorf(errs.Invalid, op, "Encapsulated Document is no string of bytes")
	}
	doc := &Document{
		Subject: iod.ReadSubject(d),
		Title:   d.Text(tag.DocumentTitle),
		Concept: iod.FirstCode(d, tag.ConceptNameCodeSequence),
		Claimed: strings.ToLower(d.Text(tag.MIMETypeOfEncapsulatedDocument)),
		Value:   e.Value,
		Length:  int64(len(e.Value)),
		Sources: iod.ReadReferences(d, tag.SourceInstanceSequence),
	}
	if doc.Claimed == "" {
		doc.Claimed = byClass[doc.SOPClassUID]
	}
	if e.Bulk != nil {
		doc.Length = e.Bulk.Length
	}
	// Padding makes the length even and is one byte; what differs by more is wrong itself.
	if n, ok := d.Int(tag.EncapsulatedDocumentLength); ok && n == doc.Length-1 && n > 0 {
		doc.Length = n
	}
	if e.Bulk != nil {
		doc.Bulk = &dicom.Bulk{Offset: e.Bulk.Offset, Length: doc.Length}
	} else {
		doc.Value = e.Value[:doc.Length]
	}
	return doc, nil
}

// Type returns the document's media type, judged by its first bytes (HeadSize of them, or all
// there are): what the header claims where they begin so, else what they begin like, else
// Binary. The header was right when the type is the one it claims.
func (d *Document) Type(head []byte) string {
	claimed := d.Claimed
	if claimed == "application/sla" { // STL of old
		claimed = STL
	}
	if claimed == "application/xml" {
		claimed = CDA
	}
	head = head[:min(len(head), HeadSize)]
	if begins, ok := signatures[claimed]; ok && begins(head, d.Length) {
		return claimed
	}
	// Only what cannot be taken for another: a text of OBJ may be any text.
	for _, t := range [...]string{PDF, CDA, STL} {
		if signatures[t](head, d.Length) {
			return t
		}
	}
	return Binary
}

// signatures tell how documents begin, of a length in all.
var signatures = map[string]func(head []byte, length int64) bool{
	PDF: func(head []byte, _ int64) bool { // ISO 32000-1 7.5.2, and readers look further (Annex H.3.4.1)
		return bytes.Contains(head, []byte("%PDF-"))
	},
	CDA: func(head []byte, _ int64) bool {
		head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xEF\xBB\xBF")), " \t\r\n")
		return bytes.HasPrefix(head, []byte("<?xml")) || bytes.HasPrefix(head, []byte("<ClinicalDocument"))
	},
	STL: func(head []byte, length int64) bool {
		// 80 bytes, the number of triangles, 50 bytes for each (and a byte of padding); or text.
		if len(head) >= 84 {
			if n := 84 + 50*int64(binary.LittleEndian.Uint32(head[80:])); n == length || n+1 == length {
				return true
			}
		}
		return text(head) && bytes.HasPrefix(bytes.TrimLeft(head, " \t\r\n"), []byte("solid"))
	},
	OBJ: func(head []byte, _ int64) bool {
		return statements(head, "v", "vt", "vn", "vp", "f", "l", "p", "o", "g", "s", "mtllib", "usemtl")
	},
	MTL: func(head []byte, _ int64) bool { return statements(head, "newmtl") },
}

// text reports whether there is something and nothing that a text does not have.
func text(b []byte) bool {
	return len(b) > 0 && !bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' && r != '\t' && r != '\r' && r != '\n' })
}

// statements reports whether a text's first line that is no comment begins with one of the words.
func statements(head []byte, words ...string) bool {
	if !text(head) {
		return false
	}
	for line := range strings.Lines(string(head)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		for _, w := range words {
			if fields[0] == w {
				return true
			}
		}
		return false
	}
	return false
}
