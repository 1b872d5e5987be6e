package httpd

import (
	"net/http"
	"strconv"
	"strings"
)

// NotModified reports whether the request's If-None-Match names the entity tag (weak
// comparison, RFC 9110 13.1.2).
func NotModified(r *http.Request, etag string) bool {
	values := r.Header["If-None-Match"]
	if len(values) == 0 || etag == "" {
		return false
	}
	return matchesTag(values, etag)
}

func matchesTag(values []string, etag string) bool {
	want := strings.TrimPrefix(etag, "W/")
	for _, list := range values {
		for list != "" {
			var tag string
			tag, list = cutUnquoted(list, ',')
			tag = strings.TrimSpace(tag)
			if tag == "*" || strings.TrimPrefix(tag, "W/") == want {
				return true
			}
		}
	}
	return false
}

// RangeResult is what a Range header asks for.
type RangeResult uint8

// The results of Range.
const (
	WholeBody     RangeResult = iota // no range, or one that is answered with the whole body
	PartialBody                      // 206
	UnsatisfiedBy                    // 416
)

// Range reads a Range header against a body of the given size. Several ranges, other units and
// what cannot be parsed are answered with the whole body, as RFC 9110 14.2 allows; so is a
// range whose If-Range names another entity tag.
func Range(r *http.Request, size int64, etag string) (off, n int64, _ RangeResult) {
	header := r.Header.Get("Range")
	if header == "" || size < 0 || r.Method != http.MethodGet {
		return 0, size, WholeBody
	}
	if cond := r.Header.Get("If-Range"); cond != "" && (cond != etag || strings.HasPrefix(cond, "W/")) {
		return 0, size, WholeBody
	}
	spec, ok := strings.CutPrefix(header, "bytes=")
	if !ok || strings.Contains(spec, ",") {
		return 0, size, WholeBody
	}
	first, last, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok {
		return 0, size, WholeBody
	}
	if first == "" { // the last n bytes
		n, err := strconv.ParseInt(last, 10, 64)
		switch {
		case err != nil || n < 0:
			return 0, size, WholeBody
		case n == 0 || size == 0:
			return 0, 0, UnsatisfiedBy
		}
		n = min(n, size)
		return size - n, n, PartialBody
	}
	off, err := strconv.ParseInt(first, 10, 64)
	if err != nil || off < 0 {
		return 0, size, WholeBody
	}
	if off >= size {
		return 0, 0, UnsatisfiedBy
	}
	end := size - 1
	if last != "" {
		v, err := strconv.ParseInt(last, 10, 64)
		if err != nil || v < off {
			return 0, size, WholeBody
		}
		end = min(end, v)
	}
	return off, end - off + 1, PartialBody
}

// ContentRange returns the Content-Range of a 206 answer.
func ContentRange(off, n, size int64) string {
	b := make([]byte, 0, 48)
	b = append(b, "bytes "...)
	b = strconv.AppendInt(b, off, 10)
	b = append(b, '-')
	b = strconv.AppendInt(b, off+n-1, 10)
	b = append(b, '/')
	b = strconv.AppendInt(b, size, 10)
	return string(b)
}
