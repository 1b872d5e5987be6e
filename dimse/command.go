package dimse

import (
	"github.com/aurelius-imaging/aurelius/dicom/tag"
)

// CommandField says what a message is (0000,0100).
type CommandField uint16

// The command fields of PS3.7 E.1. Responses have the highest bit set.
const (
	CStoreRQ        CommandField = 0x0001
	CStoreRSP       CommandField = 0x8001
	CGetRQ          CommandField = 0x0010
	CGetRSP         CommandField = 0x8010
	CFindRQ         CommandField = 0x0020
	CFindRSP        CommandField = 0x8020
	CMoveRQ         CommandField = 0x0021
	CMoveRSP        CommandField = 0x8021
	CEchoRQ         CommandField = 0x0030
	CEchoRSP        CommandField = 0x8030
	NEventReportRQ  CommandField = 0x0100
	NEventReportRSP CommandField = 0x8100
	NGetRQ          CommandField = 0x0110
	NGetRSP         CommandField = 0x8110
	NSetRQ          CommandField = 0x0120
	NSetRSP         CommandField = 0x8120
	NActionRQ       CommandField = 0x0130
	NActionRSP      CommandField = 0x8130
	NCreateRQ       CommandField = 0x0140
	NCreateRSP      CommandField = 0x8140
	NDeleteRQ       CommandField = 0x0150
	NDeleteRSP      CommandField = 0x8150
	CCancelRQ       CommandField = 0x0FFF
)

// Response reports whether the field names a response.
func (f CommandField) Response() bool { return f&0x8000 != 0 }

// Request returns the field of the request that f answers, or f itself.
func (f CommandField) Request() CommandField { return f &^ 0x8000 }

// String returns the name as the standard writes it: "C-STORE-RQ".
func (f CommandField) String() string {
	name, ok := commandNames[f.Request()]
	switch {
	case !ok:
		return "unknown"
	case f.Response():
		return name + "-RSP"
	}
	return name + "-RQ"
}

// Name returns the operation's name without request or response: "C-STORE".
func (f CommandField) Name() string {
	if name, ok := commandNames[f.Request()]; ok {
		return name
	}
	return "unknown"
}

// Known reports whether the standard defines the field.
func (f CommandField) Known() bool {
	_, ok := commandNames[f.Request()]
	return ok && f != CCancelRQ|0x8000
}

var commandNames = map[CommandField]string{
	CStoreRQ: "C-STORE", CGetRQ: "C-GET", CFindRQ: "C-FIND", CMoveRQ: "C-MOVE", CEchoRQ: "C-ECHO",
	NEventReportRQ: "N-EVENT-REPORT", NGetRQ: "N-GET", NSetRQ: "N-SET", NActionRQ: "N-ACTION",
	NCreateRQ: "N-CREATE", NDeleteRQ: "N-DELETE", CCancelRQ: "C-CANCEL",
}

// Priority of an operation (0000,0700).
type Priority uint16

// The priorities of PS3.7 E.1.
const (
	PriorityMedium Priority = 0
	PriorityHigh   Priority = 1
	PriorityLow    Priority = 2
)

// Command is a DIMSE command set (PS3.7 E). Empty strings, nil and zero are absent elements,
// save those that the command demands.
type Command struct {
	Field                     CommandField
	MessageID                 uint16
	MessageIDBeingRespondedTo uint16 // also names the operation in C-CANCEL
	AffectedSOPClassUID       string
	RequestedSOPClassUID      string
	AffectedSOPInstanceUID    string
	RequestedSOPInstanceUID   string
	Priority                  Priority
	HasDataset                bool // Command Data Set Type (0000,0800) is not 0101H
	Status                    Status
	MoveDestination           string
	MoveOriginatorAETitle     string
	MoveOriginatorMessageID   uint16
	Counters                  *Counters // of sub-operations
	EventTypeID               uint16
	ActionTypeID              uint16
	AttributeIdentifierList   []tag.Tag
	OffendingElement          []tag.Tag
	ErrorComment              string // at most 64 characters; never a patient's
	ErrorID                   uint16
}

// Counters are the numbers of sub-operations in C-MOVE and C-GET responses. A negative number
// is an absent element (PS3.4 C.4.2.1.6: Remaining is absent from final responses other than
// Cancel).
type Counters struct {
	Remaining, Completed, Failed, Warning int
}

// SOPClassUID returns the Affected or the Requested SOP Class UID, whichever is there.
func (c *Command) SOPClassUID() string {
	if c.AffectedSOPClassUID != "" {
		return c.AffectedSOPClassUID
	}
	return c.RequestedSOPClassUID
}

// SOPInstanceUID returns the Affected or the Requested SOP Instance UID, whichever is there.
func (c *Command) SOPInstanceUID() string {
	if c.AffectedSOPInstanceUID != "" {
		return c.AffectedSOPInstanceUID
	}
	return c.RequestedSOPInstanceUID
}

// Response returns the response to the request c with the message ID and UIDs that PS3.7 9
// and 10 want in it.
func (c *Command) Response(s Status) *Command {
	return &Command{
		Field:                     c.Field | 0x8000,
		MessageIDBeingRespondedTo: c.MessageID,
		AffectedSOPClassUID:       c.SOPClassUID(),
		AffectedSOPInstanceUID:    c.SOPInstanceUID(),
		EventTypeID:               c.EventTypeID,
		ActionTypeID:              c.ActionTypeID,
		Status:                    s,
	}
}
