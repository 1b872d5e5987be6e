package pdu

import (
	"encoding/binary"
	"strings"
)

// ApplicationContext is the only application context name of DICOM (PS3.7 A.2.1).
const ApplicationContext = "1.2.840.10008.3.1.1.1"

// ProtocolVersion has bit 0 set for version 1 (PS3.8 9.3.2).
const ProtocolVersion = 1

// Item types (PS3.8 9.3.2, PS3.7 D.3.3).
const (
	itemApplicationContext = 0x10
	itemContextRQ          = 0x20
	itemContextAC          = 0x21
	itemAbstractSyntax     = 0x30
	itemTransferSyntax     = 0x40
	itemUserInformation    = 0x50
)

// AssociateRQ asks for an association (PS3.8 9.3.2).
type AssociateRQ struct {
	ProtocolVersion    uint16
	CalledAETitle      string // without padding
	CallingAETitle     string
	ApplicationContext string
	Contexts           []ContextRQ
	User               UserInformation
}

// ContextRQ proposes a presentation context (PS3.8 9.3.2.2).
type ContextRQ struct {
	ID               byte
	AbstractSyntax   string
	TransferSyntaxes []string
}

// AssociateAC accepts an association (PS3.8 9.3.3).
type AssociateAC struct {
	ProtocolVersion    uint16
	CalledAETitle      string // reserved: what the request said, not to be tested
	CallingAETitle     string
	ApplicationContext string
	Contexts           []ContextAC
	User               UserInformation
}

// ContextAC answers a presentation context (PS3.8 9.3.3.2).
type ContextAC struct {
	ID             byte
	Result         byte
	TransferSyntax string // not significant unless accepted
}

// Type returns TypeAssociateRQ.
func (*AssociateRQ) Type() Type { return TypeAssociateRQ }

// Type returns TypeAssociateAC.
func (*AssociateAC) Type() Type { return TypeAssociateAC }

// associateFixed is the length of the fields before the variable items: protocol version,
// reserved (2), two AE titles (16 each), reserved (32).
const associateFixed = 2 + 2 + 16 + 16 + 32

func appendAssociate(dst []byte, version uint16, called, calling, context string) ([]byte, error) {
	dst = binary.BigEndian.AppendUint16(dst, version)
	dst = append(dst, 0, 0)
	dst = appendAETitle(dst, called)
	dst = appendAETitle(dst, calling)
	dst = append(dst, make([]byte, 32)...)
	return appendItem(dst, itemApplicationContext, func(dst []byte) ([]byte, error) {
		return append(dst, context...), nil
	})
}

func (p *AssociateRQ) appendBody(dst []byte) ([]byte, error) {
	dst, err := appendAssociate(dst, p.ProtocolVersion, p.CalledAETitle, p.CallingAETitle, p.ApplicationContext)
	for i := range p.Contexts {
		if err != nil {
			return dst, err
		}
		c := &p.Contexts[i]
		dst, err = appendItem(dst, itemContextRQ, func(dst []byte) ([]byte, error) {
			dst = append(dst, c.ID, 0, 0, 0)
			dst, err := appendText(dst, itemAbstractSyntax, c.AbstractSyntax)
			for _, ts := range c.TransferSyntaxes {
				if err != nil {
					break
				}
				dst, err = appendText(dst, itemTransferSyntax, ts)
			}
			return dst, err
		})
	}
	if err != nil {
		return dst, err
	}
	return p.User.append(dst)
}

func (p *AssociateAC) appendBody(dst []byte) ([]byte, error) {
	dst, err := appendAssociate(dst, p.ProtocolVersion, p.CalledAETitle, p.CallingAETitle, p.ApplicationContext)
	for i := range p.Contexts {
		if err != nil {
			return dst, err
		}
		c := &p.Contexts[i]
		dst, err = appendItem(dst, itemContextAC, func(dst []byte) ([]byte, error) {
			dst = append(dst, c.ID, 0, c.Result, 0)
			return appendText(dst, itemTransferSyntax, c.TransferSyntax)
		})
	}
	if err != nil {
		return dst, err
	}
	return p.User.append(dst)
}

func decodeAssociateRQ(body []byte) (*AssociateRQ, error) {
	if len(body) < associateFixed {
		return nil, invalid("A-ASSOCIATE-RQ of %d bytes", len(body))
	}
	p := &AssociateRQ{
		ProtocolVersion: binary.BigEndian.Uint16(body),
		CalledAETitle:   aeTitle(body[4:20]),
		CallingAETitle:  aeTitle(body[20:36]),
	}
	once := onlyOnce{}
	err := eachItem(body[associateFixed:], func(kind byte, b []byte) (err error) {
		switch kind {
		case itemApplicationContext:
			p.ApplicationContext = text(b)
			return once.see(kind)
		case itemContextRQ:
			if len(p.Contexts) == MaxContexts {
				return invalid("more than %d presentation contexts", MaxContexts)
			}
			c, err := decodeContextRQ(b)
			p.Contexts = append(p.Contexts, c)
			return err
		case itemUserInformation:
			if err = p.User.decode(b); err != nil {
				return err
			}
			return once.see(kind)
		}
		return nil // PS3.8 9.3.1: items that are not recognized are ignored
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

func decodeContextRQ(b []byte) (ContextRQ, error) {
	if len(b) < 4 {
		return ContextRQ{}, invalid("presentation context of %d bytes", len(b))
	}
	c := ContextRQ{ID: b[0]}
	once := onlyOnce{}
	err := eachItem(b[4:], func(kind byte, b []byte) error {
		switch kind {
		case itemAbstractSyntax:
			c.AbstractSyntax = text(b)
			return once.see(kind)
		case itemTransferSyntax:
			if len(c.TransferSyntaxes) == MaxTransferSyntaxes {
				return invalid("more than %d transfer syntaxes", MaxTransferSyntaxes)
			}
			c.TransferSyntaxes = append(c.TransferSyntaxes, text(b))
		}
		return nil
	})
	return c, err
}

func decodeAssociateAC(body []byte) (*AssociateAC, error) {
	if len(body) < associateFixed {
		return nil, invalid("A-ASSOCIATE-AC of %d bytes", len(body))
	}
	p := &AssociateAC{
		ProtocolVersion: binary.BigEndian.Uint16(body),
		CalledAETitle:   aeTitle(body[4:20]),
		CallingAETitle:  aeTitle(body[20:36]),
	}
	once := onlyOnce{}
	err := eachItem(body[associateFixed:], func(kind byte, b []byte) (err error) {
		switch kind {
		case itemApplicationContext:
			p.ApplicationContext = text(b)
			return once.see(kind)
		case itemContextAC:
			if len(p.Contexts) == MaxContexts {
				return invalid("more than %d presentation contexts", MaxContexts)
			}
			c, err := decodeContextAC(b)
			p.Contexts = append(p.Contexts, c)
			return err
		case itemUserInformation:
			if err = p.User.decode(b); err != nil {
				return err
			}
			return once.see(kind)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

func decodeContextAC(b []byte) (ContextAC, error) {
	if len(b) < 4 {
		return ContextAC{}, invalid("presentation context of %d bytes", len(b))
	}
	c := ContextAC{ID: b[0], Result: b[2]}
	err := eachItem(b[4:], func(kind byte, b []byte) error {
		if kind == itemTransferSyntax {
			c.TransferSyntax = text(b)
		}
		return nil
	})
	return c, err
}

// onlyOnce notes the items that may come once.
type onlyOnce map[byte]bool

func (o onlyOnce) see(kind byte) error {
	if o[kind] {
		return &Error{Reason: UnexpectedParameter, What: "repeated item"}
	}
	o[kind] = true
	return nil
}

// eachItem walks items: type, reserved, length (16 bits), content.
func eachItem(b []byte, f func(kind byte, content []byte) error) error {
	for len(b) > 0 {
		if len(b) < 4 {
			return invalid("%d bytes behind the last item", len(b))
		}
		n := int(binary.BigEndian.Uint16(b[2:]))
		if n > len(b)-4 {
			return invalid("item %02XH of %d bytes, %d left", b[0], n, len(b)-4)
		}
		if err := f(b[0], b[4:4+n]); err != nil {
			return err
		}
		b = b[4+n:]
	}
	return nil
}

// appendItem appends an item whose content f appends.
func appendItem(dst []byte, kind byte, f func([]byte) ([]byte, error)) ([]byte, error) {
	dst = append(dst, kind, 0, 0, 0)
	start := len(dst)
	dst, err := f(dst)
	if err != nil {
		return dst, err
	}
	n := len(dst) - start
	if n > 0xFFFF {
		return dst, invalid("item %02XH of %d bytes", kind, n)
	}
	binary.BigEndian.PutUint16(dst[start-2:], uint16(n))
	return dst, nil
}

func appendText(dst []byte, kind byte, s string) ([]byte, error) {
	return appendItem(dst, kind, func(dst []byte) ([]byte, error) { return append(dst, s...), nil })
}

// appendAETitle pads to sixteen characters; leading and trailing spaces are not significant
// (PS3.8 9.3.2).
func appendAETitle(dst []byte, s string) []byte {
	if len(s) > 16 {
		s = s[:16]
	}
	dst = append(dst, s...)
	return append(dst, "                "[len(s):]...)
}

func aeTitle(b []byte) string { return strings.Trim(string(b), " \x00") }

// text reads a UID or name. PS3.8 F has them without padding; some peers pad all the same.
func text(b []byte) string { return strings.TrimRight(string(b), " \x00") }
