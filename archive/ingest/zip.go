package ingest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zip"

	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Limits bound what a zip may cost; the zero value means the defaults.
type Limits struct {
	Ratio     int64 // a zip, with the zips in it, may inflate to Ratio times its size; default 250
	Slack     int64 // plus this; default 1 GiB
	Directory int64 // bytes of one central directory, which is read into memory; default 64 MiB
}

func (l Limits) withDefaults() Limits {
	if l.Ratio <= 0 {
		l.Ratio = 250
	}
	if l.Slack <= 0 {
		l.Slack = 1 << 30
	}
	if l.Directory <= 0 {
		l.Directory = 64 << 20
	}
	return l
}

// Zip walks a zip in r: stored, deflated and zip64 members, and the members of zips in it (one
// level). Members are inflated as they are read, never to memory; only a zip that is itself
// deflated goes through a temporary file, because a zip is read from its end. R must stay
// readable until Run returns.
func Zip(lim Limits, name string, r io.ReaderAt, size int64, modified time.Time) Source {
	return func(yield func(Item) bool) {
		newZipWalk(lim.withDefaults(), yield, size).walk(name, r, size, modified, nil)
	}
}

// Stream takes one object or one zip from a stream that can be read once. A zip goes through a
// temporary file.
func Stream(lim Limits, name string, r io.Reader) Source {
	return func(yield func(Item) bool) {
		var head [4]byte
		n, err := io.ReadFull(r, head[:])
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			yield(Item{Path: name, Err: problem(err)})
			return
		}
		whole := io.MultiReader(bytes.NewReader(head[:n]), r)
		if !zipped(head[:n]) {
			yield(Item{Path: name, Size: -1, open: once(whole)})
			return
		}
		f, size, err := spool(whole)
		if err != nil {
			yield(Item{Path: name, Err: problem(err)})
			return
		}
		hold := newHold(f)
		defer hold.release()
		newZipWalk(lim.withDefaults(), yield, size).walk(name, f, size, time.Time{}, hold)
	}
}

// once opens a stream that cannot be opened a second time.
func once(r io.Reader) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		if r == nil {
			return nil, errs.Errorf(errs.Internal, "ingest.read", "the stream cannot be read again")
		}
		opened := io.NopCloser(r)
		r = nil
		return opened, nil
	}
}

// spool copies r to a temporary file that has no name.
func spool(r io.Reader) (*os.File, int64, error) {
	f, err := os.CreateTemp("", "aurelius-import-*")
	if err != nil {
		return nil, 0, err
	}
	size, err := io.Copy(f, r)
	if err = errors.Join(err, os.Remove(f.Name())); err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, size, nil
}

// zipWalk walks one zip and the zips in it, which share what they may inflate to.
type zipWalk struct {
	lim   Limits
	yield func(Item) bool
	left  *atomic.Int64
	inner bool
}

func newZipWalk(lim Limits, yield func(Item) bool, size int64) *zipWalk {
	z := &zipWalk{lim: lim, yield: yield, left: new(atomic.Int64)}
	z.left.Store(lim.Slack + min(size, 1<<50)*min(lim.Ratio, 1<<12))
	return z
}

func (z *zipWalk) walk(name string, r io.ReaderAt, size int64, modified time.Time, h *hold) bool {
	// While the directory is read, what is read is limited, and with it what it can take of memory.
	directory := &limitedAt{r: r, left: z.lim.Directory}
	archive, err := zip.NewReader(directory, size)
	if err != nil {
		return z.yield(Item{Path: name, Size: size, Err: zipProblem(err)})
	}
	directory.left = -1
	for _, f := range archive.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		label := name + "!" + f.Name
		member := Item{
			Path: label, Size: int64(min(f.UncompressedSize64, 1<<62)), Cost: int64(min(f.CompressedSize64, 1<<62)), ModTime: modified,
			open: func() (io.ReadCloser, error) { return z.open(f) }, checked: true,
		}
		switch {
		case f.Flags&1 != 0:
			member.Err = errs.Errorf(errs.Unsupported, "ingest.zip", "encrypted")
		case member.Size > z.left.Load():
			member.Err = errInflates
		case isZip(f.Name) && !z.inner:
			if !z.nested(member, f, r, h) {
				return false
			}
			continue
		}
		if h != nil {
			h.take()
			member.release = h.release
		}
		if !z.yield(member) {
			return false
		}
	}
	return true
}

// nested walks a zip in a zip: in its place where it is stored as it is, else from a temporary
// file.
func (z *zipWalk) nested(i Item, f *zip.File, r io.ReaderAt, h *hold) bool {
	in := *z
	in.inner = true
	if f.Method == zip.Store {
		at, err := f.DataOffset()
		if err != nil {
			return z.yield(Item{Path: i.Path, Err: zipProblem(err)})
		}
		return in.walk(i.Path, io.NewSectionReader(r, at, i.Cost), i.Cost, i.ModTime, h)
	}
	src, err := z.open(f)
	if err != nil {
		return z.yield(Item{Path: i.Path, Err: err})
	}
	defer src.Close()
	file, size, err := spool(src)
	if err != nil {
		return z.yield(Item{Path: i.Path, Err: problem(err)})
	}
	hold := newHold(file)
	defer hold.release()
	return in.walk(i.Path, file, size, i.ModTime, hold)
}

func (z *zipWalk) open(f *zip.File) (io.ReadCloser, error) {
	r, err := f.Open()
	if err != nil {
		return nil, zipProblem(err)
	}
	return &member{ReadCloser: r, left: z.left}, nil
}

// member reads a member against what its zip may still inflate to.
type member struct {
	io.ReadCloser
	left *atomic.Int64
}

var errInflates = errs.Errorf(errs.Invalid, "ingest.zip", "the zip inflates to more than it may")

func (m *member) Read(p []byte) (int, error) {
	n, err := m.ReadCloser.Read(p)
	if m.left.Add(-int64(n)) < 0 {
		return 0, errInflates
	}
	if err != nil && err != io.EOF {
		err = zipProblem(err)
	}
	return n, err
}

// zipProblem tells a damaged zip from one that cannot be read.
func zipProblem(err error) error {
	var path *os.PathError
	var known *errs.Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.As(err, &path):
		return problem(err)
	case errors.Is(err, zip.ErrAlgorithm):
		return errs.Errorf(errs.Unsupported, "ingest.zip", "compressed in a way that is not supported")
	}
	return errs.E(errs.Invalid, "ingest.zip", err)
}

// limitedAt reads from r until left bytes were read; a negative left is no limit. It is not safe
// for concurrent use until that is lifted.
type limitedAt struct {
	r    io.ReaderAt
	left int64
}

func (l *limitedAt) ReadAt(p []byte, off int64) (int, error) {
	if l.left >= 0 {
		if l.left -= int64(len(p)); l.left < 0 {
			l.left = 0
			return 0, errs.Errorf(errs.Invalid, "ingest.zip", "the zip lists too many files")
		}
	}
	return l.r.ReadAt(p, off)
}

func isZip(name string) bool {
	return len(name) >= 4 && strings.EqualFold(name[len(name)-4:], ".zip")
}
