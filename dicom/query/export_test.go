package query

// What the tests hold against an oracle of their own.
var (
	Fold = fold
	Glob = glob
)
