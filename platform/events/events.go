// Package events tells the outside what changed: it reads the change feed of the index in its
// order, and hands it on.
//
//	Feed       the changes of a tenant as Events, and the wait for the next    feed.go
//	Cursors    named consumers: where each is, and which node serves it        cursors.go, consumer.go
//	Stream     Server-Sent Events                                              stream.go
//	Webhooks   signed HTTP requests                                            webhooks.go, hooks.go, delivery.go
//	Completer  announces studies that are quiet                                completer.go
//	kafka      a publisher for Kafka (a package of its own)
//
// Order and completeness. The feed of a tenant is gapless and ordered, and so is what each
// consumer gets. A consumer's cursor moves only after delivery: an event may be delivered again
// after a crash, always with the same ID, so that a receiver that drops the IDs it knows sees
// each exactly once. Nothing is delivered that a power cut could take back.
//
// Events name UIDs and nothing else of a patient. The package leaves out who made a change
// (audit) and what follows from it inside the server.
package events

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// SchemaVersion is that of the JSON form; fields may be added to one, never changed.
const SchemaVersion = 1

// Type says what happened.
type Type string

// The types.
const (
	InstanceStored  Type = "instance-stored"
	InstanceDeleted Type = "instance-deleted"
	StudyComplete   Type = "study-complete"
)

var types = map[index.ChangeKind]Type{
	index.InstanceStored:  InstanceStored,
	index.InstanceDeleted: InstanceDeleted,
	index.StudyCompleted:  StudyComplete,
}

// Event is one change of a tenant.
type Event struct {
	Tenant   storage.TenantID
	Sequence int64
	Time     time.Time
	Type     Type
	index.Ref
	SOPClassUID string
}

// ID is unique and stable: "tenant/sequence".
func (e Event) ID() string {
	return string(e.Tenant) + "/" + strconv.FormatInt(e.Sequence, 10)
}

// wire is the JSON form (docs/API_CONTRACTS.md, Events).
type wire struct {
	Version           int    `json:"version"`
	ID                string `json:"id"`
	Tenant            string `json:"tenant"`
	Sequence          int64  `json:"sequence"`
	Time              string `json:"time"`
	Type              Type   `json:"type"`
	StudyInstanceUID  string `json:"study_instance_uid"`
	SeriesInstanceUID string `json:"series_instance_uid,omitempty"`
	SOPInstanceUID    string `json:"sop_instance_uid,omitempty"`
	SOPClassUID       string `json:"sop_class_uid,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (e Event) MarshalJSON() ([]byte, error) {
	return json.Marshal(wire{
		Version: SchemaVersion, ID: e.ID(), Tenant: string(e.Tenant), Sequence: e.Sequence,
		Time: e.Time.UTC().Format(time.RFC3339Nano), Type: e.Type,
		StudyInstanceUID: e.StudyInstanceUID, SeriesInstanceUID: e.SeriesInstanceUID,
		SOPInstanceUID: e.SOPInstanceUID, SOPClassUID: e.SOPClassUID,
	})
}

// Types is a set of types; empty matches all.
type Types []Type

// Match reports whether the type is in the set.
func (ts Types) Match(t Type) bool {
	if len(ts) == 0 {
		return true
	}
	for _, have := range ts {
		if have == t {
			return true
		}
	}
	return false
}

func (ts Types) String() string {
	out := make([]string, len(ts))
	for i, t := range ts {
		out[i] = string(t)
	}
	return strings.Join(out, ",")
}

// ParseTypes reads a list with commas. An unknown type is errs.Invalid: it would never come.
func ParseTypes(list string) (Types, error) {
	var out Types
	for s := range strings.SplitSeq(list, ",") {
		t := Type(strings.TrimSpace(s))
		switch t {
		case "":
		case InstanceStored, InstanceDeleted, StudyComplete:
			if len(out) == 0 || !out.Match(t) {
				out = append(out, t)
			}
		default:
			return nil, errs.Errorf(errs.Invalid, "events.ParseTypes", "unknown type of event; known are %s, %s, %s",
				InstanceStored, InstanceDeleted, StudyComplete)
		}
	}
	return out, nil
}
