package pdu

import "encoding/binary"

// Data is a P-DATA-TF PDU (PS3.8 9.3.5).
type Data struct{ PDVs []PDV }

// PDV is a presentation data value item: a fragment of one message (PS3.8 9.3.5.1, E.2).
type PDV struct {
	ContextID byte
	Command   bool // the fragment is of a command set, not of a data set
	Last      bool
	Data      []byte
}

// Bits of the message control header (PS3.8 E.2).
const (
	controlCommand = 1 << 0
	controlLast    = 1 << 1
)

// Type returns TypeData.
func (*Data) Type() Type { return TypeData }

func (p *Data) appendBody(dst []byte) ([]byte, error) {
	for i := range p.PDVs {
		v := &p.PDVs[i]
		if len(v.Data) > 1<<31-3 {
			return dst, invalid("PDV too long")
		}
		dst = AppendPDVHeader(dst, v.ContextID, v.Command, v.Last, len(v.Data))
		dst = append(dst, v.Data...)
	}
	return dst, nil
}

// AppendPDVHeader appends the six bytes in front of a fragment of n bytes.
func AppendPDVHeader(dst []byte, contextID byte, command, last bool, n int) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(n)+2)
	return append(dst, contextID, control(command, last))
}

// PutPDVHeader writes the six bytes in front of a fragment of n bytes.
func PutPDVHeader(b []byte, contextID byte, command, last bool, n int) {
	_ = b[PDVHeaderLen-1]
	binary.BigEndian.PutUint32(b, uint32(n)+2)
	b[4], b[5] = contextID, control(command, last)
}

func control(command, last bool) (c byte) {
	if command {
		c |= controlCommand
	}
	if last {
		c |= controlLast
	}
	return c
}

// ParsePDVHeader reads the header of a PDV and the length of its fragment, which must lie
// within the rest bytes of the PDU behind the header. Data of the result is nil. Reserved bits
// of the message control header are ignored, as PS3.8 E.2 asks.
func ParsePDVHeader(b []byte, rest uint32) (PDV, uint32, error) {
	_ = b[PDVHeaderLen-1]
	n := binary.BigEndian.Uint32(b)
	if n < 2 || n-2 > rest {
		return PDV{}, 0, invalid("PDV of %d bytes in a PDU with %d left", n, rest)
	}
	return PDV{ContextID: b[4], Command: b[5]&controlCommand != 0, Last: b[5]&controlLast != 0}, n - 2, nil
}

func decodeData(body []byte) (*Data, error) {
	p := &Data{}
	for len(body) > 0 {
		if len(body) < PDVHeaderLen {
			return nil, invalid("%d bytes behind the last PDV", len(body))
		}
		v, n, err := ParsePDVHeader(body, uint32(len(body)-PDVHeaderLen))
		if err != nil {
			return nil, err
		}
		v.Data = body[PDVHeaderLen : PDVHeaderLen+n : PDVHeaderLen+n]
		p.PDVs = append(p.PDVs, v)
		body = body[PDVHeaderLen+n:]
	}
	return p, nil
}
