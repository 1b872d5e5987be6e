package fs

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"time"
)

// A pack is a file header and then records, each a header and its content, padded to 8 bytes.
// Numbers are little endian.
//
//	file header (64 bytes)            record header (64 bytes)
//	 0 magic "AURPACK1"                0 magic "AREC"
//	 8 salt, random                    4 version, state, 2 zero
//	24 zero                            8 content length
//	60 CRC-32C of 0..60               16 span: from this header to the next
//	                                  24 offset of this header in the pack
//	                                  32 received, ns since 1970
//	                                  40 CRC-32C of the content
//	                                  44 zero
//	                                  60 CRC-32C of the salt and 0..60
//
// The record header is written last, so a record without one was never committed and the scan
// ends there. What lies behind the last record may be left over from an aborted one and was
// chosen by a peer: the salt, which no peer ever sees, keeps it from passing as a record.
const (
	headerSize  = 64
	recordAlign = 8
	version     = 1

	stateLive   = 1
	stateErased = 2
)

var (
	packMagic   = [8]byte{'A', 'U', 'R', 'P', 'A', 'C', 'K', '1'}
	recordMagic = [4]byte{'A', 'R', 'E', 'C'}
	castagnoli  = crc32.MakeTable(crc32.Castagnoli)

	errNoRecord = errors.New("no record header")
	errNoPack   = errors.New("not a pack")

	errUnwritten = errors.New("pack without header")
)

type salt [16]byte

func appendPackHeader(dst []byte, s salt) []byte {
	var h [headerSize]byte
	copy(h[:], packMagic[:])
	copy(h[8:], s[:])
	binary.LittleEndian.PutUint32(h[60:], crc32.Checksum(h[:60], castagnoli))
	return append(dst, h[:]...)
}

// readPackHeader returns the pack's salt; errUnwritten when its header never reached the medium,
// errNoPack when what stands there is none.
func readPackHeader(r io.ReaderAt) (salt, error) {
	var h [headerSize]byte
	if _, err := r.ReadAt(h[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return salt{}, err
	}
	if h == ([headerSize]byte{}) {
		return salt{}, errUnwritten
	}
	if [8]byte(h[:8]) != packMagic || binary.LittleEndian.Uint32(h[60:]) != crc32.Checksum(h[:60], castagnoli) {
		return salt{}, errNoPack
	}
	return salt(h[8:24]), nil
}

// recordHeader is one record's header, decoded.
type recordHeader struct {
	state    byte
	length   int64
	span     int64
	offset   int64
	received time.Time
	crc      uint32
}

func (h *recordHeader) content() int64 { return h.offset + headerSize }
func (h *recordHeader) end() int64     { return h.offset + h.span }

// spanOf is the room a record takes.
func spanOf(length int64) int64 {
	return (headerSize + length + recordAlign - 1) &^ (recordAlign - 1)
}

func (h *recordHeader) put(b []byte, s salt) {
	clear(b[:headerSize])
	copy(b, recordMagic[:])
	b[4], b[5] = version, h.state
	binary.LittleEndian.PutUint64(b[8:], uint64(h.length))
	binary.LittleEndian.PutUint64(b[16:], uint64(h.span))
	binary.LittleEndian.PutUint64(b[24:], uint64(h.offset))
	if !h.received.IsZero() {
		binary.LittleEndian.PutUint64(b[32:], uint64(h.received.UnixNano()))
	}
	binary.LittleEndian.PutUint32(b[40:], h.crc)
	binary.LittleEndian.PutUint32(b[60:], headerSum(b, s))
}

func headerSum(b []byte, s salt) uint32 {
	return crc32.Update(crc32.Checksum(s[:], castagnoli), castagnoli, b[:60])
}

// parseRecord decodes the header that should stand at offset; errNoRecord when none does.
func parseRecord(b []byte, s salt, offset int64) (recordHeader, error) {
	if [4]byte(b[:4]) != recordMagic || b[4] != version ||
		binary.LittleEndian.Uint32(b[60:]) != headerSum(b, s) {
		return recordHeader{}, errNoRecord
	}
	h := recordHeader{
		state:    b[5],
		length:   int64(binary.LittleEndian.Uint64(b[8:])),
		span:     int64(binary.LittleEndian.Uint64(b[16:])),
		offset:   int64(binary.LittleEndian.Uint64(b[24:])),
		received: time.Unix(0, int64(binary.LittleEndian.Uint64(b[32:]))).UTC(),
		crc:      binary.LittleEndian.Uint32(b[40:]),
	}
	if h.offset != offset || h.length < 0 || h.span < spanOf(h.length) || h.end() < offset {
		return recordHeader{}, errNoRecord
	}
	return h, nil
}

// readRecord reads the header at offset.
func readRecord(r io.ReaderAt, s salt, offset int64) (recordHeader, error) {
	if offset < headerSize {
		return recordHeader{}, errNoRecord
	}
	var b [headerSize]byte
	if n, err := r.ReadAt(b[:], offset); err != nil {
		if errors.Is(err, io.EOF) && n < headerSize {
			return recordHeader{}, errNoRecord
		}
		if !errors.Is(err, io.EOF) {
			return recordHeader{}, err
		}
	}
	return parseRecord(b[:], s, offset)
}

// scan calls yield for each record from offset on, erased ones included, until yield returns
// false or no header follows. It returns where it ended.
func scan(r io.ReaderAt, s salt, offset, limit int64, yield func(recordHeader) bool) (int64, error) {
	for offset+headerSize <= limit {
		h, err := readRecord(r, s, offset)
		if errors.Is(err, errNoRecord) {
			return offset, nil
		}
		if err != nil {
			return offset, err
		}
		if h.end() > limit && h.content()+h.length > limit {
			return offset, nil // torn: the content is not all there
		}
		if !yield(h) {
			return h.end(), nil
		}
		offset = h.end()
	}
	return offset, nil
}
