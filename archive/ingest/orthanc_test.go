package ingest_test

import (
	"bytes"
	"compress/zlib"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/archive/archivetest"
	"github.com/aurelius-imaging/aurelius/archive/ingest"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// The tables of Orthanc's schema 6 that are read.
const orthancTables = `
CREATE TABLE GlobalProperties(property INTEGER PRIMARY KEY, value TEXT);
CREATE TABLE Resources(internalId INTEGER PRIMARY KEY AUTOINCREMENT, resourceType INTEGER, publicId TEXT, parentId INTEGER);
CREATE TABLE MainDicomTags(id INTEGER, tagGroup INTEGER, tagElement INTEGER, value TEXT, PRIMARY KEY(id, tagGroup, tagElement));
CREATE TABLE Metadata(id INTEGER, type INTEGER, value TEXT, PRIMARY KEY(id, type));
CREATE TABLE AttachedFiles(id INTEGER, fileType INTEGER, uuid TEXT, compressedSize INTEGER, uncompressedSize INTEGER,
	compressionType INTEGER, uncompressedMD5 TEXT, compressedMD5 TEXT, PRIMARY KEY(id, fileType));
INSERT INTO GlobalProperties VALUES(1, '6');
`

// orthanc is a storage directory made by the test.
type orthanc struct {
	t   testing.TB
	dir string
	db  *sqldb.DB
	n   int64
}

func newOrthanc(t testing.TB) *orthanc {
	t.Helper()
	dir := t.TempDir()
	db, err := sqldb.Open(filepath.Join(dir, "index"), sqldb.Config{}, []string{orthancTables})
	if err != nil {
		t.Fatal(err)
	}
	return &orthanc{t: t, dir: dir, db: db}
}

func (o *orthanc) exec(query string, args ...any) {
	o.t.Helper()
	err := o.db.Write(o.t.Context(), sqldb.Process, func(c *sqldb.Conn) error { _, err := c.Exec(query, args...); return err })
	if err != nil {
		o.t.Fatal(err)
	}
}

// resource adds a row below another and returns its ID.
func (o *orthanc) resource(level int, parent any, d *dicom.Dataset, tags ...tag.Tag) int64 {
	o.t.Helper()
	o.n++
	o.exec("INSERT INTO Resources VALUES(?, ?, 'x', ?)", o.n, level, parent)
	for _, t := range tags {
		o.exec("INSERT INTO MainDicomTags VALUES(?, ?, ?, ?)", o.n, int64(t.Group()), int64(uint16(t)), d.Text(t))
	}
	return o.n
}

// file writes an attachment and returns its path.
func (o *orthanc) file(id int64, b []byte, compressed bool) string {
	o.t.Helper()
	sum, uuid := md5.Sum(b), fmt.Sprintf("%08x-1930-4bd2-ade8-4643d6a9eb5f", 0xabcd0000+id)
	content, compression := b, 1
	if compressed {
		var z bytes.Buffer
		z.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(b))))
		w := zlib.NewWriter(&z)
		w.Write(b)
		w.Close()
		content, compression = z.Bytes(), 2
	}
	o.exec("INSERT INTO AttachedFiles VALUES(?, 1, ?, ?, ?, ?, ?, '')", id, uuid, len(content), len(b), compression, hex.EncodeToString(sum[:]))
	path := filepath.Join(o.dir, uuid[:2], uuid[2:4], uuid)
	write(o.t, path, content)
	return path
}

func TestOrthanc(t *testing.T) {
	t.Parallel()
	o := newOrthanc(t)
	h, err := dicom.ReadHeader(bytes.NewReader(object(t, 1)), dicom.Source{}, dicom.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	d := h.Dataset
	patient := o.resource(1, nil, d, tag.PatientID)
	study := o.resource(2, patient, d, tag.StudyInstanceUID, tag.StudyDate, tag.AccessionNumber)
	series := o.resource(3, study, d, tag.SeriesInstanceUID)
	o.exec("UPDATE MainDicomTags SET value = '19000101' WHERE id = ? AND tagGroup = 8 AND tagElement = 32", study)
	var files []string
	for n := range 6 {
		id := o.resource(4, series, d)
		files = append(files, o.file(id, object(t, n), n%2 == 1))
	}
	o.exec("INSERT INTO Metadata VALUES(4, 3, 'MODALITY')")
	for n, change := range map[int]func(b []byte) []byte{
		2: func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		3: func(b []byte) []byte { b[len(b)-10] ^= 1; return b },
		4: func(b []byte) []byte { return b[:len(b)/2] },
	} {
		b, err := os.ReadFile(files[n])
		if err != nil {
			t.Fatal(err)
		}
		write(t, files[n], change(b))
	}
	if err := os.Remove(files[5]); err != nil {
		t.Fatal(err)
	}
	const stray = "ffffffff-1930-4bd2-ade8-4643d6a9eb5f"
	write(t, filepath.Join(o.dir, "ff", "ff", stray), object(t, 7))

	index := filepath.Join(o.dir, "index")
	if _, err := sqldb.OpenForeign(index); !errs.Is(err, errs.Unavailable) {
		t.Errorf("while it is open: %v", err)
	}
	if err := o.db.Close(); err != nil {
		t.Fatal(err)
	}
	foreign, err := sqldb.OpenForeign(index)
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	from := ingest.Orthanc{Dir: o.dir, Index: foreign}
	if err := from.Check(); err != nil {
		t.Fatal(err)
	}
	a := archivetest.New(t)
	got, _ := outcomesOf(t, a, "", from.Items(), ingest.Options{})
	want := map[string]string{}
	for n, outcome := range []string{"stored", "stored", "damaged", "damaged", "damaged", "missing"} {
		want[strings.TrimPrefix(files[n], "/")] = outcome
	}
	expect(t, got, want)

	var unknown []string
	if err := from.Unknown(t.Context(), func(path string) { unknown = append(unknown, filepath.Base(path)) }); err != nil {
		t.Fatal(err)
	}
	if len(unknown) != 1 || unknown[0] != stray {
		t.Errorf("unknown files: %q", unknown)
	}
	var differences []string
	sum, err := from.Compare(t.Context(), a, tenant, func(d ingest.Difference) {
		differences = append(differences, fmt.Sprint(d.Level, " ", d.What, " ", d.Orthanc, " ", d.Archive))
	})
	if err != nil {
		t.Fatal(err)
	}
	wanted := "patient instances 6 2, study instances 6 2, study StudyDate 19000101 " + d.Text(tag.StudyDate) + ", series instances 6 2"
	if strings.Join(differences, ", ") != wanted || sum.Less != 3 || sum.Studies != 1 || sum.Series != 1 || sum.Patients != 1 {
		t.Errorf("%+v, %q\nwant %s", sum, differences, wanted)
	}
	if left, _ := filepath.Glob(index + "-*"); len(left) > 0 {
		t.Errorf("reading left %q", left)
	}
}

func TestNoOrthanc(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "index")
	if _, err := sqldb.OpenForeign(file); !errs.Is(err, errs.NotFound) {
		t.Errorf("no file: %v", err)
	}
	write(t, file, []byte("not a database at all"))
	if _, err := sqldb.OpenForeign(file); !errs.Is(err, errs.Invalid) {
		t.Errorf("another file: %v", err)
	}
	db, err := sqldb.Open(file+"2", sqldb.Config{}, nil)
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := sqldb.OpenForeign(file + "2")
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	if err := (&ingest.Orthanc{Index: foreign}).Check(); !errs.Is(err, errs.Invalid) {
		t.Errorf("another database: %v", err)
	}
}
