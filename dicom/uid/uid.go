// Package uid has the UIDs of PS3.6 Annex A that a server meets: storage SOP Classes (generated
// from shared/standard by internal/gen, retired and private ones by hand), service SOP Classes,
// transfer syntaxes, and what UIDs are made of (PS3.5 9 and Annex B).
package uid

import (
	"crypto/rand"
	"crypto/sha256"
	"math/big"
	"slices"
	"strings"
	"sync"
)

// MaxLength is the length of the longest UID (PS3.5 9.1).
const MaxLength = 64

// What Aurelius writes into File Meta Information and offers in association negotiation
// (PS3.7 D.3.3.2). The root is a UUID-derived UID (PS3.5 B.2) chosen once.
const (
	ImplementationClassUID    = "2.25.178246196616291368940105490103452779209.1"
	ImplementationVersionName = "AURELIUS_1"
)

// ApplicationContext is the DICOM Application Context Name (PS3.7 A.2.1).
const ApplicationContext = "1.2.840.10008.3.1.1.1"

// Class is a SOP Class for objects that can be stored.
type Class struct {
	UID     string
	Keyword string
	Name    string
	Retired bool
	Private bool // defined by a vendor, not by the standard
}

// StorageClasses returns every SOP Class an archive stores: those in force, then the retired,
// then private ones seen in the field. Directories and templates without a patient are among
// them, except Media Storage Directory, which is never sent (PS3.4 I.4).
func StorageClasses() []Class {
	out := make([]Class, 0, len(standardStorage)+len(retiredStorage)+len(privateStorage))
	for _, c := range standardStorage {
		if c.UID != MediaStorageDirectoryStorage {
			out = append(out, c)
		}
	}
	out = append(out, retiredStorage[:]...)
	return append(out, privateStorage[:]...)
}

var names = sync.OnceValue(func() map[string]string {
	m := make(map[string]string, 400)
	for _, table := range [][]Class{standardStorage[:], retiredStorage[:], privateStorage[:]} {
		for _, c := range table {
			m[c.UID] = c.Name
		}
	}
	for _, table := range [][]known{services[:], instances[:], syntaxes[:]} {
		for _, k := range table {
			m[k.UID] = k.Name
		}
	}
	return m
})

// Name returns the name of a UID of the tables here, else "".
func Name(uid string) string { return names()[uid] }

// Valid reports whether the UID is as PS3.5 9.1 wants it: at most 64 characters, components of
// digits without leading zeros, the first arc 0, 1 or 2.
func Valid(uid string) bool {
	if !Safe(uid) || !strings.Contains(uid, ".") || uid[0] > '2' || uid[1] != '.' {
		return false
	}
	for component := range strings.SplitSeq(uid, ".") {
		if component == "" || len(component) > 1 && component[0] == '0' {
			return false
		}
	}
	return true
}

// Safe reports whether a UID from the field can be used as an identity: 1 to 64 digits and
// dots, beginning and ending with a digit. Leading zeros and unknown first arcs, which many
// devices write, pass; characters that could mean something in a path, a query or a header
// do not.
func Safe(uid string) bool {
	if len(uid) == 0 || len(uid) > MaxLength || uid[0] == '.' || uid[len(uid)-1] == '.' {
		return false
	}
	for i := range len(uid) {
		if c := uid[i]; c != '.' && (c < '0' || c > '9') {
			return false
		}
	}
	return !strings.Contains(uid, "..")
}

// New returns a fresh UID under 2.25, made of a random UUID (PS3.5 B.2, RFC 9562 version 4).
func New() string {
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	b[6] = b[6]&0x0F | 0x40
	b[8] = b[8]&0x3F | 0x80
	return "2.25." + new(big.Int).SetBytes(b[:]).String()
}

// Derive returns the UID under 2.25 that stands for these parts: the same each time (RFC 9562
// version 8).
func Derive(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0}) // "ab","c" is not "a","bc"
	}
	b := h.Sum(nil)[:16]
	b[6] = b[6]&0x0F | 0x80
	b[8] = b[8]&0x3F | 0x80
	return "2.25." + new(big.Int).SetBytes(b).String()
}

// IsStorage reports whether the UID is one of StorageClasses.
func IsStorage(uid string) bool { return storage()[uid] }

var storage = sync.OnceValue(func() map[string]bool {
	m := map[string]bool{}
	for _, c := range StorageClasses() {
		m[c.UID] = true
	}
	return m
})

// Sorted returns the UIDs of classes in order, for reports that must not change between runs.
func Sorted(classes []Class) []string {
	out := make([]string, len(classes))
	for i, c := range classes {
		out[i] = c.UID
	}
	slices.Sort(out)
	return out
}
