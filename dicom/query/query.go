// Package query is matching as PS3.4 C.2.2.2 defines it: a Query comes from a C-FIND Identifier
// or from QIDO-RS parameters, and Match tells whether a data set answers it. Match is the
// oracle every index is tested against. It knows no SQL.
//
// Where the standard leaves room, or users expect more than it asks:
//   - Text is compared without regard to case and accents, not only PN; Patient ID, its issuer
//     and UIDs are compared exactly (see exact).
//   - A single value of PN matches the whole name or one of its component groups.
//   - A list of values, separated by backslash (UIDs and code strings also by comma), is
//     understood for every text attribute, not only for UIDs.
//   - Modality asked for at the study level means ModalitiesInStudy.
//   - A range of StudyDate and one of StudyTime are two independent conditions; combined
//     matching (PS3.4 C.2.2.2.5.2) is not negotiated.
//   - Stored dates, times and numbers that are none match nothing and are no error.
package query

import (
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

	// Ignored are keys with a value that cannot be matched at this level; the answer is as if
	// they had been empty (PS3.4 C.4.1.1.3.1 lets an SCP do so, with status FF01).
	Ignored []tag.Tag
}
