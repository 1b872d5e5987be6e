package httpd

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// Problem answers with a problem document (RFC 9457). The detail must be safe for the peer.
func Problem(w http.ResponseWriter, status int, detail string) {
	body, _ := json.Marshal(struct { // strings and an int always marshal
		Status int    `json:"status"`
		Title  string `json:"title"`
		Detail string `json:"detail,omitempty"`
	}{status, http.StatusText(status), detail})
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Del("Content-Encoding")
	h.Del("Etag")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(body)
}
