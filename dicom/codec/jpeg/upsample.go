package jpeg

// Chroma is brought to the frame's size as libjpeg's "fancy" upsampling does (jdsample.c), which
// its decoders use unless told otherwise: a triangle filter for factors of two, where the sample
// nearer to the pixel counts three times the other one, repetition for all other factors. Samples
// beyond the component's edge are those of its edge.

type sample interface{ byte | uint16 }

// upsampling is how a component's rows become rows of the frame.
type upsampling struct {
	h, v   int  // factors
	filter bool // triangle, not repetition
}

// newUpsampling chooses as jinit_upsampler does: narrow components are repeated.
func newUpsampling(h, v, width int) upsampling {
	u := upsampling{h: h, v: v}
	switch {
	case h == 2 && (v == 1 || v == 2):
		u.filter = width > 2
	case h == 1 && v == 2: // libjpeg-turbo; older libjpeg repeats
		u.filter = true
	}
	return u
}

// rows returns which rows of a component of so many go into row y of the frame.
func (u upsampling) rows(y, height int) (near, far int) {
	near = y / u.v
	if !u.filter || u.v == 1 {
		return near, near
	}
	if y&1 == 0 {
		return near, max(near-1, 0)
	}
	return near, min(near+1, height-1)
}

// upsample makes a row of the frame, dst, of the rows of a component; odd says that it is the
// second one of a pair. Its samples are step apart and go to the end of dst.
func upsample[T sample](u upsampling, dst []T, step int, near, far []T, odd bool) {
	switch {
	case !u.filter:
		repeat(dst, step, near, u.h)
	case u.h == 1:
		bias := 1
		if odd {
			bias = 2
		}
		for i, v := range near {
			dst[i*step] = T((3*int(v) + int(far[i]) + bias) >> 2)
		}
	case u.v == 1:
		triangle1(dst, step, near)
	default:
		triangle2(dst, step, near, far)
	}
}

func repeat[T sample](dst []T, step int, src []T, n int) {
	o := 0
	for _, v := range src {
		for j := 0; j < n && o < len(dst); j++ {
			dst[o] = v
			o += step
		}
	}
}

// triangle1 doubles a row of three or more samples.
func triangle1[T sample](dst []T, step int, src []T) {
	n := len(src)
	last, this := int(src[0]), int(src[1])
	dst[0], dst[step] = src[0], T((3*last+this+2)>>2)
	o := 2 * step
	for _, v := range src[2:] {
		next := int(v)
		dst[o], dst[o+step] = T((3*this+last+1)>>2), T((3*this+next+2)>>2)
		o += 2 * step
		last, this = this, next
	}
	dst[o] = T((3*this + last + 1) >> 2)
	if o += step; o < len(dst) { // not where the row is odd
		dst[o] = src[n-1]
	}
}

// triangle2 doubles a row of three or more samples, mixed with the row beyond.
func triangle2[T sample](dst []T, step int, near, far []T) {
	far = far[:len(near)]
	last, this := 3*int(near[0])+int(far[0]), 3*int(near[1])+int(far[1])
	dst[0], dst[step] = T((4*last+8)>>4), T((3*last+this+7)>>4)
	o := 2 * step
	for i := 2; i < len(near); i++ {
		next := 3*int(near[i]) + int(far[i])
		dst[o], dst[o+step] = T((3*this+last+8)>>4), T((3*this+next+7)>>4)
		o += 2 * step
		last, this = this, next
	}
	dst[o] = T((3*this + last + 8) >> 4)
	if o += step; o < len(dst) {
		dst[o] = T((4*this + 7) >> 4)
	}
}
