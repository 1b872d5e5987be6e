package httpd

import (
	"bytes"
	"errors"
	"io"
	"net/textproto"

	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Limits of what a multipart body may ask for.
const (
	maxBoundary   = 256      // RFC 2046 allows 70; some clients use more
	maxPreamble   = 64 << 10 // bytes before the first delimiter
	maxPartHeader = 16 << 10 // bytes of one part's header
	window        = 256 << 10
)

// ErrNoBoundary says that a multipart body ended before its first delimiter.
var ErrNoBoundary = errs.Errorf(errs.Invalid, "httpd.multipart", "the boundary of the Content-Type does not occur in the body")

// ErrTruncated says that a multipart body ended inside a part.
var ErrTruncated = errs.Errorf(errs.Invalid, "httpd.multipart", "the body ends before its closing boundary")

// MultipartReader takes a multipart body apart, one part at a time, without copying it whole.
// It is not safe for concurrent use; memory is one window of 256 KiB.
//
// It differs from mime/multipart in that it scans large windows (several GB/s), has limits on
// headers and preamble, and tells a part that was cut off from one that was closed.
type MultipartReader struct {
	src   io.Reader
	delim []byte // CRLF "--" boundary
	find  searcher
	buf   []byte
	r, w  int // unread bytes are buf[r:w]
	err   error
	part  *Part
	begun bool
	ended bool
}

// NewMultipartReader reads the body that src holds.
func NewMultipartReader(src io.Reader, boundary string) (*MultipartReader, error) {
	if boundary == "" || len(boundary) > maxBoundary {
		return nil, errs.Errorf(errs.Invalid, "httpd.multipart", "no usable boundary in the Content-Type")
	}
	m := &MultipartReader{src: src, buf: make([]byte, window)}
	m.delimit([]byte("\r\n--" + boundary))
	// The first delimiter may stand at the very beginning: pretend a line ended before it.
	m.w = copy(m.buf, "\r\n")
	return m, nil
}

func (m *MultipartReader) delimit(by []byte) {
	m.delim = by
	m.find.init(by)
}

// Part is one body part: its header and, by Read, its content. It is valid until the next call
// of MultipartReader.Next.
type Part struct {
	Header textproto.MIMEHeader
	m      *MultipartReader
	safe   int // bytes from m.r on that are known to belong to the part
	done   bool
	err    error
}

// Next skips what is left of the current part and returns the next one, io.EOF after the last.
func (m *MultipartReader) Next() (*Part, error) {
	if m.ended {
		return nil, io.EOF
	}
	if !m.begun {
		if err := m.skipPreamble(); err != nil {
			return nil, err
		}
		m.begun = true
	} else if err := m.part.skip(); err != nil {
		return nil, err
	}
	// buf[r:] is behind a delimiter: "--" closes, white space and a line end open a part.
	if err := m.need(2); err != nil {
		return nil, m.truncated(err)
	}
	if m.buf[m.r] == '-' && m.buf[m.r+1] == '-' {
		m.ended = true
		return nil, io.EOF
	}
	header, err := m.header()
	if err != nil {
		return nil, err
	}
	m.part = &Part{Header: header, m: m}
	return m.part, nil
}

// fill reads more behind buf[w], making room first. It returns the source's error only when
// nothing came.
func (m *MultipartReader) fill() error {
	if m.err != nil {
		return m.err
	}
	if m.r == m.w {
		m.r, m.w = 0, 0
	} else if m.w == len(m.buf) || m.r > len(m.buf)/2 {
		m.w = copy(m.buf, m.buf[m.r:m.w])
		m.r = 0
	}
	for range 100 {
		n, err := m.src.Read(m.buf[m.w:])
		m.w += n
		if err != nil {
			m.err = err
		}
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	m.err = io.ErrNoProgress
	return m.err
}

// need makes n bytes available.
func (m *MultipartReader) need(n int) error {
	for m.w-m.r < n {
		if err := m.fill(); err != nil {
			return err
		}
	}
	return nil
}

func (m *MultipartReader) truncated(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrTruncated
	}
	return err
}

// skipPreamble moves behind the first delimiter.
func (m *MultipartReader) skipPreamble() error {
	for skipped := 0; ; {
		if i := bytes.Index(m.buf[m.r:m.w], m.delim); i >= 0 {
			m.r += i + len(m.delim)
			return nil
		}
		// Peers that end lines with LF only: the delimiter may follow a bare LF.
		if i := bytes.Index(m.buf[m.r:m.w], m.delim[1:]); i >= 0 {
			m.r += i + len(m.delim) - 1
			m.delimit(m.delim[1:])
			return nil
		}
		if drop := m.w - m.r - len(m.delim); drop > 0 {
			m.r += drop
			if skipped += drop; skipped > maxPreamble {
				return ErrNoBoundary
			}
		}
		if err := m.fill(); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return ErrNoBoundary
			}
			return err
		}
	}
}

// header reads the rest of the delimiter's line and the header lines up to the empty one.
func (m *MultipartReader) header() (textproto.MIMEHeader, error) {
	out := make(textproto.MIMEHeader, 2)
	total := 0
	for first := true; ; first = false {
		line, err := m.line(maxPartHeader - total)
		if err != nil {
			return nil, err
		}
		total += len(line) + 2
		if first {
			if len(bytes.TrimSpace(line)) != 0 { // RFC 2046: only transport padding
				return nil, errs.Errorf(errs.Invalid, "httpd.multipart", "text behind a boundary")
			}
			if m.part == nil && m.delim[0] == '\r' && m.bareLF() {
				m.delimit(m.delim[1:]) // a peer that ends lines with LF only does so throughout
			}
			continue
		}
		if len(line) == 0 {
			return out, nil
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if ok {
			key := textproto.CanonicalMIMEHeaderKey(string(bytes.TrimSpace(name)))
			out[key] = append(out[key], string(bytes.TrimSpace(value)))
		}
	}
}

// line returns the next line without its end; it is valid until the next read.
func (m *MultipartReader) line(limit int) ([]byte, error) {
	for scanned := 0; ; {
		if i := bytes.IndexByte(m.buf[m.r+scanned:m.w], '\n'); i >= 0 {
			line := m.buf[m.r : m.r+scanned+i]
			m.r += scanned + i + 1
			return bytes.TrimSuffix(line, []byte("\r")), nil
		}
		if scanned = m.w - m.r; scanned > limit {
			return nil, errs.Errorf(errs.Invalid, "httpd.multipart", "a part's header is too long")
		}
		if err := m.fill(); err != nil {
			return nil, m.truncated(err)
		}
	}
}

// bareLF reports whether the line just taken ended without CR.
func (m *MultipartReader) bareLF() bool { return m.r < 2 || m.buf[m.r-2] != '\r' }

// advance makes part content available in buf[r:r+safe], or ends the part.
func (p *Part) advance() error {
	if p.err != nil {
		return p.err
	}
	m := p.m
	for {
		if i := m.find.index(m.buf[m.r:m.w]); i >= 0 {
			// A longer boundary that begins like ours is content: look at what follows.
			if m.w-m.r < i+len(m.delim)+2 && i > 0 {
				p.safe = i // makes room in the window; the delimiter is found again at its front
				return nil
			}
			if err := m.need(i + len(m.delim) + 2); err != nil {
				p.err = m.truncated(err)
				return p.err
			}
			if !delimiterEnds(m.buf[m.r+i+len(m.delim) : m.w]) {
				p.safe = i + len(m.delim)
				return nil
			}
			if i > 0 {
				p.safe, p.done = i, true
				return nil
			}
			m.r += len(m.delim)
			p.err = io.EOF
			return io.EOF
		}
		if have := m.w - m.r; have > len(m.delim) {
			p.safe = have - len(m.delim) // the tail may be the beginning of a delimiter
			return nil
		}
		if err := m.fill(); err != nil {
			p.err = m.truncated(err)
			return p.err
		}
	}
}

// delimiterEnds tells a delimiter from content that begins like one, by the two bytes behind.
func delimiterEnds(b []byte) bool {
	switch b[0] {
	case '\r', '\n', ' ', '\t':
		return true
	case '-':
		return b[1] == '-'
	}
	return false
}

// Read reads the part's content. ErrTruncated: the body ended before the part did.
func (p *Part) Read(dst []byte) (int, error) {
	if len(dst) == 0 {
		return 0, nil
	}
	if err := p.more(); err != nil {
		return 0, err
	}
	n := copy(dst, p.m.buf[p.m.r:p.m.r+p.safe])
	p.take(n)
	return n, nil
}

// more makes content available (safe > 0) or returns the part's end or error.
func (p *Part) more() error {
	if p.safe > 0 {
		return nil
	}
	if p.done {
		p.m.r += len(p.m.delim)
		p.done, p.err = false, io.EOF
		return io.EOF
	}
	return p.advance()
}

func (p *Part) take(n int) {
	p.m.r += n
	p.safe -= n
}

// WriteTo writes the rest of the part to w straight from the reader's window.
func (p *Part) WriteTo(w io.Writer) (n int64, err error) {
	for {
		if err := p.more(); err != nil {
			if err == io.EOF {
				return n, nil
			}
			return n, err
		}
		k, err := w.Write(p.m.buf[p.m.r : p.m.r+p.safe])
		n += int64(k)
		p.take(k)
		if err != nil {
			return n, err
		}
	}
}

// skip drops what is left of the part.
func (p *Part) skip() error {
	for {
		if err := p.more(); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
		p.take(p.safe)
	}
}
