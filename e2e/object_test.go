package e2e

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

const (
	implicitLE = "1.2.840.10008.1.2"
	explicitLE = "1.2.840.10008.1.2.1"
	ctStorage  = "1.2.840.10008.5.1.4.1.1.2"
	mfStorage  = "1.2.840.10008.5.1.4.1.1.7.2" // Multi-frame Grayscale Byte Secondary Capture
)

// object is an instance as these tests send it and want it back.
type object struct {
	name             string
	SOPClassUID      string
	StudyInstanceUID string
	SOPInstanceUID   string
	transferSyntax   string
	file             []byte // Part 10
	begin            int    // of the data set in it
	frames           int    // 0 when it has no pixel data, or a stream of video
	expect           string // of a malformed file
}

func (o object) dataset() io.Reader { return bytes.NewReader(o.file[o.begin:]) }

func (o object) path() string { return "/instances?SOPInstanceUID=" + o.SOPInstanceUID }

// corpus reads the manifest's DICOM files that keep accepts.
func corpus(t testing.TB, keep func(path string) bool) []object {
	t.Helper()
	root, samples := testkit.Corpus(t, func(s testkit.Sample) bool { return strings.HasSuffix(s.Path, ".dcm") && keep(s.Path) })
	var out []object
	for _, f := range samples {
		file, err := os.ReadFile(filepath.Join(root, f.Path))
		if err != nil {
			t.Fatal(err)
		}
		class, _, _ := strings.Cut(f.SOPClass, " ")
		o := object{name: strings.TrimSuffix(f.Path, ".dcm"), SOPClassUID: class, StudyInstanceUID: f.Study,
			SOPInstanceUID: f.SOP, transferSyntax: f.TransferSyntax, file: file, begin: datasetOffset(file), expect: f.Expect}
		if f.Pixels != nil && !strings.Contains(f.Path, "/video/") {
			o.frames = max(f.Frames, 1)
		}
		out = append(out, o)
	}
	return out
}

// datasetOffset finds where the data set begins: behind the last element of group 0002. It does
// not trust the group's length, and returns 0 when there is no File Meta Information.
func datasetOffset(b []byte) int {
	if len(b) < 132 || string(b[128:132]) != "DICM" {
		return 0
	}
	at := 132
	for at+8 <= len(b) && binary.LittleEndian.Uint16(b[at:]) == 2 {
		n := int64(binary.LittleEndian.Uint16(b[at+6:]))
		head := 8
		if vr := string(b[at+4 : at+6]); vr == "OB" || vr == "UN" {
			if at+12 > len(b) {
				return len(b)
			}
			n, head = int64(binary.LittleEndian.Uint32(b[at+8:])), 12
		}
		if n > int64(len(b)-at-head) {
			return len(b)
		}
		at += head + int(n)
	}
	return at
}

// dataset builds an Explicit VR Little Endian data set; elements are added in order of tags.
type dataset struct{ b []byte }

func (d *dataset) head(tag uint32, vr string, n uint32) {
	d.b = binary.LittleEndian.AppendUint16(d.b, uint16(tag>>16))
	d.b = binary.LittleEndian.AppendUint16(d.b, uint16(tag))
	d.b = append(d.b, vr...)
	if vr == "OW" || vr == "OB" {
		d.b = append(d.b, 0, 0)
		d.b = binary.LittleEndian.AppendUint32(d.b, n)
		return
	}
	d.b = binary.LittleEndian.AppendUint16(d.b, uint16(n))
}

func (d *dataset) text(tag uint32, vr, v string) {
	if len(v)%2 == 1 {
		if vr == "UI" {
			v += "\x00"
		} else {
			v += " "
		}
	}
	d.head(tag, vr, uint32(len(v)))
	d.b = append(d.b, v...)
}

func (d *dataset) us(tag uint32, v uint16) {
	d.head(tag, "US", 2)
	d.b = binary.LittleEndian.AppendUint16(d.b, v)
}

// made describes a generated instance.
type made struct {
	class                          string
	patient, study, series, number int
	PatientName                    string
	rows, columns, bits, frames    int
}

// uidOf numbers UIDs below the test's own root, so that runs do not meet.
func uidOf(parts ...int) string {
	var b strings.Builder
	b.WriteString("2.25.302043790172249692526321")
	for _, p := range parts {
		fmt.Fprintf(&b, ".%d", p)
	}
	return b.String()
}

func (m made) uid() string      { return uidOf(m.patient, m.study, m.series, m.number) }
func (m made) studyUID() string { return uidOf(m.patient, m.study) }

// header is the data set up to the value of Pixel Data, whose length is size.
func (m made) header() (b []byte, size int64) {
	size = int64(m.rows) * int64(m.columns) * int64(m.bits/8) * int64(max(m.frames, 1))
	var d dataset
	d.text(0x00080008, "CS", `ORIGINAL\PRIMARY\AXIAL`)
	d.text(0x00080016, "UI", m.class)
	d.text(0x00080018, "UI", m.uid())
	d.text(0x00080020, "DA", "20260401")
	d.text(0x00080030, "TM", "101500")
	d.text(0x00080050, "SH", fmt.Sprintf("ACC%d.%d", m.patient, m.study))
	d.text(0x00080060, "CS", "CT")
	d.text(0x00080090, "PN", "Ref^Physician")
	name := m.PatientName
	if name == "" {
		name = fmt.Sprintf("E2E^Patient%d", m.patient)
	}
	d.text(0x00100010, "PN", name)
	d.text(0x00100020, "LO", fmt.Sprintf("E2E-%d", m.patient))
	d.text(0x00100030, "DA", "19700101")
	d.text(0x00100040, "CS", "O")
	d.text(0x0020000D, "UI", m.studyUID())
	d.text(0x0020000E, "UI", uidOf(m.patient, m.study, m.series))
	d.text(0x00200010, "SH", fmt.Sprint(m.study))
	d.text(0x00200011, "IS", fmt.Sprint(m.series))
	d.text(0x00200013, "IS", fmt.Sprint(m.number))
	d.us(0x00280002, 1)
	d.text(0x00280004, "CS", "MONOCHROME2")
	if m.frames > 0 {
		d.text(0x00280008, "IS", fmt.Sprint(m.frames))
	}
	d.us(0x00280010, uint16(m.rows))
	d.us(0x00280011, uint16(m.columns))
	d.us(0x00280100, uint16(m.bits))
	d.us(0x00280101, uint16(m.bits))
	d.us(0x00280102, uint16(m.bits-1))
	d.us(0x00280103, 0)
	d.head(0x7FE00010, "OW", uint32(size))
	return d.b, size
}

// object makes the instance whole. Its pixels are noise that its numbers seed.
func (m made) object() object {
	head, size := m.header()
	class, uid := m.class, m.uid()
	var meta dataset
	meta.head(0x00020001, "OB", 2)
	meta.b = append(meta.b, 0, 1)
	meta.text(0x00020002, "UI", class)
	meta.text(0x00020003, "UI", uid)
	meta.text(0x00020010, "UI", explicitLE)
	meta.text(0x00020012, "UI", wireImplementation)
	var group dataset
	group.head(0x00020000, "UL", 4)
	group.b = binary.LittleEndian.AppendUint32(group.b, uint32(len(meta.b)))

	file := make([]byte, 128, 132+len(group.b)+len(meta.b)+len(head)+int(size))
	file = append(file, "DICM"...)
	file = append(file, group.b...)
	file = append(file, meta.b...)
	begin := len(file)
	file = append(file, head...)
	source := rand.New(rand.NewPCG(uint64(m.patient)<<32|uint64(m.study), uint64(m.series)<<32|uint64(m.number)))
	for range size / 8 {
		file = binary.LittleEndian.AppendUint64(file, source.Uint64())
	}
	file = append(file, make([]byte, size%8)...)
	return object{name: uid, SOPClassUID: class, StudyInstanceUID: m.studyUID(), SOPInstanceUID: uid,
		transferSyntax: explicitLE, file: file, begin: begin, frames: max(m.frames, 1)}
}

// ct is a small slice, slice one of the usual size (526 kB).
func ct(patient, study, number int) made {
	return made{class: ctStorage, patient: patient, study: study, series: 1, number: number, rows: 32, columns: 32, bits: 16}
}

func slice(patient, study, number int) made {
	m := ct(patient, study, number)
	m.rows, m.columns = 512, 512
	return m
}

// stowed is the answer to a store request, by SOP Instance UID.
type stowed struct {
	status int
	stored map[string]bool
	failed map[string]int // Failure Reason (0008,1197)
	others int            // failures without a UID
	body   string
}

const boundary = "e2e-boundary"

// stowBody is a multipart/related body of the files.
func stowBody(files ...[]byte) io.Reader {
	parts := make([]io.Reader, 0, 3*len(files)+1)
	for _, f := range files {
		parts = append(parts, strings.NewReader("--"+boundary+"\r\nContent-Type: application/dicom\r\n\r\n"),
			bytes.NewReader(f), strings.NewReader("\r\n"))
	}
	return io.MultiReader(append(parts, strings.NewReader("--"+boundary+"--\r\n"))...)
}

var stowHeader = []string{"Content-Type", `multipart/related; type="application/dicom"; boundary=` + boundary,
	"Accept", "application/dicom+json"}

func (s *server) stow(t testing.TB, objects ...object) stowed {
	t.Helper()
	files := make([][]byte, len(objects))
	for i, o := range objects {
		files[i] = o.file
	}
	status, _, body := s.request(t, http.MethodPost, "/studies", stowBody(files...), stowHeader...)
	return parseStowed(t, status, body)
}

func parseStowed(t testing.TB, status int, body []byte) stowed {
	t.Helper()
	r := stowed{status: status, stored: map[string]bool{}, failed: map[string]int{}, body: string(body)}
	if len(body) == 0 {
		return r
	}
	var answer dicomJSON
	if err := json.Unmarshal(body, &answer); err != nil {
		return r // a problem, not a Store Instances Response
	}
	for _, item := range answer.items("00081199") {
		r.stored[item.text("00081155")] = true
	}
	for _, item := range append(answer.items("00081198"), answer.items("0008119A")...) {
		reason := 0
		_ = json.Unmarshal(item.first("00081197"), &reason)
		if uid := item.text("00081155"); uid != "" {
			r.failed[uid] = reason
		} else {
			r.others++
		}
	}
	return r
}

// dicomJSON is one data set of the DICOM JSON model (PS3.18 F), as far as these tests look.
type dicomJSON map[string]struct {
	VR    string            `json:"vr"`
	Value []json.RawMessage `json:"Value"`
}

func (d dicomJSON) first(tag string) json.RawMessage {
	if e := d[tag]; len(e.Value) > 0 {
		return e.Value[0]
	}
	return nil
}

func (d dicomJSON) text(tag string) string {
	var s string
	if json.Unmarshal(d.first(tag), &s) != nil {
		return string(d.first(tag))
	}
	return s
}

func (d dicomJSON) items(tag string) []dicomJSON {
	var out []dicomJSON
	for _, v := range d[tag].Value {
		var item dicomJSON
		if json.Unmarshal(v, &item) == nil {
			out = append(out, item)
		}
	}
	return out
}

// search runs a QIDO request and returns the matches.
func (s *server) search(t testing.TB, path string) []dicomJSON {
	t.Helper()
	status, _, body := s.get(t, path, "Accept", "application/dicom+json")
	if status == http.StatusNoContent {
		return nil
	}
	var out []dicomJSON
	if err := json.Unmarshal(body, &out); status != http.StatusOK || err != nil {
		t.Errorf("%s: status %d, %v: %s", path, status, err, tail(string(body), 300))
	}
	return out
}

// find returns an instance's resource and its match, "" when it is not there.
func (s *server) find(t testing.TB, SOPInstanceUID string) (resource string, match dicomJSON) {
	t.Helper()
	found := s.search(t, "/instances?includefield=00280008&SOPInstanceUID="+SOPInstanceUID)
	if len(found) == 0 {
		return "", nil
	}
	if len(found) > 1 {
		t.Errorf("%s is found %d times", SOPInstanceUID, len(found))
	}
	m := found[0]
	return "/studies/" + m.text("0020000D") + "/series/" + m.text("0020000E") + "/instances/" + m.text("00080018"), m
}

// part is one part of a multipart answer.
type part struct {
	header textproto.MIMEHeader
	body   []byte
}

func parts(t testing.TB, header http.Header, body []byte) []part {
	t.Helper()
	kind, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil || !strings.HasPrefix(kind, "multipart/") {
		t.Errorf("Content-Type %q is no multipart: %v", header.Get("Content-Type"), err)
		return nil
	}
	var out []part
	for r := multipart.NewReader(bytes.NewReader(body), params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Errorf("multipart: %v", err)
			return out
		}
		b, err := io.ReadAll(p)
		if err != nil {
			t.Errorf("multipart: %v", err)
		}
		out = append(out, part{p.Header, b})
	}
}

const asStored = `multipart/related; type="application/dicom"; transfer-syntax=*`

// wado fetches an instance as it is stored.
func (s *server) wado(t testing.TB, resource string) []byte {
	t.Helper()
	status, header, body := s.get(t, resource, "Accept", asStored)
	if status != http.StatusOK {
		t.Errorf("%s: status %d: %s", resource, status, tail(string(body), 300))
		return nil
	}
	if p := parts(t, header, body); len(p) == 1 {
		return p[0].body
	}
	t.Errorf("%s: not one part", resource)
	return nil
}

// same reports whether a Part 10 file has the object's data set and transfer syntax.
func (o object) same(t testing.TB, how string, file []byte) bool {
	t.Helper()
	begin := datasetOffset(file)
	if begin == 0 {
		t.Errorf("%s: %s gave no Part 10 file (%d bytes)", o.name, how, len(file))
		return false
	}
	if !bytes.Contains(file[:begin], []byte(o.transferSyntax)) {
		t.Errorf("%s: %s changed the transfer syntax", o.name, how)
	}
	return o.sameData(t, how, file[begin:])
}

func (o object) sameData(t testing.TB, how string, data []byte) bool {
	t.Helper()
	want := o.file[o.begin:]
	if bytes.Equal(data, want) {
		return true
	}
	at := 0
	for at < min(len(data), len(want)) && data[at] == want[at] {
		at++
	}
	t.Errorf("%s: %s gave %d bytes, want %d; they differ from byte %d on", o.name, how, len(data), len(want), at)
	return false
}
