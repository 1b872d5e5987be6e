package dicomweb

import (
	"net/http"
	"strings"

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
}

// wants reads Accept. Ranges that name neither parts nor a single body leave the form open and
// get multipart, the default of PS3.18 8.7.4.
func wants(r *http.Request) []want {
	ranges := httpd.Accept(r)
	out := make([]want, 0, len(ranges))
	for _, m := range ranges {
		w := want{syntax: strings.TrimSpace(m.Param("transfer-syntax"))}
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

// objectSyntax returns the transfer syntax in which an object stored as stored goes out under
// w. False: w cannot be had.
func (w want) objectSyntax(stored dicom.TransferSyntax) (uid string, ok bool) {
	if w.asStored() || w.syntax == stored.UID {
		return stored.UID, true
	}
	to, known := dicom.LookupTransferSyntax(w.syntax)
	return to.UID, known && convertible(stored) && convertible(to)
}

// convertible syntaxes differ only in how the data set is written (PS3.5 A.1-A.3, A.5).
func convertible(ts dicom.TransferSyntax) bool {
	switch ts.UID {
	case dicom.ImplicitVRLittleEndian.UID, dicom.ExplicitVRLittleEndian.UID,
		dicom.DeflatedExplicitVRLittleEndian.UID, dicom.ExplicitVRBigEndian.UID:
		return true
	}
	return false
}

// takesFrames reports whether w covers frames that are kept in the transfer syntax.
func (w want) takesFrames(stored dicom.TransferSyntax) bool {
	if nativeFrames(stored) {
		// Native frames are little endian octets whatever the data set around them.
		return httpd.Covers(w.media, mediaOctets) && (w.asStored() || w.syntax == stored.UID || littleEndian(w.syntax))
	}
	if w.syntax == stored.UID || w.syntax == "*" {
		// type="application/octet-stream"; transfer-syntax=* is how OHIF asks for "as stored".
		return httpd.Covers(w.media, stored.MediaType) || w.media == mediaOctets
	}
	return w.syntax == "" && httpd.Covers(w.media, stored.MediaType) && stored.MediaType != mediaOctets
}

// nativeFrames reports whether frames are plain samples.
func nativeFrames(ts dicom.TransferSyntax) bool {
	return !ts.Encapsulated || ts.UID == dicom.EncapsulatedUncompressed.UID
}

func littleEndian(uid string) bool {
	ts, ok := dicom.LookupTransferSyntax(uid)
	return ok && convertible(ts) && !ts.BigEndian
}

// frameType returns the Content-Type of a frame.
func frameType(ts dicom.TransferSyntax) string {
	if nativeFrames(ts) {
		return mediaOctets + "; transfer-syntax=" + dicom.ExplicitVRLittleEndian.UID
	}
	return ts.MediaType + "; transfer-syntax=" + ts.UID
}
