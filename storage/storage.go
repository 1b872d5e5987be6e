// Package storage holds the two words that blobs and the index share.
package storage

// TenantID names the organisation that owns data. It is an explicit argument everywhere below
// a door: code that forgets the tenant does not compile.
type TenantID string

// DefaultTenant is the only tenant of an installation that configured none.
const DefaultTenant TenantID = "default"

// Key names one immutable object of the blob store: opaque, without UID or patient name.
type Key string
