package httpd

import (
	"crypto/rand"
	"encoding/hex"
	"io"
)

// Boundary returns a fresh multipart boundary. It is random, so that no stored object can have
// been prepared to contain it.
func Boundary() string {
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand since Go 1.24)
	return hex.EncodeToString(b[:])
}

// PartHead describes the header of one part to be written.
type PartHead struct {
	ContentType string
	Location    string // Content-Location; may be empty
}

const (
	headType     = "\r\nContent-Type: "
	headLocation = "\r\nContent-Location: "
	headEnd      = "\r\n\r\n"
)

// MultipartWriter writes a multipart body whose length can be told beforehand: chunked
// encoding would cost sendfile and three to five times the CPU (shared/performance.md 2).
type MultipartWriter struct {
	w        io.Writer
	boundary string
	buf      []byte
	parts    int
}

// NewMultipartWriter writes to w.
func NewMultipartWriter(w io.Writer, boundary string) *MultipartWriter {
	return &MultipartWriter{w: w, boundary: boundary}
}

// ContentType returns the Content-Type of the whole body; root is the media type of its parts.
func (m *MultipartWriter) ContentType(root string) string {
	return `multipart/related; type="` + root + `"; boundary=` + m.boundary
}

// HeadLength returns how many bytes Begin writes for the header of part n (0-based).
func (m *MultipartWriter) HeadLength(n int, h PartHead) int64 {
	size := len("--") + len(m.boundary) + len(headType) + len(h.ContentType) + len(headEnd)
	if h.Location != "" {
		size += len(headLocation) + len(h.Location)
	}
	if n > 0 {
		size += len("\r\n")
	}
	return int64(size)
}

// TailLength returns how many bytes Close writes.
func (m *MultipartWriter) TailLength() int64 {
	return int64(len("\r\n--") + len(m.boundary) + len("--\r\n"))
}

// Begin ends the part before and writes the header of the next; its content follows on the
// writer below.
func (m *MultipartWriter) Begin(h PartHead) error {
	b := m.buf[:0]
	if m.parts > 0 {
		b = append(b, "\r\n"...)
	}
	b = append(b, "--"...)
	b = append(b, m.boundary...)
	b = append(b, headType...)
	b = append(b, h.ContentType...)
	if h.Location != "" {
		b = append(b, headLocation...)
		b = append(b, h.Location...)
	}
	b = append(b, headEnd...)
	m.buf = b
	m.parts++
	_, err := m.w.Write(b)
	return err
}

// Close writes the closing delimiter.
func (m *MultipartWriter) Close() error {
	m.buf = append(m.buf[:0], "\r\n--"...)
	m.buf = append(m.buf, m.boundary...)
	m.buf = append(m.buf, "--\r\n"...)
	_, err := m.w.Write(m.buf)
	return err
}
