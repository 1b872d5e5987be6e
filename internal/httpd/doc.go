// Package httpd is what every HTTP door shares: a server with limits that a slow or silent
// client cannot beat, media types and Accept (RFC 9110, read leniently), multipart/related in
// both directions (RFC 2387), byte ranges and entity tags, absolute URLs behind a proxy
// (RFC 7239), the guard against foreign origins, access log and metrics.
//
// It knows routes only by their pattern and nothing of medicine. Bodies go out through
// Response, which keeps io.ReaderFrom, so that files reach the socket by sendfile as long as the
// answer carries a Content-Length. Left out: routing (gin), authentication, HTTP/2.
package httpd
