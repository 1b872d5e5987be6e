package dimse

import (
	"encoding/binary"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Elements of the command group (PS3.7 E.1); all are in group 0000.
const (
	elemGroupLength             = 0x0000
	elemAffectedSOPClassUID     = 0x0002
	elemRequestedSOPClassUID    = 0x0003
	elemCommandField            = 0x0100
	elemMessageID               = 0x0110
	elemMessageIDRespondedTo    = 0x0120
	elemMoveDestination         = 0x0600
	elemPriority                = 0x0700
	elemCommandDataSetType      = 0x0800
	elemStatus                  = 0x0900
	elemOffendingElement        = 0x0901
	elemErrorComment            = 0x0902
	elemErrorID                 = 0x0903
	elemAffectedSOPInstanceUID  = 0x1000
	elemRequestedSOPInstanceUID = 0x1001
	elemEventTypeID             = 0x1002
	elemAttributeIdentifierList = 0x1005
	elemActionTypeID            = 0x1008
	elemRemaining               = 0x1020
	elemCompleted               = 0x1021
	elemFailed                  = 0x1022
	elemWarning                 = 0x1023
	elemMoveOriginatorAETitle   = 0x1030
	elemMoveOriginatorMessageID = 0x1031
)

// noDataset is the Command Data Set Type of messages without data set (PS3.7 E.1).
const noDataset = 0x0101

// maxCommand bounds a command set. Real ones have some 300 bytes; lists of attributes (N-GET)
// and comments leave a wide margin.
const maxCommand = 64 << 10

// AppendTo appends the command set, Implicit VR Little Endian with its group length
// (PS3.7 6.3.1). Values too long for the set are cut: they are ours.
func (c *Command) AppendTo(dst []byte) []byte {
	start := len(dst)
	e := encoder{append(dst, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0)}
	request, cancel := !c.Field.Response(), c.Field == CCancelRQ

	e.text(elemAffectedSOPClassUID, c.AffectedSOPClassUID, 0)
	e.text(elemRequestedSOPClassUID, c.RequestedSOPClassUID, 0)
	e.uint16(elemCommandField, uint16(c.Field), true)
	e.uint16(elemMessageID, c.MessageID, request && !cancel)
	e.uint16(elemMessageIDRespondedTo, c.MessageIDBeingRespondedTo, !request || cancel)
	e.text(elemMoveDestination, c.MoveDestination, ' ')
	e.uint16(elemPriority, uint16(c.Priority), hasPriority(c.Field))
	dataset := uint16(noDataset)
	if c.HasDataset {
		dataset = 0 // any other value; zero is what most peers send
	}
	e.uint16(elemCommandDataSetType, dataset, true)
	e.uint16(elemStatus, uint16(c.Status), !request)
	e.tags(elemOffendingElement, c.OffendingElement)
	e.text(elemErrorComment, c.ErrorComment, ' ')
	e.uint16(elemErrorID, c.ErrorID, false)
	e.text(elemAffectedSOPInstanceUID, c.AffectedSOPInstanceUID, 0)
	e.text(elemRequestedSOPInstanceUID, c.RequestedSOPInstanceUID, 0)
	e.uint16(elemEventTypeID, c.EventTypeID, c.Field == NEventReportRQ)
	e.tags(elemAttributeIdentifierList, c.AttributeIdentifierList)
	e.uint16(elemActionTypeID, c.ActionTypeID, c.Field == NActionRQ)
	if n := c.Counters; n != nil {
		e.count(elemRemaining, n.Remaining)
		e.count(elemCompleted, n.Completed)
		e.count(elemFailed, n.Failed)
		e.count(elemWarning, n.Warning)
	}
	e.text(elemMoveOriginatorAETitle, c.MoveOriginatorAETitle, ' ')
	e.uint16(elemMoveOriginatorMessageID, c.MoveOriginatorMessageID, c.MoveOriginatorAETitle != "")

	binary.LittleEndian.PutUint32(e.b[start+8:], uint32(len(e.b)-start-12))
	return e.b
}

func hasPriority(f CommandField) bool {
	switch f {
	case CStoreRQ, CGetRQ, CFindRQ, CMoveRQ:
		return true
	}
	return false
}

type encoder struct{ b []byte }

func (e *encoder) head(element uint16, n int) {
	e.b = append(e.b, 0, 0)
	e.b = binary.LittleEndian.AppendUint16(e.b, element)
	e.b = binary.LittleEndian.AppendUint32(e.b, uint32(n))
}

func (e *encoder) uint16(element, v uint16, always bool) {
	if v != 0 || always {
		e.head(element, 2)
		e.b = binary.LittleEndian.AppendUint16(e.b, v)
	}
}

// count writes a counter; more sub-operations than the field holds are shown as its maximum.
func (e *encoder) count(element uint16, v int) {
	if v >= 0 {
		e.uint16(element, uint16(min(v, 0xFFFF)), true)
	}
}

func (e *encoder) text(element uint16, s string, pad byte) {
	if s == "" {
		return
	}
	if len(s) > maxCommand/4 {
		s = s[:maxCommand/4]
	}
	e.head(element, (len(s)+1)&^1)
	e.b = append(e.b, s...)
	if len(s)%2 == 1 {
		e.b = append(e.b, pad)
	}
}

func (e *encoder) tags(element uint16, tags []tag.Tag) {
	if len(tags) == 0 {
		return
	}
	e.head(element, 4*len(tags))
	for _, t := range tags {
		e.b = binary.LittleEndian.AppendUint16(e.b, t.Group())
		e.b = binary.LittleEndian.AppendUint16(e.b, t.Element())
	}
}

// ParseCommand reads a command set. Elements it does not know are skipped; one outside group
// 0000, a length beyond the end, or a missing Command Field is errs.Invalid.
func ParseCommand(b []byte) (*Command, error) {
	const op = "dimse.ParseCommand"
	if len(b) > maxCommand {
		return nil, errs.Errorf(errs.Invalid, op, "command set too long")
	}
	c, seen := &Command{}, false
	for len(b) > 0 {
		if len(b) < 8 {
			return nil, errs.Errorf(errs.Invalid, op, "command set ends within an element")
		}
		group, element := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:])
		n := binary.LittleEndian.Uint32(b[4:])
		if group != 0 {
			return nil, errs.Errorf(errs.Invalid, op, "element of group %04X in a command set", group)
		}
		if uint64(n) > uint64(len(b)-8) {
			return nil, errs.Errorf(errs.Invalid, op, "command element %04X longer than its set", element)
		}
		if err := c.set(element, b[8:8+n]); err != nil {
			return nil, err
		}
		seen = seen || element == elemCommandField
		b = b[8+n:]
	}
	if !seen {
		return nil, errs.Errorf(errs.Invalid, op, "command set without Command Field")
	}
	return c, nil
}

func (c *Command) set(element uint16, b []byte) (err error) {
	switch element {
	case elemAffectedSOPClassUID:
		c.AffectedSOPClassUID = uidText(b)
	case elemRequestedSOPClassUID:
		c.RequestedSOPClassUID = uidText(b)
	case elemAffectedSOPInstanceUID:
		c.AffectedSOPInstanceUID = uidText(b)
	case elemRequestedSOPInstanceUID:
		c.RequestedSOPInstanceUID = uidText(b)
	case elemMoveDestination:
		c.MoveDestination = aeText(b)
	case elemMoveOriginatorAETitle:
		c.MoveOriginatorAETitle = aeText(b)
	case elemErrorComment:
		c.ErrorComment = strings.TrimRight(string(b), " \x00")
	case elemOffendingElement:
		c.OffendingElement = tagList(b)
	case elemAttributeIdentifierList:
		c.AttributeIdentifierList = tagList(b)
	case elemRemaining, elemCompleted, elemFailed, elemWarning:
		return c.setCounter(element, b)
	default:
		return c.setNumber(element, b)
	}
	return nil
}

func (c *Command) setNumber(element uint16, b []byte) error {
	var dst *uint16
	switch element {
	case elemCommandField:
		dst = (*uint16)(&c.Field)
	case elemMessageID:
		dst = &c.MessageID
	case elemMessageIDRespondedTo:
		dst = &c.MessageIDBeingRespondedTo
	case elemPriority:
		dst = (*uint16)(&c.Priority)
	case elemStatus:
		dst = (*uint16)(&c.Status)
	case elemErrorID:
		dst = &c.ErrorID
	case elemEventTypeID:
		dst = &c.EventTypeID
	case elemActionTypeID:
		dst = &c.ActionTypeID
	case elemMoveOriginatorMessageID:
		dst = &c.MoveOriginatorMessageID
	case elemCommandDataSetType:
		v, err := number(element, b)
		c.HasDataset = v != noDataset
		return err
	default:
		return nil // group length and retired elements
	}
	v, err := number(element, b)
	*dst = v
	return err
}

func (c *Command) setCounter(element uint16, b []byte) error {
	v, err := number(element, b)
	if err != nil {
		return err
	}
	if c.Counters == nil {
		c.Counters = &Counters{-1, -1, -1, -1}
	}
	switch element {
	case elemRemaining:
		c.Counters.Remaining = int(v)
	case elemCompleted:
		c.Counters.Completed = int(v)
	case elemFailed:
		c.Counters.Failed = int(v)
	case elemWarning:
		c.Counters.Warning = int(v)
	}
	return nil
}

func number(element uint16, b []byte) (uint16, error) {
	if len(b) == 0 {
		return 0, nil // an empty value, as some senders write optional elements
	}
	if len(b) != 2 {
		return 0, errs.Errorf(errs.Invalid, "dimse.ParseCommand", "command element %04X has %d bytes", element, len(b))
	}
	return binary.LittleEndian.Uint16(b), nil
}

func uidText(b []byte) string { return strings.Trim(string(b), " \x00") }

func aeText(b []byte) string { return strings.Trim(string(b), " \x00") }

func tagList(b []byte) (tags []tag.Tag) {
	for ; len(b) >= 4; b = b[4:] {
		tags = append(tags, tag.New(binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:])))
	}
	return tags
}
