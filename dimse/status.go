package dimse

import "fmt"

// Status is a DIMSE status code (PS3.7 C).
type Status uint16

// The general statuses of PS3.7 Annex C, and those that several service classes share.
const (
	StatusSuccess Status = 0x0000

	StatusPending        Status = 0xFF00
	StatusPendingWarning Status = 0xFF01 // some optional keys were not supported (PS3.4 C.4.1)
	StatusCancel         Status = 0xFE00

	StatusAttributeListError       Status = 0x0107 // warning
	StatusAttributeValueOutOfRange Status = 0x0116 // warning
	StatusWarning                  Status = 0x0001 // warning
	StatusCoercion                 Status = 0xB000 // warning
	StatusElementsDiscarded        Status = 0xB006 // warning
	StatusMismatchWarning          Status = 0xB007 // warning

	StatusInvalidAttributeValue     Status = 0x0106
	StatusProcessingFailure         Status = 0x0110
	StatusDuplicateSOPInstance      Status = 0x0111
	StatusNoSuchSOPInstance         Status = 0x0112
	StatusNoSuchEventType           Status = 0x0113
	StatusNoSuchArgument            Status = 0x0114
	StatusInvalidArgumentValue      Status = 0x0115
	StatusInvalidSOPInstance        Status = 0x0117
	StatusNoSuchSOPClass            Status = 0x0118
	StatusClassInstanceConflict     Status = 0x0119
	StatusMissingAttribute          Status = 0x0120
	StatusMissingAttributeValue     Status = 0x0121
	StatusSOPClassNotSupported      Status = 0x0122
	StatusNoSuchAction              Status = 0x0123
	StatusNotAuthorized             Status = 0x0124
	StatusDuplicateInvocation       Status = 0x0210
	StatusUnrecognizedOperation     Status = 0x0211
	StatusMistypedArgument          Status = 0x0212
	StatusResourceLimitation        Status = 0x0213
	StatusOutOfResources            Status = 0xA700
	StatusOutOfResourcesMatches     Status = 0xA701
	StatusOutOfResourcesSubOps      Status = 0xA702
	StatusMoveDestinationUnknown    Status = 0xA801
	StatusDataSetMismatch           Status = 0xA900
	StatusCannotUnderstand          Status = 0xC000
	StatusUnableToProcess           Status = 0xC001
	StatusNoneOfFramesFound         Status = 0xAA00
	StatusUnableToCreateNewObject   Status = 0xAA01
	StatusUnableToExtractFrames     Status = 0xAA02
	StatusTimeBasedRequestElsewhere Status = 0xAA03
	StatusInvalidRequest            Status = 0xAA04
)

// StatusClass says what a status means for the operation (PS3.7 C).
type StatusClass uint8

// The classes of PS3.7 Annex C.
const (
	Success StatusClass = iota
	Pending
	Canceled
	Warning
	Failure
)

func (c StatusClass) String() string {
	switch c {
	case Success:
		return "success"
	case Pending:
		return "pending"
	case Canceled:
		return "canceled"
	case Warning:
		return "warning"
	}
	return "failure"
}

// Class returns the status's class (PS3.7 C).
func (s Status) Class() StatusClass {
	switch {
	case s == StatusSuccess:
		return Success
	case s == StatusPending, s == StatusPendingWarning:
		return Pending
	case s == StatusCancel:
		return Canceled
	case s == StatusWarning, s == StatusAttributeListError, s == StatusAttributeValueOutOfRange, s&0xF000 == 0xB000:
		return Warning
	}
	return Failure
}

// Final reports whether the status ends the operation.
func (s Status) Final() bool { return s.Class() != Pending }

// String returns the code as it is written in the standard, "A700".
func (s Status) String() string { return fmt.Sprintf("%04X", uint16(s)) }
