package dicomweb

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/sync/errgroup"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/httpd"
)

const (
	blockSize = 256 << 10
	// aheadBytes is the size up to which a part is read ahead while those before it are
	// committed; larger ones are streamed into the archive.
	aheadBytes = 4 << 20
	// aheadParts is how many parts of one request may be on their way to the disk: one commit
	// takes longer than receiving the next slice, and commits that wait together share a sync.
	aheadParts = 4
	// storeTime bounds one part's commit after its bytes are here.
	storeTime = 5 * time.Minute
)

// store takes instances in (PS3.18 10.5): parts of any size and number, in one pass.
func (s *Service) store(c *gin.Context) {
	r := c.Request
	if v := r.Header.Get("Content-Encoding"); v != "" && !strings.EqualFold(v, "identity") {
		httpd.Problem(c.Writer, http.StatusUnsupportedMediaType, "the body must not be compressed")
		return
	}
	t := &transaction{s: s, c: c, study: c.Param("study"), res: newResults()}
	var err error
	switch m := httpd.ParseMediaType(r.Header.Get("Content-Type")); m.Type {
	case mediaDICOM:
		err = t.object(r.Body)
	case mediaMultipart:
		if inner := strings.ToLower(m.Param("type")); inner != "" && inner != mediaDICOM {
			httpd.Problem(c.Writer, http.StatusUnsupportedMediaType, "parts must be application/dicom")
			return
		}
		err = t.multipart(r.Body, m.Param("boundary"))
	default:
		httpd.Problem(c.Writer, http.StatusUnsupportedMediaType,
			`want application/dicom or multipart/related; type="application/dicom"`)
		return
	}
	t.wait()
	if err != nil {
		slow := errors.Is(err, os.ErrDeadlineExceeded)
		if slow {
			c.Header("Connection", "close")
		}
		if t.res.len() == 0 || slow && t.res.none() {
			s.fail(c, err)
			return
		}
		if !t.noted {
			t.res.broken(err)
		}
	}
	s.answer(t)
}

// transaction is one store request.
type transaction struct {
	s     *Service
	c     *gin.Context
	study string
	group errgroup.Group // of parts on their way; its functions never fail
	res   *results
	noted bool // the part in which the body broke off has its result
}

func (t *transaction) wait() { _ = t.group.Wait() }

// object stores a body that is one instance.
func (t *transaction) object(body io.Reader) error {
	src := &watched{Reader: body}
	t.put(t.res.reserve(), src)
	t.noted = src.err != nil
	return src.err
}

// watched remembers the source's own error, to tell a client that went silent from an object
// that cannot be read.
type watched struct {
	io.Reader
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

// put stores one instance and notes what became of it.
func (t *transaction) put(slot int, data io.Reader) {
	// A client that hangs up after its last byte must not undo what has arrived.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.c.Request.Context()), storeTime)
	defer cancel()
	stored, err := t.s.arch.Store(ctx, t.s.tenant, archive.Incoming{Data: data, StudyInstanceUID: t.study})
	if err != nil {
		switch kind := errs.KindOf(err); kind {
		case errs.Internal, errs.Unavailable, errs.Exhausted:
			t.s.log.Error("dicomweb store failed", "request", httpd.RequestIDOf(t.c.Writer), "err", err)
		}
	}
	t.s.metrics.count(stored, err)
	t.res.set(slot, stored, err)
}

// multipart stores the parts of a body. It returns the error that ended the body early.
func (t *transaction) multipart(body io.Reader, boundary string) error {
	body, boundary, err := t.boundary(body, boundary)
	if err != nil || body == nil {
		return err
	}
	m, err := httpd.NewMultipartReader(body, boundary)
	if err != nil {
		return err
	}
	t.group.SetLimit(aheadParts)
	for {
		part, err := m.Next()
		if errors.Is(err, io.EOF) {
			if t.res.len() == 0 {
				return errs.Errorf(errs.Invalid, "dicomweb.store", "the body has no parts")
			}
			return nil
		}
		if err != nil {
			return err
		}
		if t.res.len() >= t.s.parts {
			return errs.Errorf(errs.Invalid, "dicomweb.store", "more than %d parts in one request", t.s.parts)
		}
		slot := t.res.reserve()
		if kind := httpd.ParseMediaType(part.Header.Get("Content-Type")).Type; !storable(kind) {
			t.res.set(slot, archive.Stored{}, errs.Errorf(errs.Unsupported, "dicomweb.store", "a part is not application/dicom"))
			continue
		}
		if err := t.part(slot, part); err != nil {
			return err
		}
	}
}

// storable media types of a part; some clients name none, or the general one.
func storable(mediaType string) bool {
	return mediaType == "" || mediaType == mediaDICOM || mediaType == mediaOctets
}

// boundary finds the boundary when the Content-Type names none. A body that is a Part 10 object
// itself is stored as such, and a nil body returned: the documented
// curl -H "Content-Type: multipart/related; type=application/dicom" --data-binary @study.dcm
// must work. Else the first line has to be the delimiter.
func (t *transaction) boundary(body io.Reader, named string) (io.Reader, string, error) {
	if named != "" {
		return body, named, nil
	}
	const preamble = 128
	head := make([]byte, 512)
	n, err := io.ReadFull(body, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, "", err
	}
	head = head[:n]
	whole := io.MultiReader(bytes.NewReader(head), body)
	if n >= preamble+4 && string(head[preamble:preamble+4]) == "DICM" {
		return nil, "", t.object(whole)
	}
	line, _, _ := bytes.Cut(head, []byte("\n"))
	if line, ok := bytes.CutPrefix(bytes.TrimRight(line, "\r \t"), []byte("--")); ok && len(line) > 0 && len(line) < 256 {
		return whole, string(line), nil
	}
	return nil, "", errs.Errorf(errs.Invalid, "dicomweb.store", "the Content-Type names no boundary, and the body is no DICOM file")
}

// part stores one part: read ahead and committed behind our back when it is small, else
// streamed. An error is the body's.
func (t *transaction) part(slot int, part *httpd.Part) error {
	b := &blocks{s: t.s}
	complete, err := b.fill(part)
	if err != nil {
		b.free()
		t.res.set(slot, archive.Stored{}, err)
		t.noted = true
		return err
	}
	if complete {
		t.group.Go(func() error {
			defer b.free()
			t.put(slot, b)
			return nil
		})
		return nil
	}
	src := &watched{Reader: part}
	t.put(slot, io.MultiReader(b, src))
	b.free()
	t.noted = src.err != nil
	return src.err
}

// blocks holds a part in pooled memory that is bounded over all requests.
type blocks struct {
	s    *Service
	list []*[blockSize]byte
	size int // bytes held
	at   int // bytes given back
}

// fill reads the part until it ends (true), is too large, or memory is short (false).
func (b *blocks) fill(part io.Reader) (complete bool, err error) {
	for len(b.list)*blockSize < aheadBytes {
		if b.s.storing.Add(blockSize) > b.s.memory {
			b.s.storing.Add(-blockSize)
			return false, nil
		}
		block := b.s.blocks.Get().(*[blockSize]byte)
		b.list = append(b.list, block)
		n, err := io.ReadFull(part, block[:])
		b.size += n
		if errors.Is(err, io.EOF) || err == io.ErrUnexpectedEOF {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// Read implements io.Reader.
func (b *blocks) Read(p []byte) (int, error) {
	if b.at == b.size {
		return 0, io.EOF
	}
	block := b.list[b.at/blockSize]
	from := b.at % blockSize
	n := copy(p, block[from:min(blockSize, from+b.size-b.at)])
	b.at += n
	return n, nil
}

func (b *blocks) free() {
	for _, block := range b.list {
		b.s.blocks.Put(block)
	}
	b.s.storing.Add(-int64(len(b.list)) * blockSize)
	b.list, b.size, b.at = nil, 0, 0
}
