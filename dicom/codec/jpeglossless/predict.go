package jpeglossless

// restoreFirst turns differences into samples in the first row of a scan or restart interval:
// the first sample is predicted by half the range, the others by the one on the left (T.81 H.1.2.1).
func restoreFirst(line []uint16, n int, half uint16) {
	for c := range n {
		line[c] += half
	}
	for i := n; i < len(line); i++ {
		line[i] += line[i-n]
	}
}

// restore turns differences into samples in any other row: the first is predicted by the one
// above, the others by the predictor (Table H.1), with n components by sample.
func restore(line, above []uint16, n, predictor int) {
	above = above[:len(line)]
	for c := range n {
		line[c] += above[c]
	}
	switch predictor {
	case 1:
		if n == 1 {
			left := line[0]
			for i := 1; i < len(line); i++ {
				left += line[i]
				line[i] = left
			}
			return
		}
		for i := n; i < len(line); i++ {
			line[i] += line[i-n]
		}
	case 2:
		for i := n; i < len(line); i++ {
			line[i] += above[i]
		}
	case 3:
		for i := n; i < len(line); i++ {
			line[i] += above[i-n]
		}
	case 4:
		for i := n; i < len(line); i++ {
			line[i] += line[i-n] + above[i] - above[i-n]
		}
	case 5:
		for i := n; i < len(line); i++ {
			line[i] += uint16(int(line[i-n]) + (int(above[i])-int(above[i-n]))>>1)
		}
	case 6:
		for i := n; i < len(line); i++ {
			line[i] += uint16(int(above[i]) + (int(line[i-n])-int(above[i-n]))>>1)
		}
	case 7:
		for i := n; i < len(line); i++ {
			line[i] += uint16((int(line[i-n]) + int(above[i])) >> 1)
		}
	}
}

// subtractFirst is restoreFirst's other way.
func subtractFirst(out, line []uint16, n int, half uint16) {
	for c := range n {
		out[c] = line[c] - half
	}
	for i := n; i < len(line); i++ {
		out[i] = line[i] - line[i-n]
	}
}

// subtract is restore's other way.
func subtract(out, line, above []uint16, n, predictor int) {
	out, above = out[:len(line)], above[:len(line)]
	for c := range n {
		out[c] = line[c] - above[c]
	}
	switch predictor {
	case 1:
		for i := n; i < len(line); i++ {
			out[i] = line[i] - line[i-n]
		}
	case 2:
		for i := n; i < len(line); i++ {
			out[i] = line[i] - above[i]
		}
	case 3:
		for i := n; i < len(line); i++ {
			out[i] = line[i] - above[i-n]
		}
	case 4:
		for i := n; i < len(line); i++ {
			out[i] = line[i] - (line[i-n] + above[i] - above[i-n])
		}
	case 5:
		for i := n; i < len(line); i++ {
			out[i] = line[i] - uint16(int(line[i-n])+(int(above[i])-int(above[i-n]))>>1)
		}
	case 6:
		for i := n; i < len(line); i++ {
			out[i] = line[i] - uint16(int(above[i])+(int(line[i-n])-int(above[i-n]))>>1)
		}
	case 7:
		for i := n; i < len(line); i++ {
			out[i] = line[i] - uint16((int(line[i-n])+int(above[i]))>>1)
		}
	}
}
