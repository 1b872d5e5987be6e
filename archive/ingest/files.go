package ingest

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Files walks the paths: a folder with all that is in it, a zip, a DICOMDIR with what it lists,
// a file. Zips in folders are known by their names. Links to files are followed, those to folders
// too, each once and not to where the walk comes by anyway, so that loops are harmless.
func Files(lim Limits, paths ...string) Source {
	return func(yield func(Item) bool) {
		for _, path := range paths {
			w := &walker{yield: yield, lim: lim.withDefaults(), linked: map[string]bool{}}
			if !w.named(path) {
				return
			}
		}
	}
}

// Measure counts the files under the paths and their bytes, without opening any, until ctx ends.
func Measure(ctx context.Context, paths ...string) (files, bytes int64) {
	w := &walker{linked: map[string]bool{}, countOnly: true}
	w.yield = func(i Item) bool {
		files++
		bytes += i.Cost
		return ctx.Err() == nil
	}
	for _, path := range paths {
		w.named(path)
	}
	return files, bytes
}

// walker walks one path that was named. Its functions return false when the caller has enough.
type walker struct {
	yield     func(Item) bool
	lim       Limits
	root      string          // real path
	linked    map[string]bool // real paths of folders reached by a link
	countOnly bool
}

func (w *walker) fail(path string, err error) bool {
	return w.yield(Item{Path: path, Err: problem(err)})
}

// problem gives an error of the file system its Kind.
func problem(err error) error {
	var known *errs.Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return errs.E(errs.NotFound, "ingest.read", err)
	}
	return errs.E(errs.Internal, "ingest.read", err)
}

// named takes a path the operator gave.
func (w *walker) named(path string) bool {
	abs, err := filepath.Abs(path)
	if err != nil {
		return w.fail(path, err)
	}
	info, err := os.Stat(abs)
	if err != nil {
		return w.fail(abs, err)
	}
	if info.IsDir() {
		if w.root, err = filepath.EvalSymlinks(abs); err != nil {
			return w.fail(abs, err)
		}
		return w.folder(abs)
	}
	switch {
	case w.countOnly || !info.Mode().IsRegular():
	case isDICOMDIR(abs):
		return w.medium(abs)
	case beginsAsZip(abs):
		return w.zip(abs, info)
	}
	return w.file(abs, info)
}

func beginsAsZip(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var head [4]byte
	_, err = io.ReadFull(f, head[:])
	return err == nil && zipped(head[:])
}

// folderStep is how many names are read at once, so that a folder of any size can be walked.
const folderStep = 4096

// folder walks a folder: files first, in order of their names, then what is below.
func (w *walker) folder(path string) bool {
	d, err := os.Open(path)
	if err != nil {
		return w.fail(path, err)
	}
	defer d.Close()
	var below []string
	for {
		entries, err := d.ReadDir(folderStep)
		slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
		for _, e := range entries {
			full := filepath.Join(path, e.Name())
			info, isDir, err := w.look(full, e)
			switch {
			case err != nil:
				if !w.fail(full, err) {
					return false
				}
			case isDir:
				below = append(below, full)
			case info != nil:
				if !w.entry(full, info) {
					return false
				}
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			if !w.fail(path, err) {
				return false
			}
			break
		}
	}
	_ = d.Close() // not held while what is below is walked: folders may be deep
	for _, folder := range below {
		if !w.folder(folder) {
			return false
		}
	}
	return true
}

// look says what a folder's entry is. All nil: a link to a folder that is walked anyway.
func (w *walker) look(path string, e fs.DirEntry) (info fs.FileInfo, isDir bool, err error) {
	if e.IsDir() {
		return nil, true, nil
	}
	if e.Type()&fs.ModeSymlink == 0 {
		info, err = e.Info()
		return info, false, err
	}
	info, err = os.Stat(path)
	if errors.Is(err, syscall.ELOOP) {
		return nil, false, nil
	}
	if err != nil || !info.IsDir() {
		return info, false, err
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, false, err
	}
	inside := real == w.root || strings.HasPrefix(real, strings.TrimSuffix(w.root, "/")+"/")
	if inside || w.linked[real] {
		return nil, false, nil
	}
	w.linked[real] = true
	return nil, true, nil
}

// entry takes a file that was met in a folder.
func (w *walker) entry(path string, info fs.FileInfo) bool {
	if w.countOnly || !info.Mode().IsRegular() {
		return w.file(path, info)
	}
	switch {
	case isDICOMDIR(path):
		// The walk meets what it lists; what it lists and is not there only the list knows.
		if !w.missing(path) {
			return false
		}
	case isZip(path) && beginsAsZip(path):
		return w.zip(path, info)
	}
	return w.file(path, info)
}

var errNotRegular = errs.Errorf(errs.Unsupported, "ingest.read", "not a regular file")

func (w *walker) file(path string, info fs.FileInfo) bool {
	if !info.Mode().IsRegular() { // opening a pipe would wait for ever
		return w.fail(path, errNotRegular)
	}
	return w.yield(Item{
		Path: path, Size: info.Size(), Cost: info.Size(), ModTime: info.ModTime(),
		open: func() (io.ReadCloser, error) {
			f, err := os.Open(path)
			if err != nil {
				return nil, problem(err)
			}
			return f, nil
		},
	})
}

// zip walks a zip on disk, which stays open until its last item is done.
func (w *walker) zip(path string, info fs.FileInfo) bool {
	f, err := os.Open(path)
	if err != nil {
		return w.fail(path, err)
	}
	hold := newHold(f)
	defer hold.release()
	return newZipWalk(w.lim, w.yield, info.Size()).walk(path, f, info.Size(), info.ModTime(), hold)
}

// hold keeps a container open for as long as any of its items needs it.
type hold struct {
	users  atomic.Int64
	closer io.Closer
}

// newHold returns a hold with one user, the caller.
func newHold(c io.Closer) *hold {
	h := &hold{closer: c}
	h.users.Store(1)
	return h
}

func (h *hold) take() { h.users.Add(1) }

func (h *hold) release() {
	if h.users.Add(-1) == 0 {
		_ = h.closer.Close() // it was only read
	}
}
