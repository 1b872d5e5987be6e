package ingest

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zlib"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// OrthancIndex is the SQLite index of an Orthanc; sqldb.Foreign is one.
type OrthancIndex interface {
	Query(query string, args ...any) (*sqldb.Rows, error)
}

// Orthanc is the storage of an Orthanc that is stopped: a folder of files named by UUIDs, two
// levels deep, and the SQLite index that knows what they are (schema 6, Orthanc 0.9.5 and later).
type Orthanc struct {
	Dir   string
	Index OrthancIndex
}

// What Orthanc's numbers mean (its OrthancServer/Sources/ServerEnumerations.h).
const (
	orthancSchema     = "6"
	attachmentDICOM   = 1
	compressionNone   = 1
	compressionZlib   = 2
	metadataRemoteAET = 3
	orthancPatient    = 1
	orthancStudy      = 2
	orthancSeries     = 3
)

const (
	orthancVersion = `SELECT value FROM GlobalProperties WHERE property = 1`
	// In the order of arrival, which keeps series together.
	orthancFiles = `SELECT a.uuid, a.compressedSize, a.uncompressedSize, a.compressionType, a.uncompressedMD5, m.value
		FROM AttachedFiles a LEFT JOIN Metadata m ON m.id = a.id AND m.type = ? WHERE a.fileType = ? ORDER BY a.id`
	orthancUUIDs = `SELECT uuid FROM AttachedFiles`
	orthancSize  = `SELECT count(*), coalesce(sum(compressedSize), 0) FROM AttachedFiles WHERE fileType = ?`
)

// Check tells whether this is an index that can be read.
func (o *Orthanc) Check() error {
	const op = "ingest.Orthanc"
	rows, err := o.Index.Query(orthancVersion)
	if err != nil {
		return &errs.Error{Kind: errs.Invalid, Op: op, Msg: "not the index of an Orthanc", Err: err}
	}
	defer rows.Close()
	if !rows.Next() {
		return errs.Errorf(errs.Invalid, op, "not the index of an Orthanc")
	}
	if v := rows.Text(0); v != orthancSchema {
		return errs.Errorf(errs.Unsupported, op, "the schema of Orthanc's index is not %s", orthancSchema)
	}
	return rows.Err()
}

// Measure returns how many instances the index knows and the bytes of their files.
func (o *Orthanc) Measure() (files, bytes int64, err error) {
	rows, err := o.Index.Query(orthancSize, attachmentDICOM)
	if err != nil {
		return 0, 0, err
	}
	defer rows.Close()
	if rows.Next() {
		files, bytes = rows.Int(0), rows.Int(1)
	}
	return files, bytes, rows.Err()
}

// Items walks the instances the index knows. Their content is checked against Orthanc's MD5 as it
// is read: one that is not what Orthanc received is Damaged and not stored.
func (o *Orthanc) Items() Source {
	return func(yield func(Item) bool) {
		rows, err := o.Index.Query(orthancFiles, metadataRemoteAET, attachmentDICOM)
		if err != nil {
			yield(Item{Path: o.Dir, Err: err})
			return
		}
		defer rows.Close()
		for rows.Next() {
			a := attachment{
				compressed: rows.Int(1), size: rows.Int(2), compression: rows.Int(3), md5: strings.ToLower(rows.Text(4)),
			}
			if !yield(o.item(rows.Text(0), rows.Text(5), a)) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(Item{Path: o.Dir, Err: err})
		}
	}
}

// attachment is what the index knows of a file.
type attachment struct {
	compressed, size, compression int64
	md5                           string // of the uncompressed content; empty: not known
}

func (o *Orthanc) item(name, remoteAET string, a attachment) Item {
	if _, ok := parseUUID(name); !ok {
		return Item{Path: o.Dir, Err: errs.Errorf(errs.Invalid, "ingest.Orthanc", "the index names a file by something that is no UUID")}
	}
	i := Item{Path: o.path(name), Size: a.size, Cost: a.compressed, checked: true}
	if remoteAET = strings.TrimSpace(remoteAET); len(remoteAET) <= 16 { // PS3.5 6.2, AE
		i.SourceAET = remoteAET
	}
	info, err := os.Stat(i.Path)
	switch {
	case err != nil:
		i.Err = problem(err)
	case info.Size() != a.compressed:
		i.Err = errs.Errorf(errs.Invalid, "ingest.Orthanc", "the file has %d bytes, Orthanc wrote %d", info.Size(), a.compressed)
	default:
		i.ModTime = info.ModTime()
		i.open = func() (io.ReadCloser, error) { return a.open(i.Path) }
	}
	return i
}

func (o *Orthanc) path(uuid string) string { return filepath.Join(o.Dir, uuid[:2], uuid[2:4], uuid) }

// open opens the content that Orthanc received.
func (a attachment) open(path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, problem(err)
	}
	v := &verified{file: f, r: f, left: a.size, md5: a.md5, sum: md5.New()}
	switch a.compression {
	case compressionNone:
	case compressionZlib:
		err = v.inflate()
	default:
		err = errs.Errorf(errs.Unsupported, "ingest.Orthanc", "compressed in a way that is not known")
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return v, nil
}

// verified reads a content of known length and checksum. It ends in an error where they differ.
type verified struct {
	file io.Closer
	r    io.Reader
	left int64
	md5  string
	sum  hash.Hash
}

// inflate reads the length that Orthanc puts before a zlib stream, and goes on with that.
func (v *verified) inflate() error {
	var length [8]byte
	if _, err := io.ReadFull(v.r, length[:]); err != nil || binary.LittleEndian.Uint64(length[:]) != uint64(v.left) {
		return errDiffers
	}
	if v.left == 0 {
		return nil
	}
	z, err := zlib.NewReader(v.r)
	if err != nil {
		return errs.E(errs.Invalid, "ingest.Orthanc", err)
	}
	v.r = z
	return nil
}

var errDiffers = errs.Errorf(errs.Invalid, "ingest.Orthanc", "the content is not what Orthanc received: length or MD5 differ")

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	_, _ = v.sum.Write(p[:n]) // never fails
	if v.left -= int64(n); v.left < 0 {
		return 0, errDiffers
	}
	switch {
	case err == nil:
	case err == io.EOF:
		if v.left > 0 || v.md5 != "" && hex.EncodeToString(v.sum.Sum(nil)) != v.md5 {
			err = errDiffers
		}
	default:
		err = damaged(err)
	}
	return n, err
}

// damaged tells a broken zlib stream from a file that cannot be read.
func damaged(err error) error {
	var disk *fs.PathError
	if errors.As(err, &disk) {
		return problem(err)
	}
	return errs.E(errs.Invalid, "ingest.Orthanc", err)
}

func (v *verified) Close() error { return v.file.Close() }

// Unknown walks the files of the storage that no row of the index names, which Orthanc leaves
// behind when it is killed. It needs 16 bytes of memory per row.
func (o *Orthanc) Unknown(ctx context.Context, each func(path string)) error {
	known, err := o.uuids()
	if err != nil {
		return err
	}
	return filepath.WalkDir(o.Dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		id, ok := parseUUID(d.Name())
		if !ok || path != o.path(d.Name()) {
			return nil // the index itself, and what is no attachment
		}
		if _, found := slices.BinarySearchFunc(known, id, compareDigests); !found {
			each(path)
		}
		return nil
	})
}

func (o *Orthanc) uuids() ([]digest, error) {
	rows, err := o.Index.Query(orthancUUIDs)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []digest
	for rows.Next() {
		if id, ok := parseUUID(rows.Text(0)); ok {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, compareDigests)
	return out, rows.Err()
}

// parseUUID also guards paths: what it accepts has no separators in it.
func parseUUID(s string) (id digest, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, false
	}
	n, err := hex.Decode(id[:], bytes.ReplaceAll([]byte(s), []byte("-"), nil))
	return id, err == nil && n == len(id)
}
