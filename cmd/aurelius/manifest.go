package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/aurelius-imaging/aurelius/storage/blob/fs"
)

// A backup is a directory:
//
//	manifest.json                   what the last complete backup consists of; written last
//	progress.jsonl                  packs that an interrupted backup has copied already
//	databases/<name>-<run>          SQLite databases, each as it was at one moment
//	<bucket>/<tenant>/<pack>-<run>  copies of packs
//
// Files are never written over: the manifest names those that belong together, and what it does
// not name any more is removed once it is in place.
const (
	manifestFile   = "manifest.json"
	progressFile   = "progress.jsonl"
	databasesDir   = "databases"
	manifestFormat = 1
)

// manifest lists the files of a complete backup.
type manifest struct {
	Format    int          `json:"format"`
	Finished  time.Time    `json:"finished"`
	Version   string       `json:"version"` // of the program
	Instances int          `json:"instances"`
	Missing   int          `json:"missing,omitempty"` // instances whose bytes the archive itself had lost
	Databases []backupFile `json:"databases"`
	Packs     []backupPack `json:"packs"`
}

// backupFile is a file of the backup.
type backupFile struct {
	Name   string `json:"name"` // in the data directory
	File   string `json:"file"` // in the backup
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// backupPack is the copy of a pack, with what tells whether the pack has changed since.
type backupPack struct {
	backupFile
	Bucket string `json:"bucket"`
	fs.PackFile
}

// readManifest returns the last complete backup in dir; os.ErrNotExist when there is none.
func readManifest(dir string) (*manifest, error) {
	b, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		return nil, err
	}
	var m manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("%s: %w", manifestFile, err)
	}
	if m.Format != manifestFormat {
		return nil, fmt.Errorf("%s: format %d, this program knows %d", manifestFile, m.Format, manifestFormat)
	}
	for _, f := range m.files() {
		if !filepath.IsLocal(f.File) || !filepath.IsLocal(f.Name) {
			return nil, fmt.Errorf("%s: names a file outside of its directory", manifestFile)
		}
	}
	return &m, nil
}

// files lists every file of the backup.
func (m *manifest) files() []backupFile {
	out := append([]backupFile(nil), m.Databases...)
	for _, p := range m.Packs {
		out = append(out, p.backupFile)
	}
	return out
}

// write puts the manifest in the place of the former one.
func (m *manifest) write(dir string) error {
	b, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, manifestFile)
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return syncDir(dir)
}

// readProgress returns the packs that an interrupted backup has copied. Its last line may be torn.
func readProgress(dir string) (out []backupPack, err error) {
	f, err := os.Open(filepath.Join(dir, progressFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var p backupPack
		if json.Unmarshal(lines.Bytes(), &p) == nil && filepath.IsLocal(p.File) {
			out = append(out, p)
		}
	}
	return out, lines.Err()
}

// sumOf reads a file and returns its size and checksum as the manifest has them.
func sumOf(path string) (size int64, sum string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, f)
	return size, hex.EncodeToString(h.Sum(nil)), err
}
