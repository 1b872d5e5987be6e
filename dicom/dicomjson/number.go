package dicomjson

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
)

// appendNumbers appends ,"Value":[...] for binary numbers and tags. Bytes after the last whole
// value are left out.
func appendNumbers(dst, b []byte, v vr.VR) []byte {
	size := v.Size()
	if v == vr.AT {
		size = 4
	}
	if len(b) < size {
		return dst
	}
	dst = append(dst, `,"Value":[`...)
	for i := 0; i+size <= len(b); i += size {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendNumber(dst, b[i:i+size], v)
	}
	return append(dst, ']')
}

func appendNumber(dst, b []byte, v vr.VR) []byte {
	le := binary.LittleEndian
	switch v {
	case vr.US:
		return strconv.AppendUint(dst, uint64(le.Uint16(b)), 10)
	case vr.SS:
		return strconv.AppendInt(dst, int64(int16(le.Uint16(b))), 10)
	case vr.UL:
		return strconv.AppendUint(dst, uint64(le.Uint32(b)), 10)
	case vr.SL:
		return strconv.AppendInt(dst, int64(int32(le.Uint32(b))), 10)
	case vr.UV:
		if n := le.Uint64(b); n > 1<<53 {
			return appendQuoted(dst, strconv.FormatUint(n, 10))
		} else {
			return strconv.AppendUint(dst, n, 10)
		}
	case vr.SV:
		if n := int64(le.Uint64(b)); n > 1<<53 || n < -1<<53 {
			return appendQuoted(dst, strconv.FormatInt(n, 10))
		} else {
			return strconv.AppendInt(dst, n, 10)
		}
	case vr.FL:
		return appendFloat(dst, float64(math.Float32frombits(le.Uint32(b))), 32)
	case vr.FD:
		return appendFloat(dst, math.Float64frombits(le.Uint64(b)), 64)
	}
	dst = append(dst, '"') // AT
	dst = tag.New(le.Uint16(b), le.Uint16(b[2:])).AppendHex(dst)
	return append(dst, '"')
}

// appendQuoted is for integers that a reader with double precision would change: PS3.18 F.2.3
// allows strings for SV and UV.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// appendFloat appends the shortest number that reads back as f. JSON has no NaN and no
// infinities; they are written as strings of their XML Schema and JavaScript names, as DCMTK
// does and DICOM leaves open.
func appendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, bits)
}
