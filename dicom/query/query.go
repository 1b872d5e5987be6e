// Package query is matching as PS3.4 C.2.2.2 defines it: a Query comes from a C-FIND Identifier
// or from QIDO-RS parameters, and Match tells whether a data set answers it. Match is the
// oracle every index is tested against. It knows no SQL.
package query

import (
	"net/url"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
)

// Level is a level of the information model.
type Level uint8

// The levels, from the top.
const (
	Patient Level = iota
	Study
	Series
	Instance
)

// Kind of matching (PS3.4 C.2.2.2).
type Kind uint8

// The kinds of matching. Universal matching is no Key at all.
const (
	Single   Kind = iota // equal, by the rules of the VR
	Wildcard             // * and ?
	Range                // DA, TM, DT: Values[0] - Values[1], either may be empty
	List                 // UID list, or several values of which one must match
	Empty                // the attribute must be absent or empty ("" in quotes, PS3.4 C.2.2.2.6)
)

// Key is one matching key.
type Key struct {
	Path   []tag.Tag // one tag, or sequence tags down to an attribute
	VR     vr.VR
	Kind   Kind
	Values []string // UTF-8, trimmed
}

// Query is a question at one level.
type Query struct {
	Level      Level
	Keys       []Key
	Return     []tag.Tag // attributes asked for beside the level's defaults
	ReturnAll  bool      // includefield=all: everything kept at this level and above
	Fuzzy      bool      // PN by words, prefixes and without accents (PS3.18 8.3.4.2)
	Limit      int       // 0: no limit
	Offset     int
	Identifier bool // C-FIND: answer exactly the keys that were sent
}

// FromIdentifier reads a C-FIND, C-MOVE or C-GET Identifier. patientRoot says which information
// model was negotiated. Missing or unknown QueryRetrieveLevel is errs.Mismatch.
func FromIdentifier(d *dicom.Dataset, patientRoot bool) (*Query, error) { panic("query helper") }

// FromParams reads QIDO-RS parameters (PS3.18 8.3.4): attribute keywords or tags, dotted paths,
// includefield, limit, offset, fuzzymatching. The UIDs of the path come as study and series.
// Unknown attributes are errs.Invalid.
func FromParams(level Level, study, series string, params url.Values) (*Query, error) {
	panic("query helper")
}

// Match tells whether the data set (attributes of q.Level and all levels above) answers q.
func (q *Query) Match(d *dicom.Dataset) bool { panic("query helper") }
