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
// second one of a pair. dst has room for the factor times their samples.
func upsample[T sample](u upsampling, dst, near, far []T, odd bool) {
	switch {
	case !u.filter:
		repeat(dst, near, u.h)
	case u.h == 1:
		bias := 1
		if odd {
			bias = 2
		}
		for i := range dst[:len(near)] {
			dst[i] = T((3*int(near[i]) + int(far[i]) + bias) >> 2)
		}
	case u.v == 1:
		triangle1(dst, near)
	default:
		triangle2(dst, near, far)
	}
}

func repeat[T sample](dst, src []T, n int) {
	if n == 1 {
		copy(dst, src)
		return
	}
	for i, v := range src {
		for j := range n {
			dst[i*n+j] = v
		}
	}
}

// triangle1 doubles a row of three or more samples.
func triangle1[T sample](dst, src []T) {
	n := len(src)
	dst = dst[:2*n]
	this, next := int(src[0]), int(src[1])
	dst[0], dst[1] = src[0], T((3*this+next+2)>>2)
	last := this
	this = next
	for i := 1; i < n-1; i++ {
		next = int(src[i+1])
		d := dst[2*i : 2*i+2 : 2*i+2]
		d[0], d[1] = T((3*this+last+1)>>2), T((3*this+next+2)>>2)
		last, this = this, next
	}
	dst[2*n-2], dst[2*n-1] = T((3*this+last+1)>>2), src[n-1]
}

// triangle2 doubles a row of three or more samples, mixed with the row beyond.
func triangle2[T sample](dst, near, far []T) {
	n := len(near)
	dst, far = dst[:2*n], far[:n]
	this, next := 3*int(near[0])+int(far[0]), 3*int(near[1])+int(far[1])
	dst[0], dst[1] = T((4*this+8)>>4), T((3*this+next+7)>>4)
	last := this
	this = next
	for i := 1; i < n-1; i++ {
		next = 3*int(near[i+1]) + int(far[i+1])
		d := dst[2*i : 2*i+2 : 2*i+2]
		d[0], d[1] = T((3*this+last+8)>>4), T((3*this+next+7)>>4)
		last, this = this, next
	}
	dst[2*n-2], dst[2*n-1] = T((3*this+last+8)>>4), T((4*this+7)>>4)
}
