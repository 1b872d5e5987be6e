package scp

import (
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Status codes of PS3.4 and PS3.7 C that this door answers with.
const (
	statusSuccess          uint16 = 0x0000
	statusProcessing       uint16 = 0x0110 // PS3.7 C.5.10
	statusDuplicate        uint16 = 0x0111 // PS3.7 C.5.6: duplicate SOP Instance
	statusNoSuchClass      uint16 = 0x0122 // PS3.7 C.4.2: SOP Class not supported
	statusNotAuthorized    uint16 = 0x0124 // PS3.7 C.4.3
	statusOutOfResources   uint16 = 0xA700 // PS3.4 B.2.3, C.4.1.1.4
	statusCannotMatch      uint16 = 0xA701 // PS3.4 C.4.2.1.5: number of matches
	statusCannotSend       uint16 = 0xA702 // PS3.4 C.4.2.1.5: sub-operations
	statusUnknownAE        uint16 = 0xA801 // PS3.4 C.4.2.1.5: Move Destination unknown
	statusMismatch         uint16 = 0xA900 // data set or Identifier does not match SOP Class
	statusCannotUnderstand uint16 = 0xC000
	statusUnableToProcess  uint16 = 0xC001
	statusWarning          uint16 = 0xB000 // PS3.4 C.4.2.1.5: one or more sub-operations failed
	statusCancel           uint16 = 0xFE00
	statusPending          uint16 = 0xFF00
	statusPendingOptional  uint16 = 0xFF01 // optional keys were not supported
)

// service is a column of the translation table.
type service uint8

const (
	storing service = iota
	finding
	retrieving // C-MOVE and C-GET
	services
)

// statusOf is the door's one translation of errs.Kind (PS3.7 C, PS3.4 B.2.3, C.4.1.1.4,
// C.4.2.1.5, C.4.3.1.4). A canceled C-STORE has no answer: its association is gone.
var statusOf = map[errs.Kind][services]uint16{
	errs.Internal:        {statusProcessing, statusUnableToProcess, statusUnableToProcess},
	errs.Invalid:         {statusCannotUnderstand, statusCannotUnderstand, statusCannotUnderstand},
	errs.Mismatch:        {statusMismatch, statusMismatch, statusMismatch},
	errs.Unsupported:     {statusNoSuchClass, statusNoSuchClass, statusNoSuchClass},
	errs.NotFound:        {statusProcessing, statusSuccess, statusSuccess},
	errs.Conflict:        {statusDuplicate, statusUnableToProcess, statusUnableToProcess},
	errs.Unauthenticated: {statusNotAuthorized, statusNotAuthorized, statusNotAuthorized},
	errs.Forbidden:       {statusNotAuthorized, statusNotAuthorized, statusNotAuthorized},
	errs.Exhausted:       {statusOutOfResources, statusOutOfResources, statusCannotMatch},
	errs.Unavailable:     {statusOutOfResources, statusOutOfResources, statusCannotSend},
	errs.Canceled:        {statusProcessing, statusCancel, statusCancel},
}

// status translates an error for a service; nil is success.
func status(s service, err error) uint16 {
	if err == nil {
		return statusSuccess
	}
	return statusOf[errs.KindOf(err)][s]
}

// maxComment is what an Error Comment (0000,0902), VR LO, holds.
const maxComment = 64

// comment is what a peer may read of err as an Error Comment: safe, short, in the default
// repertoire (a command set has no Specific Character Set).
func comment(err error) string {
	text := []byte(errs.Safe(err))
	for i, c := range text {
		if c < 0x20 || c > 0x7e || c == '\\' {
			text[i] = '?'
		}
	}
	if len(text) > maxComment {
		text = text[:maxComment]
	}
	return string(text)
}
