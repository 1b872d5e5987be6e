// Package ycc converts between RGB and YCbCr at full range (ITU-T T.871 7; PS3.3 C.7.6.3.1.2
// YBR_FULL), in the fixed point of libjpeg (jccolor.c, jdcolor.c), whose pictures are everyone's
// reference: 16 fractional bits, a sample rounded once. The JPEG encoder and those who render
// YBR_FULL and YBR_FULL_422 samples share it.
package ycc

const (
	fraction = 16
	half     = 1 << (fraction - 1)
	center   = 128 << fraction
)

// FromRGB converts a pixel to YCbCr.
func FromRGB(r, g, b byte) (y, cb, cr byte) {
	r1, g1, b1 := int32(r), int32(g), int32(b)
	// The chroma constants round down by one more than half: 255.5 cannot come out.
	return byte((19595*r1 + 38470*g1 + 7471*b1 + half) >> fraction),
		byte((32768*b1 - 11059*r1 - 21709*g1 + center + half - 1) >> fraction),
		byte((32768*r1 - 27439*g1 - 5329*b1 + center + half - 1) >> fraction)
}

// ToRGB converts the pixels of src, three samples each, into dst, which may be src.
func ToRGB(dst, src []byte) {
	for len(src) >= 3 && len(dst) >= 3 {
		y, cb, cr := int32(src[0]), int32(src[1])-128, int32(src[2])-128
		dst[0] = clamp(y + (91881*cr+half)>>fraction)
		dst[1] = clamp(y + (half-22554*cb-46802*cr)>>fraction)
		dst[2] = clamp(y + (116130*cb+half)>>fraction)
		dst, src = dst[3:], src[3:]
	}
}

func clamp(v int32) byte {
	if uint32(v) > 255 {
		v = ^(v >> 31) // all bits where it is above, none where it is below
	}
	return byte(v)
}
