package jpeg

// forward is libjpeg's "islow" forward DCT (jfdctint.c), which inverse undoes: rows first, columns
// second; coefficients come out eight times too large. pass is how many fractional bits are kept
// between them: 2 for samples of 8 bits, 1 for 12.
func forward(b *[64]int32, pass uint) {
	for y := range 8 {
		r := (*[8]int32)(b[8*y:])
		s0, s7 := int(r[0]+r[7]), int(r[0]-r[7])
		s1, s6 := int(r[1]+r[6]), int(r[1]-r[6])
		s2, s5 := int(r[2]+r[5]), int(r[2]-r[5])
		s3, s4 := int(r[3]+r[4]), int(r[3]-r[4])
		shift := (fixBits - pass) & 31
		round := 1 << (shift - 1)

		e0, e3, e1, e2 := s0+s3, s0-s3, s1+s2, s1-s2
		r[0], r[4] = int32((e0+e1)<<(pass&31)), int32((e0-e1)<<(pass&31))
		z1 := (e2+e3)*fix0541 + round
		r[2], r[6] = int32((z1+e3*fix0765)>>shift), int32((z1-e2*fix1847)>>shift)

		z5 := (s4+s6+s5+s7)*fix1175 + round
		z3, z4 := z5-(s4+s6)*fix1961, z5-(s5+s7)*fix0390
		z1, z2 := (s4+s7)*fix0899, (s5+s6)*fix2562
		r[7], r[5] = int32((s4*fix0298-z1+z3)>>shift), int32((s5*fix2053-z2+z4)>>shift)
		r[3], r[1] = int32((s6*fix3072-z2+z3)>>shift), int32((s7*fix1501-z1+z4)>>shift)
	}
	for x := range 8 {
		c := b[x : x+57 : x+57]
		s0, s7 := int(c[0]+c[56]), int(c[0]-c[56])
		s1, s6 := int(c[8]+c[48]), int(c[8]-c[48])
		s2, s5 := int(c[16]+c[40]), int(c[16]-c[40])
		s3, s4 := int(c[24]+c[32]), int(c[24]-c[32])
		shift := (fixBits + pass) & 31
		round := 1 << (shift - 1)

		e0, e3, e1, e2 := s0+s3+int(pass), s0-s3, s1+s2, s1-s2 // pass, 1 or 2, is half of 1<<pass
		c[0], c[32] = int32((e0+e1)>>(pass&31)), int32((e0-e1)>>(pass&31))
		z1 := (e2+e3)*fix0541 + round
		c[16], c[48] = int32((z1+e3*fix0765)>>shift), int32((z1-e2*fix1847)>>shift)

		z5 := (s4+s6+s5+s7)*fix1175 + round
		z3, z4 := z5-(s4+s6)*fix1961, z5-(s5+s7)*fix0390
		z1, z2 := (s4+s7)*fix0899, (s5+s6)*fix2562
		c[56], c[40] = int32((s4*fix0298-z1+z3)>>shift), int32((s5*fix2053-z2+z4)>>shift)
		c[24], c[8] = int32((s6*fix3072-z2+z3)>>shift), int32((s7*fix1501-z1+z4)>>shift)
	}
}
