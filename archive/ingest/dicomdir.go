package ingest

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// isDICOMDIR: PS3.10 8.6 gives the file its name.
func isDICOMDIR(path string) bool { return strings.EqualFold(filepath.Base(path), "DICOMDIR") }

// medium takes what a DICOMDIR lists; where it is broken, all of its folder.
func (w *walker) medium(path string) bool {
	m, err := openMedium(path)
	if err != nil {
		return w.named(filepath.Dir(path)) // which meets the DICOMDIR again and says what it is
	}
	hold := newHold(m.root)
	defer hold.release()
	for _, id := range m.files {
		label := filepath.Join(append([]string{m.dir}, id...)...)
		name, info, err := m.resolve(id)
		if err != nil {
			if !w.fail(label, err) {
				return false
			}
			continue
		}
		hold.take()
		item := Item{
			Path: filepath.Join(m.dir, name), Size: info.Size(), Cost: info.Size(), ModTime: info.ModTime(), release: hold.release,
			open: func() (io.ReadCloser, error) {
				f, err := m.root.Open(name)
				if err != nil {
					return nil, problem(err)
				}
				return f, nil
			},
		}
		if !w.yield(item) {
			return false
		}
	}
	return true
}

// missing tells which files a DICOMDIR lists that are not there.
func (w *walker) missing(path string) bool {
	m, err := openMedium(path)
	if err != nil {
		return true // the walk takes what is there
	}
	defer m.root.Close()
	for _, id := range m.files {
		if _, _, err := m.resolve(id); err != nil {
			if !w.fail(filepath.Join(append([]string{m.dir}, id...)...), err) {
				return false
			}
		}
	}
	return true
}

// medium is a file-set: a folder, and the files its DICOMDIR lists (PS3.3 F).
type medium struct {
	dir   string
	root  *os.Root // nothing outside of it can be opened, by links neither
	files [][]string
	names map[string]map[string]string // of a folder: lower case -> as it is
	known int                          // names held
}

func openMedium(path string) (*medium, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, problem(err)
	}
	defer f.Close()
	h, err := dicom.ReadHeader(f, dicom.Source{Lenient: true}, dicom.Limits{})
	if err != nil {
		return nil, err
	}
	m := &medium{dir: filepath.Dir(path), names: map[string]map[string]string{}}
	for _, record := range h.Dataset.Items(tag.DirectoryRecordSequence) {
		if id := fileID(record); id != nil {
			m.files = append(m.files, id)
		}
	}
	if len(m.files) == 0 {
		return nil, errs.Errorf(errs.Invalid, "ingest.DICOMDIR", "it lists no file")
	}
	if m.root, err = os.OpenRoot(m.dir); err != nil {
		return nil, problem(err)
	}
	return m, nil
}

// fileID returns the components of a record's Referenced File ID, which are separated as values
// are (PS3.3 F.3.2.2). A value may have been written with slashes.
func fileID(record *dicom.Dataset) []string {
	var id []string
	for _, component := range record.Texts(tag.ReferencedFileID) {
		for part := range strings.SplitSeq(component, "/") {
			if part = strings.TrimSpace(part); part != "" && part != "." {
				id = append(id, part)
			}
		}
	}
	return id
}

// resolve finds the file of a File ID, whose letters are upper case (PS3.10 8.2) while a disk's
// may not be, with the version that ISO 9660 appends to names.
func (m *medium) resolve(id []string) (string, fs.FileInfo, error) {
	at := "."
	for _, component := range id {
		if component == ".." || strings.ContainsRune(component, 0) {
			return "", nil, errs.Errorf(errs.Invalid, "ingest.DICOMDIR", "it lists a file outside of its folder")
		}
		exact := filepath.Join(at, component)
		if _, err := m.root.Lstat(exact); err == nil {
			at = exact
			continue
		}
		name, ok := m.folder(at)[fold(component)]
		if !ok {
			return "", nil, errs.Errorf(errs.NotFound, "ingest.DICOMDIR", "the DICOMDIR lists it, but it is not there")
		}
		at = filepath.Join(at, name)
	}
	info, err := m.root.Stat(at)
	switch {
	case err != nil:
		return "", nil, problem(err)
	case !info.Mode().IsRegular():
		return "", nil, errs.Errorf(errs.NotFound, "ingest.DICOMDIR", "the DICOMDIR lists it, but it is not a file")
	}
	return at, info, nil
}

// maxNames bounds the names of a medium's folders that are kept.
const maxNames = 1 << 18

// folder returns the names in a folder by their folded form.
func (m *medium) folder(path string) map[string]string {
	if names, ok := m.names[path]; ok {
		return names
	}
	names := map[string]string{}
	if d, err := m.root.Open(path); err == nil {
		defer d.Close()
		list, _ := d.Readdirnames(maxNames) // what cannot be listed is missing
		for _, name := range list {
			names[fold(name)] = name
		}
	}
	if m.known += len(names) + 1; m.known > maxNames {
		clear(m.names)
		m.known = len(names) + 1
	}
	m.names[path] = names
	return names
}

func fold(name string) string {
	name, _, _ = strings.Cut(name, ";")
	return strings.ToLower(strings.TrimSuffix(name, "."))
}
