package scp

import (
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// StatusRow is a row of the translation table: storing, finding, retrieving.
func StatusRow(k errs.Kind) (row [3]dimse.Status, ok bool) {
	row, ok = statusOf[k]
	return row, ok
}

// Comment is comment.
func Comment(err error) string { return comment(err) }

// Leg is what plan makes.
type Leg struct {
	Proposals int
	Entries   []index.Entry
}

// Plan is plan.
func Plan(entries []index.Entry, limit int, forms func(string) []string) []Leg {
	var out []Leg
	for _, l := range plan(entries, limit, forms) {
		out = append(out, Leg{len(l.proposals), l.entries})
	}
	return out
}

// Response answers the request's Identifier with a match.
func Response(request, match *dicom.Dataset) *dicom.Dataset {
	return newResponder(request, "AURELIUS").response(match)
}

// MaybeStorage is maybeStorage.
func MaybeStorage(AbstractSyntax string) bool { return maybeStorage(AbstractSyntax) }
