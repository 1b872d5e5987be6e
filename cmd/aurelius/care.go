package main

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec/all"
	"github.com/aurelius-imaging/aurelius/dicomweb"
	"github.com/aurelius-imaging/aurelius/platform/cache/redis"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
)

// careFlags configure how the archive keeps what it has.
type careFlags struct {
	Trash      time.Duration `placeholder:"TIME" help:"How long what was deleted can be brought back (default: it is gone at once)."`
	SealAfter  time.Duration `default:"60s" placeholder:"TIME" help:"The metadata of a series to which nothing came for so long is kept ready to be served (${default})."`
	limitFlags `embed:""`
	ScrubEvery time.Duration `default:"720h" placeholder:"TIME" help:"How often everything stored is read against its checksum (${default})."`

	Recompress      string        `enum:",jpegls,jpeg-lossless,rle" default:"" placeholder:"SYNTAX" help:"Keep native images compressed without loss, as jpegls, jpeg-lossless or rle; each frame is decoded again and compared before the old bytes go (default: they stay as received)."`
	RecompressAfter time.Duration `default:"720h" placeholder:"TIME" help:"How long ago they must have been stored (${default})."`

	Redis string `placeholder:"URL" help:"Cache that nodes share, as in redis://host:6379; default: each has its own."`
}

// recompressions are the transfer syntaxes that images can be kept in.
var recompressions = map[string]string{
	"jpegls": dicom.JPEGLSLossless.UID, "jpeg-lossless": dicom.JPEGLosslessSV1.UID, "rle": dicom.RLELossless.UID,
}

// limitFlags bound what is taken in.
type limitFlags struct {
	QuotaBytes     int64 `placeholder:"N" help:"Bytes after which a tenant's objects are refused (default: none)."`
	QuotaInstances int64 `placeholder:"N" help:"Instances after which a tenant's objects are refused (default: none)."`
	LowWater       int64 `placeholder:"BYTES" help:"Objects are refused while the disk has less left (default: 2 %, at most 1 GiB)."`
}

// bound configures an archive over the blobs.
func (f *limitFlags) bound(cfg *archive.Config, blobs blob.Store) {
	cfg.LowWater = f.LowWater
	cfg.Quota = func(storage.TenantID) (bytes, instances int64) { return f.QuotaBytes, f.QuotaInstances }
	if s, ok := blobs.(blob.Spacer); ok {
		cfg.Space = s.Space
	}
}

// openArchive builds the archive over its stores, which tells changed of every change, and finishes
// what a crash left undone.
func (c *serveCmd) openArchive(ctx context.Context, st *stores, changed func(), log *slog.Logger, registry *prometheus.Registry) (*archive.Archive, error) {
	cfg := archive.Config{
		Duplicates: archive.KeepFirst, Logger: log, Metrics: registry, Ledger: st.marks,
		Derived: st.derived, SealAfter: c.SealAfter, Trash: c.Trash, ScrubEvery: c.ScrubEvery,
		Changed: changed, Codecs: all.Codecs(), Recompress: recompressions[c.Recompress], RecompressAfter: c.RecompressAfter,
	}
	c.bound(&cfg, st.blobs)
	if c.PublicURL != "" {
		cfg.Form = dicomweb.MetadataForm(c.epoch, strings.TrimRight(c.PublicURL, "/")+dicomweb.Root)
	}
	if c.Duplicates == "replace" {
		cfg.Duplicates = archive.Replace
	}
	if !c.shared() {
		cfg.Grace = -1 // no other node writes here
	}
	if c.Redis != "" {
		shared, err := redis.Open(redis.Config{URL: c.Redis, Logger: log, Metrics: registry})
		if err != nil {
			return nil, err
		}
		cfg.Shared = shared
	}
	a := archive.New(cfg, st.blobs, st.index)
	_, err := a.Recover(ctx)
	return a, err
}
