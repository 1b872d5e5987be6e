package httpd

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// MediaType is a media type or, in an Accept header, a media range with its parameters.
type MediaType struct {
	Type   string // lower case, "multipart/related"; "*/*" matches all
	Params []Param
	Q      float32 // quality; 1 when not given
}

// Param is one parameter of a media type. Names are lower case, values as sent, unquoted.
type Param struct{ Name, Value string }

// Param returns the value of the named parameter, "" when it is absent.
func (m MediaType) Param(name string) string {
	for _, p := range m.Params {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// Matches reports whether the range covers the media type ("image/*" covers "image/jpeg").
func (m MediaType) Matches(mediaType string) bool { return Covers(m.Type, mediaType) }

// Covers reports whether a media range without parameters covers the media type. Case does not
// matter (RFC 9110 8.3.1): video/H265 is spelled so, and what Accept read is lower case.
func Covers(mediaRange, mediaType string) bool {
	if strings.EqualFold(mediaRange, mediaType) || mediaRange == "*/*" || mediaRange == "*" {
		return true
	}
	major, minor, ok := strings.Cut(mediaRange, "/")
	return ok && minor == "*" && len(mediaType) > len(major) &&
		mediaType[len(major)] == '/' && strings.HasPrefix(mediaType, major)
}

// maxRanges bounds how many media ranges of one Accept are looked at: viewers send a dozen.
const maxRanges = 64

// Accept returns the media ranges a request accepts, best first, in the order sent where the
// quality is equal. The query parameter "accept" goes before the header (PS3.18 8.3.3.1: it is
// for user agents that cannot set headers). Nothing sent accepts everything.
func Accept(r *http.Request) []MediaType {
	var out []MediaType
	if strings.Contains(r.URL.RawQuery, "accept=") {
		for _, v := range r.URL.Query()["accept"] {
			// An unescaped "+" arrives as a blank: application/dicom+json.
			out = appendRanges(out, strings.ReplaceAll(v, "dicom ", "dicom+"))
		}
	}
	if len(out) == 0 {
		for _, v := range r.Header["Accept"] {
			out = appendRanges(out, v)
		}
	}
	if len(out) == 0 {
		return []MediaType{{Type: "*/*", Q: 1}}
	}
	slices.SortStableFunc(out, func(a, b MediaType) int {
		switch {
		case a.Q > b.Q:
			return -1
		case a.Q < b.Q:
			return 1
		}
		return 0
	})
	for len(out) > 0 && out[len(out)-1].Q <= 0 { // q=0: not acceptable
		out = out[:len(out)-1]
	}
	return out
}

func appendRanges(out []MediaType, header string) []MediaType {
	for header != "" && len(out) < maxRanges {
		var item string
		item, header = cutUnquoted(header, ',')
		if m := ParseMediaType(item); m.Type != "" {
			out = append(out, m)
		}
	}
	return out
}

// ParseMediaType reads a media type with its parameters. It is lenient as peers need it to be:
// unquoted values that should be quoted (type=application/dicom), missing or doubled
// semicolons, any case. Type is "" when there is none.
func ParseMediaType(s string) MediaType {
	m := MediaType{Q: 1}
	item, rest := cutUnquoted(s, ';')
	m.Type = strings.ToLower(strings.TrimSpace(item))
	if m.Type == "*" {
		m.Type = "*/*" // java.net.HttpURLConnection sends "*"
	}
	for rest != "" {
		item, rest = cutUnquoted(rest, ';')
		name, value, _ := strings.Cut(item, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		value = unquote(strings.TrimSpace(value))
		switch name {
		case "":
		case "q":
			if q, err := strconv.ParseFloat(value, 32); err == nil && q >= 0 && q <= 1 {
				m.Q = float32(q)
			}
		default:
			m.Params = append(m.Params, Param{name, value})
		}
	}
	return m
}

// cutUnquoted cuts s at the first sep outside double quotes. A quote that is never closed does
// not hide what follows it.
func cutUnquoted(s string, sep byte) (before, after string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' && (quoted || strings.IndexByte(s[i+1:], '"') >= 0):
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == sep && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

func unquote(s string) string {
	s = strings.TrimPrefix(s, `"`)
	s = strings.TrimSuffix(s, `"`)
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
