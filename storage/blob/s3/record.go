package s3

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"

	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
)

// An object is one record between a head and a trailer. Numbers are little endian.
//
//	head (64 bytes)                   trailer (64 bytes)
//	 0 magic "AUROBJ01"                0 magic "AREC"
//	 8 zero                            4 version, state, 2 zero
//	60 CRC-32C of 0..60                8 content length
//	                                  16 offset of the content
//	content                           24 received, ns since 1970
//	                                  32 CRC-32C of the content
//	                                  36 zero
//	                                  60 CRC-32C of the key and 0..60
//
// What describes the content stands behind it, because it is known when the content has gone by.
// The checksum over the key, half of which is random, keeps an object that was copied to another
// name, or that a peer chose the bytes of, from passing as a record.
const (
	headSize    = 64
	trailerSize = 64
	version     = 1
	stateLive   = 1
)

var (
	headMagic    = [8]byte{'A', 'U', 'R', 'O', 'B', 'J', '0', '1'}
	trailerMagic = [4]byte{'A', 'R', 'E', 'C'}
	castagnoli   = crc32.MakeTable(crc32.Castagnoli)

	errNoRecord = errors.New("no record trailer")
)

func head() []byte {
	b := make([]byte, headSize)
	copy(b, headMagic[:])
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
	return b
}

// objectSize is the size of the object of a record. It tells a location that is not the record's.
func objectSize(length int64) int64 { return headSize + length + trailerSize }

// maxLength keeps sums of lengths and offsets that come from outside from overflowing.
const maxLength = 1 << 50

func trailer(r blob.Record) []byte {
	b := make([]byte, trailerSize)
	copy(b, trailerMagic[:])
	b[4], b[5] = version, stateLive
	binary.LittleEndian.PutUint64(b[8:], uint64(r.Location.Length))
	binary.LittleEndian.PutUint64(b[16:], uint64(r.Location.Offset))
	binary.LittleEndian.PutUint64(b[24:], uint64(r.Received.UnixNano()))
	binary.LittleEndian.PutUint32(b[32:], r.CRC32C)
	binary.LittleEndian.PutUint32(b[60:], trailerSum(r.Location.Object, b))
	return b
}

func trailerSum(k storage.Key, b []byte) uint32 {
	return crc32.Update(crc32.Checksum([]byte(k), castagnoli), castagnoli, b[:60])
}

// parseTrailer decodes the trailer of an object of that size.
func parseTrailer(b []byte, k storage.Key, size int64) (blob.Record, error) {
	if len(b) != trailerSize || [4]byte(b[:4]) != trailerMagic || b[4] != version || b[5] != stateLive ||
		binary.LittleEndian.Uint32(b[60:]) != trailerSum(k, b) {
		return blob.Record{}, errNoRecord
	}
	l := blob.Location{
		Object: k,
		Offset: int64(binary.LittleEndian.Uint64(b[16:])),
		Length: int64(binary.LittleEndian.Uint64(b[8:])),
	}
	if !ours(l) || objectSize(l.Length) != size {
		return blob.Record{}, errNoRecord
	}
	return blob.Record{
		Tenant:   tenantOf(k),
		Location: l,
		End:      size,
		Received: time.Unix(0, int64(binary.LittleEndian.Uint64(b[24:]))).UTC(),
		CRC32C:   binary.LittleEndian.Uint32(b[32:]),
	}, nil
}

// ours reports whether this store may have made the location.
func ours(l blob.Location) bool {
	return l.Offset == headSize && l.Length >= 0 && l.Length <= maxLength && keyShape.MatchString(string(l.Object))
}
