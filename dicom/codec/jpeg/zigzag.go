package jpeg

// zigzag gives the place in natural order, row by row, of the coefficients in their order in the
// codestream (T.81 Figure A.6).
var zigzag = [64]uint8{
	0, 1, 8, 16, 9, 2, 3, 10,
	17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34,
	27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36,
	29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46,
	53, 60, 61, 54, 47, 55, 62, 63,
}

// quantised is a block as it is in the codestream: coefficients in zigzag order.
type quantised struct {
	mask uint64 // bit k, but for DC: coefficient k may be other than zero
	coef [64]int16
}

const quantisedSize = 8 + 2*64
