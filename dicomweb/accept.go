package dicomweb

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/internal/httpd"
)

// The media types of PS3.18 8.7.3.
const (
	mediaDICOM     = "application/dicom"
	mediaJSON      = "application/dicom+json"
	mediaXML       = "application/dicom+xml"
	mediaOctets    = "application/octet-stream"
	mediaMultipart = "multipart/related"
)

// acceptsJSON returns the media type under which DICOM JSON will do for a resource that has
// nothing else; false: it will not. Viewers send the Accept of their pixel requests with
// searches and metadata too (OHIF); asking for multipart that is not XML is therefore no reason
// to refuse. Who asks for plain JSON, or is a browser that would save anything else to a file,
// gets the same bytes as application/json.
func acceptsJSON(r *http.Request) (mediaType string, ok bool) {
	if v := r.Header["Accept"]; (len(v) == 0 || len(v) == 1 && v[0] == mediaJSON) && r.URL.RawQuery == "" {
		return mediaJSON, true
	}
	plain := false
	for _, m := range httpd.Accept(r) {
		switch {
		case m.Type == "text/html":
			plain = true
		case m.Type == "application/json", m.Type == "text/json":
			return "application/json", true
		case m.Matches(mediaJSON):
			if plain && m.Type != mediaJSON {
				return "application/json", true
			}
			return mediaJSON, true
		case m.Type == mediaMultipart || m.Type == "multipart/*":
			if inner := strings.ToLower(m.Param("type")); inner != mediaXML && inner != "application/xml" {
				return mediaJSON, true
			}
		}
	}
	return "", false
}

// prefersXML reports whether XML is asked for before JSON: the answer of a store has both.
func prefersXML(r *http.Request) bool {
	for _, m := range httpd.Accept(r) {
		switch {
		case m.Type == mediaXML, m.Type == "application/xml", m.Type == "text/xml",
			m.Type == mediaMultipart && strings.EqualFold(m.Param("type"), mediaXML):
			return true
		case m.Matches(mediaJSON), m.Type == "application/json":
			return false
		}
	}
	return false
}

// want is one media range, as far as it says how pixel data or objects shall come.
type want struct {
	multipart bool
	media     string // of the parts or of the single body; may be a range
	syntax    string // transfer syntax UID; "" when none was named, "*" for as stored
	q         float32
}

// wants reads Accept. Ranges that name neither parts nor a single body leave the form open and
// get multipart, the default of PS3.18 8.7.4.
func wants(r *http.Request) []want {
	ranges := httpd.Accept(r)
	out := make([]want, 0, len(ranges))
	for _, m := range ranges {
		w := want{syntax: strings.TrimSpace(m.Param("transfer-syntax")), q: m.Q}
		switch {
		case m.Type == mediaMultipart || m.Type == "multipart/*":
			w.multipart = true
			w.media = strings.ToLower(m.Param("type"))
			// Unquoted, with parameters of its own: type=image/jpeg;transfer-syntax=...
			if w.media == "" || w.media == "*" {
				w.media = "*/*"
			}
			// Names of the DICOMweb drafts, still sent: image/dicom+jpeg.
			w.media = strings.Replace(w.media, "image/dicom+", "image/", 1)
		case m.Type == "*/*":
			w.multipart, w.media = true, "*/*"
		default:
			w.media = m.Type
		}
		out = append(out, w)
	}
	return out
}

// asStored reports whether w leaves the transfer syntax to us.
func (w want) asStored() bool { return w.syntax == "" || w.syntax == "*" }

// takesObject reports whether w covers whole objects.
func (w want) takesObject() bool { return httpd.Covers(w.media, mediaDICOM) }

// named reports whether w asks for a transfer syntax by its name.
func (w want) named() bool { return !w.asStored() }

// offer is a form in which something can go out under a media range.
type offer struct {
	want
	syntax string // transfer syntax UID
	stored bool   // it is kept so
	lossy  bool   // made at the cost of information
}

// best picks the offer of the highest quality, of equals what is stored, then what loses nothing.
// What would have to be made goes before what is stored only when its transfer syntax was asked
// for by name: that somebody can read JPEG is no reason to compress.
func best(offers []offer) (offer, bool) {
	if slices.ContainsFunc(offers, func(o offer) bool { return o.stored }) {
		offers = slices.DeleteFunc(offers, func(o offer) bool { return !o.stored && !o.named() })
	}
	if len(offers) == 0 {
		return offer{}, false
	}
	rank := func(o offer) int {
		switch {
		case o.stored:
			return 0
		case !o.lossy:
			return 1
		}
		return 2
	}
	return slices.MinFunc(offers, func(a, b offer) int { // the first of equals
		return cmp.Or(cmp.Compare(b.q, a.q), cmp.Compare(rank(a), rank(b)))
	}), true
}

// objectOffer returns what w gets of an object stored in a transfer syntax.
func (s *Service) objectOffer(w want, stored string) (offer, bool) {
	if w.asStored() || w.syntax == stored {
		return offer{want: w, syntax: stored, stored: true}, true
	}
	to, known := dicom.LookupTransferSyntax(w.syntax)
	if !known {
		return offer{}, false
	}
	if _, err := archive.Deliverable(stored, []string{w.syntax}); err == nil {
		return offer{want: w, syntax: to.UID}, true
	}
	from, _ := dicom.LookupTransferSyntax(stored)
	if !s.arch.Transcodes(from, to) {
		return offer{}, false
	}
	return offer{want: w, syntax: to.UID, lossy: s.arch.Lossy(to.UID)}, true
}

// frameDefaults are the transfer syntaxes that media types mean when none is named (PS3.18
// 8.7.3.3).
var frameDefaults = map[string]dicom.TransferSyntax{
	mediaOctets:       dicom.ExplicitVRLittleEndian,
	"image/jpeg":      dicom.JPEGLosslessSV1,
	"image/jls":       dicom.JPEGLSLossless,
	"image/jp2":       dicom.JPEG2000Lossless,
	"image/jphc":      dicom.HTJ2KLossless,
	"image/jxl":       dicom.JPEGXLLossless,
	"image/dicom-rle": dicom.RLELossless,
}

// frameOffer returns what w gets of frames stored in a transfer syntax; is has the media type of
// what they are.
func (s *Service) frameOffer(w want, stored, is dicom.TransferSyntax) (offer, bool) {
	if w.takesFrames(stored) || w.takesFrames(is) {
		return offer{want: w, syntax: stored.UID, stored: true}, true
	}
	if w.syntax == "*" {
		return offer{}, false
	}
	to, known := frameDefaults[w.media]
	if w.syntax != "" {
		to, known = dicom.LookupTransferSyntax(w.syntax)
		if littleEndian(w.syntax) {
			to = dicom.ExplicitVRLittleEndian
		}
		known = known && httpd.Covers(w.media, to.MediaType)
	}
	if !known || archive.NativeFrames(to) && to.UID != dicom.ExplicitVRLittleEndian.UID || !s.arch.Transcodes(stored, to) {
		return offer{}, false
	}
	return offer{want: w, syntax: to.UID, lossy: s.arch.Lossy(to.UID)}, true
}

// takesFrames reports whether w covers frames that are kept in the transfer syntax.
func (w want) takesFrames(stored dicom.TransferSyntax) bool {
	if archive.NativeFrames(stored) {
		// Native frames are little endian octets whatever the data set around them.
		return httpd.Covers(w.media, mediaOctets) && (w.asStored() || w.syntax == stored.UID || littleEndian(w.syntax))
	}
	if w.syntax == "" && w.media == mediaOctets && stored.Video() {
		return true // OHIF's way to a video as bulk data; as it is never decoded, nothing else can be meant
	}
	if w.syntax == stored.UID || w.syntax == "*" {
		// type="application/octet-stream"; transfer-syntax=* is how OHIF asks for "as stored".
		return httpd.Covers(w.media, stored.MediaType) || w.media == mediaOctets
	}
	return w.syntax == "" && httpd.Covers(w.media, stored.MediaType) && stored.MediaType != mediaOctets
}

// littleEndian reports whether a transfer syntax has native frames in little endian.
func littleEndian(uid string) bool {
	ts, ok := dicom.LookupTransferSyntax(uid)
	if _, err := archive.Deliverable(dicom.ExplicitVRLittleEndian.UID, []string{uid}); err != nil {
		return false
	}
	return ok && !ts.BigEndian
}

// frameType returns the Content-Type of a frame.
func frameType(ts dicom.TransferSyntax) string {
	if archive.NativeFrames(ts) {
		return mediaOctets + "; transfer-syntax=" + dicom.ExplicitVRLittleEndian.UID
	}
	return ts.MediaType + "; transfer-syntax=" + ts.UID
}
