package jpeg

// The tables of T.81 K.1 in natural order: luminance and chrominance at quality 50.
var standardQuant = [2][64]uint8{
	{
		16, 11, 10, 16, 24, 40, 51, 61,
		12, 12, 14, 19, 26, 58, 60, 55,
		14, 13, 16, 24, 40, 57, 69, 56,
		14, 17, 22, 29, 51, 87, 80, 62,
		18, 22, 37, 56, 68, 109, 103, 77,
		24, 35, 55, 64, 81, 104, 113, 92,
		49, 64, 78, 87, 103, 121, 120, 101,
		72, 92, 95, 98, 112, 100, 103, 99,
	},
	{
		17, 18, 24, 47, 99, 99, 99, 99,
		18, 21, 26, 66, 99, 99, 99, 99,
		24, 26, 56, 99, 99, 99, 99, 99,
		47, 66, 99, 99, 99, 99, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99,
	},
}

// quantiser divides coefficients by the steps of a table.
type quantiser struct {
	step    [64]uint8 // in zigzag order, as DQT has it
	half    [64]int32 // of a step of forward's coefficients, which are eight times too large
	inverse [64]int64 // 1 / step, in 2^-quantBits
}

// quantBits makes the product right for every dividend and step: their product is below 2^30.
const quantBits = 40

// set makes the table of a quality, 1 to 100, as jpeg_set_quality does.
func (q *quantiser) set(table, quality int) {
	scale := 200 - 2*quality
	if quality < 50 {
		scale = 5000 / quality
	}
	for k, n := range zigzag {
		step := min(max((int(standardQuant[table][n])*scale+50)/100, 1), 255)
		q.step[k] = uint8(step)
		q.half[k] = int32(step) << 2
		q.inverse[k] = 1<<quantBits/(int64(step)<<3) + 1
	}
}

// quantise rounds the coefficients that forward left in b to the nearest step. to is zero before.
func (q *quantiser) quantise(b *[64]int32, to *quantised) {
	var mask uint64
	for k, n := range zigzag {
		v, half := b[n&63], q.half[k]
		if uint32(v+half-1) < uint32(2*half-1) {
			continue // it is nearer to zero, as most are
		}
		to.coef[k] = q.divide(k, v)
		mask |= 1 << k
	}
	to.mask = mask
}

// divide returns how many steps coefficient k has.
func (q *quantiser) divide(k int, v int32) int16 {
	sign := v >> 31
	v = int32(int64((v^sign)-sign+q.half[k]) * q.inverse[k] >> quantBits)
	return int16((v ^ sign) - sign)
}
