// Package pdu has the seven protocol data units of the DICOM upper layer and their items, byte
// for byte (PS3.8 9.3, PS3.7 D.3.3). Every length is checked against the bytes at hand before
// anything is allocated, so a PDU costs at most a small multiple of its own size.
//
// It knows no state, no negotiation and no DIMSE. Items it does not know are kept, in order.
package pdu

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Type is the first byte of a PDU.
type Type byte

// The PDU types of PS3.8 9.3.
const (
	TypeAssociateRQ Type = 0x01
	TypeAssociateAC Type = 0x02
	TypeAssociateRJ Type = 0x03
	TypeData        Type = 0x04
	TypeReleaseRQ   Type = 0x05
	TypeReleaseRP   Type = 0x06
	TypeAbort       Type = 0x07
)

// Known reports whether PS3.8 defines the type.
func (t Type) Known() bool { return t >= TypeAssociateRQ && t <= TypeAbort }

func (t Type) String() string {
	names := [...]string{"A-ASSOCIATE-RQ", "A-ASSOCIATE-AC", "A-ASSOCIATE-RJ", "P-DATA-TF",
		"A-RELEASE-RQ", "A-RELEASE-RP", "A-ABORT"}
	if t.Known() {
		return names[t-1]
	}
	return fmt.Sprintf("PDU %02XH", byte(t))
}

// Limits. Association PDUs carry at most 128 contexts; real ones stay under 64 KiB, but a user
// identity may bring a large token.
const (
	HeaderLen           = 6       // type, reserved, length
	PDVHeaderLen        = 6       // length, context ID, message control header
	MaxAssociateLength  = 1 << 20 // of A-ASSOCIATE-RQ and AC
	MaxContexts         = 128     // odd IDs 1..255
	MaxTransferSyntaxes = 1024    // per context; the standard has some sixty
	fixedLength         = 4       // of RJ, RELEASE-RQ, RELEASE-RP, ABORT
)

// PDU is one of *AssociateRQ, *AssociateAC, *AssociateRJ, *Data, *ReleaseRQ, *ReleaseRP, *Abort.
type PDU interface {
	Type() Type
	appendBody(dst []byte) ([]byte, error)
}

// Error is a PDU that cannot be understood. Reason is what A-ABORT says about it.
type Error struct {
	Reason AbortReason
	What   string
}

func (e *Error) Error() string { return "pdu: " + e.What }

func invalid(format string, args ...any) error {
	return &Error{Reason: InvalidParameterValue, What: fmt.Sprintf(format, args...)}
}

// ReasonOf returns the abort reason of an error of this package.
func ReasonOf(err error) AbortReason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ReasonNotSpecified
}

// ParseHeader reads type and length of the six bytes in front of every PDU.
func ParseHeader(b []byte) (Type, uint32) {
	_ = b[HeaderLen-1]
	return Type(b[0]), binary.BigEndian.Uint32(b[2:])
}

// PutHeader writes the six bytes in front of every PDU.
func PutHeader(b []byte, t Type, length uint32) {
	_ = b[HeaderLen-1]
	b[0], b[1] = byte(t), 0
	binary.BigEndian.PutUint32(b[2:], length)
}

// CheckHeader checks type and length against what PS3.8 allows; maxData bounds P-DATA-TF.
func CheckHeader(t Type, length, maxData uint32) error {
	switch t {
	case TypeAssociateRQ, TypeAssociateAC:
		if length > MaxAssociateLength {
			return invalid("%v of %d bytes", t, length)
		}
	case TypeData:
		if length > maxData {
			return invalid("%v of %d bytes, %d announced", t, length, maxData)
		}
	case TypeAssociateRJ, TypeReleaseRQ, TypeReleaseRP, TypeAbort:
		if length != fixedLength {
			return invalid("%v of %d bytes", t, length)
		}
	default:
		return &Error{Reason: UnrecognizedPDU, What: t.String()}
	}
	return nil
}

// Decode reads the PDU of the type from its body. The result does not alias the body, save the
// PDVs of Data.
func Decode(t Type, body []byte) (PDU, error) {
	if err := CheckHeader(t, uint32(len(body)), uint32(len(body))); err != nil {
		return nil, err
	}
	switch t {
	case TypeAssociateRQ:
		return decodeAssociateRQ(body)
	case TypeAssociateAC:
		return decodeAssociateAC(body)
	case TypeAssociateRJ:
		return &AssociateRJ{Result: body[1], Source: body[2], Reason: body[3]}, nil
	case TypeData:
		return decodeData(body)
	case TypeReleaseRQ:
		return &ReleaseRQ{}, nil
	case TypeReleaseRP:
		return &ReleaseRP{}, nil
	default:
		return &Abort{Source: AbortSource(body[2]), Reason: AbortReason(body[3])}, nil
	}
}

// Append appends the encoded PDU, header included. It fails when a value does not fit its
// length field.
func Append(dst []byte, p PDU) ([]byte, error) {
	start := len(dst)
	dst = append(dst, byte(p.Type()), 0, 0, 0, 0, 0)
	dst, err := p.appendBody(dst)
	if err != nil {
		return dst[:start], err
	}
	n := len(dst) - start - HeaderLen
	if n > 1<<31-1 {
		return dst[:start], invalid("%v too long", p.Type())
	}
	binary.BigEndian.PutUint32(dst[start+2:], uint32(n))
	return dst, nil
}

// Read reads one PDU; maxData bounds the length of P-DATA-TF.
func Read(r io.Reader, maxData uint32) (PDU, error) {
	var head [HeaderLen]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	t, n := ParseHeader(head[:])
	if err := CheckHeader(t, n, maxData); err != nil {
		return nil, err
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	return Decode(t, body)
}

// AssociateRJ refuses an association (PS3.8 9.3.4).
type AssociateRJ struct{ Result, Source, Reason byte }

// Results, sources and reasons of PS3.8 Table 9-21.
const (
	RejectedPermanent byte = 1
	RejectedTransient byte = 2

	RejectSourceUser         byte = 1
	RejectSourceACSE         byte = 2
	RejectSourcePresentation byte = 3

	// Source 1, service user.
	RejectNoReason             byte = 1
	RejectApplicationContext   byte = 2
	RejectCallingNotRecognized byte = 3
	RejectCalledNotRecognized  byte = 7
	// Source 2, ACSE.
	RejectProtocolVersion byte = 2
	// Source 3, presentation.
	RejectTemporaryCongestion byte = 1
	RejectLocalLimit          byte = 2
)

// Type returns TypeAssociateRJ.
func (*AssociateRJ) Type() Type { return TypeAssociateRJ }

func (p *AssociateRJ) appendBody(dst []byte) ([]byte, error) {
	return append(dst, 0, p.Result, p.Source, p.Reason), nil
}

// ReleaseRQ asks for release (PS3.8 9.3.6).
type ReleaseRQ struct{}

// Type returns TypeReleaseRQ.
func (*ReleaseRQ) Type() Type { return TypeReleaseRQ }

func (*ReleaseRQ) appendBody(dst []byte) ([]byte, error) { return append(dst, 0, 0, 0, 0), nil }

// ReleaseRP confirms release (PS3.8 9.3.7).
type ReleaseRP struct{}

// Type returns TypeReleaseRP.
func (*ReleaseRP) Type() Type { return TypeReleaseRP }

func (*ReleaseRP) appendBody(dst []byte) ([]byte, error) { return append(dst, 0, 0, 0, 0), nil }

// AbortSource says who aborts (PS3.8 9.3.8).
type AbortSource byte

// The sources of PS3.8 Table 9-26.
const (
	ServiceUser     AbortSource = 0
	ServiceProvider AbortSource = 2
)

// AbortReason says why the service provider aborts.
type AbortReason byte

// The reasons of PS3.8 Table 9-26.
const (
	ReasonNotSpecified    AbortReason = 0
	UnrecognizedPDU       AbortReason = 1
	UnexpectedPDU         AbortReason = 2
	UnrecognizedParameter AbortReason = 4
	UnexpectedParameter   AbortReason = 5
	InvalidParameterValue AbortReason = 6
)

// Abort ends an association at once (PS3.8 9.3.8).
type Abort struct {
	Source AbortSource
	Reason AbortReason
}

// Type returns TypeAbort.
func (*Abort) Type() Type { return TypeAbort }

func (p *Abort) appendBody(dst []byte) ([]byte, error) {
	return append(dst, 0, 0, byte(p.Source), byte(p.Reason)), nil
}
