package pdu

import "encoding/binary"

// Sub-item types of the user information item (PS3.8 D.1, PS3.7 D.3.3).
const (
	itemMaxLength             = 0x51
	itemImplementationClass   = 0x52
	itemAsyncOperations       = 0x53
	itemRoleSelection         = 0x54
	itemImplementationVersion = 0x55
	itemExtended              = 0x56
	itemCommonExtended        = 0x57
	itemUserIdentityRQ        = 0x58
	itemUserIdentityAC        = 0x59
)

// UserInformation is the user information item. Fields that are absent are zero.
type UserInformation struct {
	MaxLength                 uint32 // of P-DATA-TF that the sender receives; 0: unlimited
	ImplementationClassUID    string
	ImplementationVersionName string
	AsyncOperations           *AsyncOperations
	Roles                     []Role
	Extended                  []Extended
	CommonExtended            []CommonExtended
	UserIdentity              *UserIdentity // in the request
	UserIdentityResponse      *[]byte       // in the answer
	Unknown                   []Item
}

// AsyncOperations is the asynchronous operations window (PS3.7 D.3.3.3); 0 is unlimited.
type AsyncOperations struct{ Invoked, Performed uint16 }

// Role is an SCP/SCU role selection (PS3.7 D.3.3.4).
type Role struct {
	SOPClassUID string
	SCU, SCP    bool
}

// Extended is a SOP Class extended negotiation (PS3.7 D.3.3.5).
type Extended struct {
	SOPClassUID string
	Info        []byte
}

// CommonExtended is a SOP Class common extended negotiation (PS3.7 D.3.3.6).
type CommonExtended struct {
	SOPClassUID        string
	ServiceClassUID    string
	RelatedSOPClassUID []string
}

// UserIdentity says who asks (PS3.7 D.3.3.7). It must never be logged.
type UserIdentity struct {
	Type           IdentityType
	ResponseWanted bool
	Primary        []byte // user name, ticket, assertion or token
	Secondary      []byte // passcode of UserAndPasscode
}

// IdentityType is the kind of a user identity.
type IdentityType byte

// The types of PS3.7 Table D.3-14.
const (
	IdentityUser            IdentityType = 1
	IdentityUserAndPasscode IdentityType = 2
	IdentityKerberos        IdentityType = 3
	IdentitySAML            IdentityType = 4
	IdentityJWT             IdentityType = 5
)

// Item is an item this package does not know.
type Item struct {
	Type byte
	Data []byte
}

func (u *UserInformation) append(dst []byte) ([]byte, error) {
	return appendItem(dst, itemUserInformation, func(dst []byte) (_ []byte, err error) {
		dst = append(dst, itemMaxLength, 0, 0, 4)
		dst = binary.BigEndian.AppendUint32(dst, u.MaxLength)
		if u.ImplementationClassUID != "" {
			if dst, err = appendText(dst, itemImplementationClass, u.ImplementationClassUID); err != nil {
				return dst, err
			}
		}
		if a := u.AsyncOperations; a != nil {
			dst = append(dst, itemAsyncOperations, 0, 0, 4)
			dst = binary.BigEndian.AppendUint16(dst, a.Invoked)
			dst = binary.BigEndian.AppendUint16(dst, a.Performed)
		}
		if dst, err = u.appendNegotiation(dst); err != nil {
			return dst, err
		}
		if u.ImplementationVersionName != "" {
			if dst, err = appendText(dst, itemImplementationVersion, u.ImplementationVersionName); err != nil {
				return dst, err
			}
		}
		for _, it := range u.Unknown {
			if dst, err = appendText(dst, it.Type, string(it.Data)); err != nil {
				return dst, err
			}
		}
		return u.appendIdentity(dst)
	})
}

func (u *UserInformation) appendNegotiation(dst []byte) (_ []byte, err error) {
	for _, r := range u.Roles {
		dst, err = appendItem(dst, itemRoleSelection, func(dst []byte) ([]byte, error) {
			dst, err := appendField(dst, r.SOPClassUID)
			return append(dst, bit(r.SCU), bit(r.SCP)), err
		})
		if err != nil {
			return dst, err
		}
	}
	for _, e := range u.Extended {
		dst, err = appendItem(dst, itemExtended, func(dst []byte) ([]byte, error) {
			dst, err := appendField(dst, e.SOPClassUID)
			return append(dst, e.Info...), err
		})
		if err != nil {
			return dst, err
		}
	}
	for _, e := range u.CommonExtended {
		dst, err = appendItem(dst, itemCommonExtended, e.append)
		if err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func (e *CommonExtended) append(dst []byte) ([]byte, error) {
	dst, err := appendField(dst, e.SOPClassUID)
	if err != nil {
		return dst, err
	}
	if dst, err = appendField(dst, e.ServiceClassUID); err != nil {
		return dst, err
	}
	dst = append(dst, 0, 0)
	start := len(dst)
	for _, uid := range e.RelatedSOPClassUID {
		if dst, err = appendField(dst, uid); err != nil {
			return dst, err
		}
	}
	if len(dst)-start > 0xFFFF {
		return dst, invalid("related general SOP classes too long")
	}
	binary.BigEndian.PutUint16(dst[start-2:], uint16(len(dst)-start))
	return dst, nil
}

func (u *UserInformation) appendIdentity(dst []byte) (_ []byte, err error) {
	if id := u.UserIdentity; id != nil {
		dst, err = appendItem(dst, itemUserIdentityRQ, func(dst []byte) ([]byte, error) {
			dst = append(dst, byte(id.Type), bit(id.ResponseWanted))
			dst, err := appendField(dst, string(id.Primary))
			if err != nil {
				return dst, err
			}
			return appendField(dst, string(id.Secondary))
		})
		if err != nil {
			return dst, err
		}
	}
	if rsp := u.UserIdentityResponse; rsp != nil {
		dst, err = appendItem(dst, itemUserIdentityAC, func(dst []byte) ([]byte, error) {
			return appendField(dst, string(*rsp))
		})
	}
	return dst, err
}

func (u *UserInformation) decode(b []byte) error {
	once := onlyOnce{}
	return eachItem(b, func(kind byte, b []byte) error {
		f := fields{b: b}
		switch kind {
		case itemMaxLength:
			u.MaxLength = f.uint32()
		case itemImplementationClass:
			u.ImplementationClassUID = text(f.rest())
		case itemImplementationVersion:
			u.ImplementationVersionName = text(f.rest())
		case itemAsyncOperations:
			u.AsyncOperations = &AsyncOperations{Invoked: f.uint16(), Performed: f.uint16()}
		case itemRoleSelection:
			u.Roles = append(u.Roles, Role{SOPClassUID: text(f.field()), SCU: f.byte() == 1, SCP: f.byte() == 1})
			return f.done(kind)
		case itemExtended:
			u.Extended = append(u.Extended, Extended{SOPClassUID: text(f.field()), Info: f.rest()})
			return f.done(kind)
		case itemCommonExtended:
			e := CommonExtended{SOPClassUID: text(f.field()), ServiceClassUID: text(f.field())}
			for list := (fields{b: f.field()}); len(list.b) > 0 && !f.short; f.short = list.short {
				e.RelatedSOPClassUID = append(e.RelatedSOPClassUID, text(list.field()))
			}
			f.rest() // room for later versions of the item
			u.CommonExtended = append(u.CommonExtended, e)
			return f.done(kind)
		case itemUserIdentityRQ:
			u.UserIdentity = &UserIdentity{Type: IdentityType(f.byte()), ResponseWanted: f.byte() == 1,
				Primary: f.field(), Secondary: f.field()}
		case itemUserIdentityAC:
			rsp := f.field()
			u.UserIdentityResponse = &rsp
		default:
			u.Unknown = append(u.Unknown, Item{Type: kind, Data: f.rest()})
			return nil
		}
		if err := f.done(kind); err != nil {
			return err
		}
		return once.see(kind)
	})
}

// fields reads the fields of a sub-item; short is set when it ends too early.
type fields struct {
	b     []byte
	short bool
}

func (f *fields) take(n int) []byte {
	if n > len(f.b) {
		f.short = true
		n = len(f.b)
	}
	out := f.b[:n]
	f.b = f.b[n:]
	return out
}

func (f *fields) byte() byte {
	if b := f.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (f *fields) uint16() uint16 {
	if b := f.take(2); len(b) == 2 {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (f *fields) uint32() uint32 {
	if b := f.take(4); len(b) == 4 {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// field reads bytes behind a 16-bit length; rest all that remain. Both copy, nil when empty.
func (f *fields) field() []byte { return append([]byte(nil), f.take(int(f.uint16()))...) }
func (f *fields) rest() []byte  { return append([]byte(nil), f.take(len(f.b))...) }

func (f *fields) done(kind byte) error {
	if f.short || len(f.b) > 0 {
		return invalid("user information item %02XH has a wrong length", kind)
	}
	return nil
}

func appendField(dst []byte, s string) ([]byte, error) {
	if len(s) > 0xFFFF {
		return dst, invalid("field of %d bytes", len(s))
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(s)))
	return append(dst, s...), nil
}

func bit(v bool) byte {
	if v {
		return 1
	}
	return 0
}
