package jpeglossless

// restore turns differences into samples in a row of n components by sample. The first sample is
// predicted by half the range where a scan or restart interval begins, and by the one above
// elsewhere: that is in start. The others are predicted by the predictor (T.81 Table H.1), which is
// 1 in a first row (H.1.2.1).
func restore(line, above, start []uint16, predictor int) {
	n := len(start)
	above = above[:len(line)]
	for c := range n {
		line[c] += start[c]
		a := line[c] // on the left, as corner is on the left above
		corner := int(above[c])
		switch predictor {
		case 1:
			for i := c + n; i < len(line); i += n {
				a += line[i]
				line[i] = a
			}
		case 2:
			for i := c + n; i < len(line); i += n {
				line[i] += above[i]
			}
		case 3:
			for i := c + n; i < len(line); i += n {
				line[i] += above[i-n]
			}
		case 4:
			for i := c + n; i < len(line); i += n {
				b := int(above[i])
				a += line[i] + uint16(b-corner)
				line[i], corner = a, b
			}
		case 5:
			for i := c + n; i < len(line); i += n {
				b := int(above[i])
				a += line[i] + uint16((b-corner)>>1)
				line[i], corner = a, b
			}
		case 6:
			for i := c + n; i < len(line); i += n {
				b := int(above[i])
				a = line[i] + uint16(b+(int(a)-corner)>>1)
				line[i], corner = a, b
			}
		case 7:
			for i := c + n; i < len(line); i += n {
				a = line[i] + uint16((int(a)+int(above[i]))>>1)
				line[i] = a
			}
		}
	}
}

// sum is restore for predictor 1 straight into a row of the frame, where such a row is like the
// scan's: only the first sample of line becomes a sample. False: there is no loop for the shape.
func sum(row []byte, line, start []uint16, width int) bool {
	switch {
	case len(start) == 1 && width == 2:
		line[0] += start[0]
		var a uint16
		row = row[:2*len(line)]
		for i, v := range line {
			a += v
			row[2*i] = byte(a)
			row[2*i+1] = byte(a >> 8)
		}
	case len(start) == 1:
		line[0] += start[0]
		var a uint16
		row = row[:len(line)]
		for i, v := range line {
			a += v
			row[i] = byte(a)
		}
	case len(start) == 3 && width == 1:
		for c := range start {
			line[c] += start[c]
		}
		var r, g, b uint16
		for ; len(line) >= 3 && len(row) >= 3; line, row = line[3:], row[3:] {
			r += line[0]
			g += line[1]
			b += line[2]
			row[0], row[1], row[2] = byte(r), byte(g), byte(b)
		}
	default:
		return false
	}
	return true
}

// subtractFirst is the other way of restoring a first row.
func subtractFirst(out, line []uint16, n int, half uint16) {
	for c := range n {
		out[c] = line[c] - half
	}
	for i := n; i < len(line); i++ {
		out[i] = line[i] - line[i-n]
	}
}

// subtract is restore's other way in the other rows.
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
