package scp

import (
	"context"
	"slices"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/dimse"
)

// Service is one line of what the door offers: some abstract syntaxes with the operation served
// on them. The conformance statement is made from it.
type Service struct {
	Name             string
	AbstractSyntaxes []string
	TransferSyntaxes []string // nil: every one that is proposed
	Operation        string   // "C-STORE"
	SCU              bool     // also used as SCU: as sub-operations of C-MOVE and C-GET
	Statuses         []dimse.Status

	field    dimse.CommandField
	handler  func(context.Context, *dimse.ResponseWriter, *dimse.Request)
	ownOrder bool
	extended func([]byte) []byte
}

func (s Service) negotiation() dimse.Service {
	return dimse.Service{
		TransferSyntaxes: s.TransferSyntaxes,
		OwnOrder:         s.ownOrder,
		PeerSCP:          s.SCU,
		Extended:         s.extended,
	}
}

// identifierSyntaxes are offered for services whose data sets we write ourselves, best first:
// Explicit VR tells the peer's parser the most.
var identifierSyntaxes = []string{
	dicom.ExplicitVRLittleEndian.UID,
	dicom.ImplicitVRLittleEndian.UID,
	dicom.ExplicitVRBigEndian.UID,
}

// Services lists what the door offers.
func (d *Door) Services() []Service {
	return []Service{
		{
			Name:             "Verification",
			AbstractSyntaxes: []string{uid.Verification},
			TransferSyntaxes: identifierSyntaxes,
			Operation:        "C-ECHO",
			Statuses:         []dimse.Status{dimse.StatusSuccess},
			field:            dimse.CEchoRQ, handler: d.echo, ownOrder: true,
		},
		d.storageService(),
		queryRetrieve("Query/Retrieve FIND", "C-FIND", dimse.CFindRQ, d.find, finding,
			[]dimse.Status{dimse.StatusPending, dimse.StatusPendingWarning},
			uid.PatientRootQueryRetrieveInformationModelFind, uid.StudyRootQueryRetrieveInformationModelFind),
		queryRetrieve("Query/Retrieve MOVE", "C-MOVE", dimse.CMoveRQ, d.move, retrieving,
			[]dimse.Status{dimse.StatusPending, dimse.StatusCoercion, dimse.StatusMoveDestinationUnknown},
			uid.PatientRootQueryRetrieveInformationModelMove, uid.StudyRootQueryRetrieveInformationModelMove),
		queryRetrieve("Query/Retrieve GET", "C-GET", dimse.CGetRQ, d.get, retrieving,
			[]dimse.Status{dimse.StatusPending, dimse.StatusCoercion},
			uid.PatientRootQueryRetrieveInformationModelGet, uid.StudyRootQueryRetrieveInformationModelGet),
	}
}

// storageService takes every storage SOP Class, in the transfer syntax the requestor likes best:
// objects are kept as received, so its order decides.
func (d *Door) storageService() Service {
	s := Service{
		Name:             "Storage",
		AbstractSyntaxes: uid.Sorted(uid.StorageClasses()),
		TransferSyntaxes: storedSyntaxes(),
		Operation:        "C-STORE",
		SCU:              true,
		Statuses:         statuses(storing),
		field:            dimse.CStoreRQ,
		handler:          d.store,
		extended:         extendedStorage,
	}
	if d.cfg.UnknownTransferSyntaxes {
		s.TransferSyntaxes = nil
	}
	return s
}

func queryRetrieve(name, operation string, field dimse.CommandField,
	handler func(context.Context, *dimse.ResponseWriter, *dimse.Request), c column, more []dimse.Status, models ...string) Service {
	return Service{
		Name:             name,
		AbstractSyntaxes: models,
		TransferSyntaxes: identifierSyntaxes,
		Operation:        operation,
		Statuses:         statuses(c, more...),
		field:            field, handler: handler, ownOrder: true, extended: extendedQuery,
	}
}

// statuses lists, in order, what a column of the status table can answer.
func statuses(c column, more ...dimse.Status) []dimse.Status {
	out := append([]dimse.Status{dimse.StatusSuccess}, more...)
	for _, row := range statusOf {
		out = append(out, row[c])
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// storedSyntaxes are the transfer syntaxes in which an instance can be received and kept: those
// of the standard, retired ones too, but for those that encode no data set (MIME, XML, Papyrus)
// or none that ends (the SMPTE real-time streams).
func storedSyntaxes() []string {
	var out []string
	for _, ts := range dicom.TransferSyntaxes() {
		switch {
		case strings.HasPrefix(ts.UID, "1.2.840.10008.1.2.6."),
			strings.HasPrefix(ts.UID, "1.2.840.10008.1.2.7."),
			ts.UID == "1.2.840.10008.1.20":
		default:
			out = append(out, ts.UID)
		}
	}
	return out
}

// maybeStorage tells whether an abstract syntax that is not registered may be a storage SOP
// Class: a private UID, or one of the standard's storage branch that is newer than our tables.
// What the standard has given to other services is not.
func maybeStorage(AbstractSyntax string) bool {
	const dicomRoot, storageBranch = "1.2.840.10008.", "1.2.840.10008.5.1.4.1.1."
	if !uid.Safe(AbstractSyntax) || uid.Name(AbstractSyntax) != "" {
		return false
	}
	return !strings.HasPrefix(AbstractSyntax, dicomRoot) || strings.HasPrefix(AbstractSyntax, storageBranch)
}

// extendedStorage answers the Storage Service Class's extended negotiation (PS3.4 B.3.1): level
// 2 (all attributes kept), digital signatures level 3 (kept bit for bit), no coercion.
func extendedStorage([]byte) []byte { return []byte{2, 0, 3, 0, 0, 0} }

// extendedQuery answers the Query/Retrieve Service Class's (PS3.4 C.5.1.1.1): of what was asked
// for, relational queries are granted; combined date-time, fuzzy names, time zone adjustment
// and enhanced multi-frame conversion are not.
func extendedQuery(info []byte) []byte {
	out := make([]byte, min(len(info), 5))
	if len(out) > 0 {
		out[0] = info[0] & 1
	}
	return out
}
