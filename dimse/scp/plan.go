package scp

import (
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// maxContexts is how many presentation contexts fit in an association: their IDs are the odd
// numbers of one byte (PS3.8 9.3.2.2).
const maxContexts = 128

// proposal is one presentation context to propose. Each has a single transfer syntax, so that
// the destination's choice among several cannot cost an instance its own.
type proposal struct {
	SOPClassUID    string
	TransferSyntax string
}

// leg is the part of a retrieval that goes over one association.
type leg struct {
	proposals []proposal
	entries   []index.Entry
}

// plan splits entries, in order, into as few associations as their contexts need: nearly always
// one. forms lists, as stored first, the transfer syntaxes in which what is stored in one can be
// sent.
func plan(entries []index.Entry, limit int, forms func(stored string) []string) []leg {
	var legs []leg
	var proposed map[proposal]bool
	begin := 0
	for i, e := range entries {
		// Whoever proposed an instance's own syntax has proposed the others it may need, or
		// such as do as well.
		if !proposed[proposal{e.SOPClassUID, e.TransferSyntaxUID}] {
			wanted := proposals(e, forms(e.TransferSyntaxUID), limit)
			if len(legs) == 0 || len(proposed)+len(wanted) > limit {
				legs, proposed, begin = append(legs, leg{}), map[proposal]bool{}, i
			}
			at := &legs[len(legs)-1]
			for _, p := range wanted {
				if !proposed[p] {
					proposed[p] = true
					at.proposals = append(at.proposals, p)
				}
			}
		}
		legs[len(legs)-1].entries = entries[begin : i+1]
	}
	return legs
}

// proposals are the contexts in which an instance can be sent, as many as an association holds.
func proposals(e index.Entry, forms []string, limit int) []proposal {
	out := make([]proposal, 0, len(forms))
	for _, uid := range forms[:min(len(forms), limit)] {
		out = append(out, proposal{e.SOPClassUID, uid})
	}
	return out
}
