package dicomweb

import (
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/dicomjson"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// result is what became of one part. Strings that instances share are shared, so that a request
// of 100,000 parts costs about 10 MB.
type result struct {
	index.Ref
	class  string
	kind   errs.Kind
	stored bool
}

// results collects them in the order of the parts. Safe for concurrent use.
type results struct {
	mu   sync.Mutex
	list []result
	uids map[string]string // study, series and class UIDs, interned
}

func newResults() *results { return &results{uids: map[string]string{}} }

func (r *results) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.list)
}

// reserve makes room for the next part.
func (r *results) reserve() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, result{})
	return len(r.list) - 1
}

func (r *results) set(slot int, stored archive.Stored, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := result{Ref: stored.Ref, class: r.intern(stored.SOPClassUID), stored: err == nil}
	out.StudyInstanceUID = r.intern(stored.StudyInstanceUID)
	out.SeriesInstanceUID = r.intern(stored.SeriesInstanceUID)
	if err != nil {
		out.kind = errs.KindOf(err)
	}
	r.list[slot] = out
}

func (r *results) intern(uid string) string {
	if have, ok := r.uids[uid]; ok {
		return have
	}
	if len(r.uids) < 1000 {
		r.uids[uid] = uid
	}
	return uid
}

// broken notes that the body ended with an error between two parts.
func (r *results) broken(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, result{kind: errs.KindOf(err)})
}

// none reports whether nothing was stored.
func (r *results) none() bool {
	return !slices.ContainsFunc(r.list, func(one result) bool { return one.stored })
}

// status of the whole answer: 200 all stored, 202 some, else what the failures have in common
// (PS3.18 Table 10.5.3-1), 409 when that is nothing.
func (r *results) status() int {
	var stored, failed int
	common := 0
	for _, one := range r.list {
		if one.stored {
			stored++
			continue
		}
		st := statuses[one.kind].stow
		if failed++; failed > 1 && st != common {
			st = http.StatusConflict
		}
		common = st
	}
	switch {
	case failed == 0:
		return http.StatusOK
	case stored > 0:
		return http.StatusAccepted
	}
	return common
}

// study returns the study all stored instances belong to, "" when there is more than one.
func (r *results) study() string {
	study := ""
	for _, one := range r.list {
		switch {
		case !one.stored || one.StudyInstanceUID == study:
		case study != "":
			return ""
		default:
			study = one.StudyInstanceUID
		}
	}
	return study
}

// answer sends the Store Instances Response (PS3.18 I.2, as JSON or XML).
func (s *Service) answer(t *transaction) {
	root := s.root(t.c)
	var w responseWriter = &jsonResponse{}
	contentType := mediaJSON
	if prefersXML(t.c.Request) {
		w, contentType = &xmlResponse{}, mediaXML
	}
	out := newText(t.c, contentType)
	defer out.free()
	out.status = t.res.status()
	if out.status == http.StatusServiceUnavailable {
		t.c.Header("Retry-After", "5")
	}
	out.buf = w.open(out.buf)
	if study := t.res.study(); study != "" {
		out.buf = w.element(out.buf, text1(tag.RetrieveURL, vr.UR, string(appendURL(nil, root, index.Ref{StudyInstanceUID: study}))))
	}
	for _, list := range []struct {
		tag  tag.Tag
		want func(result) bool
	}{
		{tag.FailedSOPSequence, func(r result) bool { return !r.stored && r.SOPInstanceUID != "" }},
		{tag.ReferencedSOPSequence, func(r result) bool { return r.stored }},
		{tag.OtherFailuresSequence, func(r result) bool { return !r.stored && r.SOPInstanceUID == "" }},
	} {
		items := 0
		for _, one := range t.res.list {
			if !list.want(one) {
				continue
			}
			if items++; items == 1 {
				out.buf = w.openSequence(out.buf, list.tag)
			}
			out.buf = w.item(out.buf, items, one.elements(root))
			if err := out.spill(); err != nil {
				s.cut(t.c, err)
			}
		}
		if items > 0 {
			out.buf = w.closeSequence(out.buf)
		}
	}
	out.buf = w.close(out.buf)
	s.cut(t.c, out.end())
}

func text1(t tag.Tag, v vr.VR, s string) dicom.Element {
	return dicom.Element{Tag: t, VR: v, Value: []byte(s)}
}

// elements of one item of the response (PS3.18 Tables I.2-1 and I.2-3).
func (r result) elements(root string) []dicom.Element {
	var out []dicom.Element
	if r.SOPInstanceUID != "" {
		out = append(out, text1(tag.ReferencedSOPClassUID, vr.UI, r.class),
			text1(tag.ReferencedSOPInstanceUID, vr.UI, r.SOPInstanceUID))
	}
	if r.stored {
		return append(out, text1(tag.RetrieveURL, vr.UR, string(appendURL(nil, root, r.Ref))))
	}
	reason := statuses[r.kind].reason
	return append(out, dicom.Element{Tag: tag.FailureReason, VR: vr.US, Value: []byte{byte(reason), byte(reason >> 8)}})
}

// responseWriter writes the response in one of its two encodings.
type responseWriter interface {
	open(dst []byte) []byte
	element(dst []byte, e dicom.Element) []byte
	openSequence(dst []byte, t tag.Tag) []byte
	item(dst []byte, number int, elements []dicom.Element) []byte
	closeSequence(dst []byte) []byte
	close(dst []byte) []byte
}

type jsonResponse struct{ members int }

func (j *jsonResponse) open(dst []byte) []byte { return append(dst, '{') }

func (j *jsonResponse) name(dst []byte, t tag.Tag) []byte {
	if j.members++; j.members > 1 {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = t.AppendHex(dst)
	return append(dst, '"', ':')
}

func (j *jsonResponse) element(dst []byte, e dicom.Element) []byte {
	return dicomjson.AppendElement(j.name(dst, e.Tag), &dicom.Dataset{}, &e, dicomjson.Options{})
}

func (j *jsonResponse) openSequence(dst []byte, t tag.Tag) []byte {
	return append(j.name(dst, t), `{"vr":"SQ","Value":[`...)
}

func (j *jsonResponse) item(dst []byte, number int, elements []dicom.Element) []byte {
	if number > 1 {
		dst = append(dst, ',')
	}
	return dicomjson.Append(dst, &dicom.Dataset{Elements: elements}, dicomjson.Options{})
}

func (j *jsonResponse) closeSequence(dst []byte) []byte { return append(dst, `]}`...) }

func (j *jsonResponse) close(dst []byte) []byte { return append(dst, '}') }

// xmlResponse writes the Native DICOM Model (PS3.19 A.1) of the few attributes a response has.
type xmlResponse struct{}

func (xmlResponse) open(dst []byte) []byte {
	return append(dst, `<?xml version="1.0" encoding="UTF-8"?><NativeDicomModel xml:space="preserve">`...)
}

func (xmlResponse) attribute(dst []byte, t tag.Tag, v vr.VR) []byte {
	info, _ := tag.Lookup(t)
	dst = append(dst, `<DicomAttribute tag="`...)
	dst = t.AppendHex(dst)
	dst = append(append(dst, `" vr="`...), v.String()...)
	dst = append(append(dst, `" keyword="`...), info.Keyword...)
	return append(dst, `">`...)
}

func (x xmlResponse) element(dst []byte, e dicom.Element) []byte {
	dst = append(x.attribute(dst, e.Tag, e.VR), `<Value number="1">`...)
	if e.VR == vr.US {
		dst = strconv.AppendUint(dst, uint64(e.Value[0])|uint64(e.Value[1])<<8, 10)
	} else {
		dst = appendXMLText(dst, e.Value)
	}
	return append(dst, `</Value></DicomAttribute>`...)
}

func (x xmlResponse) openSequence(dst []byte, t tag.Tag) []byte { return x.attribute(dst, t, vr.SQ) }

func (x xmlResponse) item(dst []byte, number int, elements []dicom.Element) []byte {
	dst = append(dst, `<Item number="`...)
	dst = append(strconv.AppendInt(dst, int64(number), 10), `">`...)
	for _, e := range elements {
		dst = x.element(dst, e)
	}
	return append(dst, `</Item>`...)
}

func (xmlResponse) closeSequence(dst []byte) []byte { return append(dst, `</DicomAttribute>`...) }

func (xmlResponse) close(dst []byte) []byte { return append(dst, `</NativeDicomModel>`...) }

// appendXMLText leaves out what XML cannot hold: UIDs as received may be anything.
func appendXMLText(dst, text []byte) []byte {
	for _, c := range text {
		switch {
		case c == '<':
			dst = append(dst, "&lt;"...)
		case c == '>':
			dst = append(dst, "&gt;"...)
		case c == '&':
			dst = append(dst, "&amp;"...)
		case c >= ' ' && c < 0x7f:
			dst = append(dst, c)
		}
	}
	return dst
}
