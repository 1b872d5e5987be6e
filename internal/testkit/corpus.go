package testkit

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Sample is what the shared folder's manifest says of one file; its README explains the fields.
type Sample struct {
	Path           string `json:"path"` // below shared/data
	Bytes          int64  `json:"bytes"`
	SOPClass       string `json:"sop_class"`
	TransferSyntax string `json:"transfer_syntax"`
	Modality       string `json:"modality"`
	Study          string `json:"study"`
	Series         string `json:"series"`
	SOP            string `json:"sop"`
	Rows           int    `json:"rows"`
	Columns        int    `json:"cols"`
	Frames         int    `json:"frames"`
	Samples        int    `json:"samples"`
	BitsAllocated  int    `json:"bits_allocated"`
	BitsStored     int    `json:"bits_stored"`
	Signed         int    `json:"signed"`
	Photometric    string `json:"photometric"`
	Planar         int    `json:"planar"`
	Expect         string `json:"expect"` // of a malformed file
	Pixels         *struct {
		SHA256       string            `json:"sha256"`
		FrameSHA256  map[string]string `json:"frame_sha256"` // by 1-based frame number
		Decoder      string            `json:"decoder"`
		Photometric  string            `json:"photometric"`
		Shape        []int             `json:"shape"`
		Min          float64           `json:"min"`
		Max          float64           `json:"max"`
		Mean         float64           `json:"mean"`
		Lossy        bool              `json:"lossy"`
		Tolerance    string            `json:"tolerance"`
		StreamSHA256 string            `json:"stream_sha256"` // of a video
		Ref          string            `json:"ref"`           // PNG of the first frame, below shared/data
	} `json:"pixels"`
}

var manifest = sync.OnceValues(func() ([]Sample, error) {
	b, err := os.ReadFile(filepath.Join(sharedDir(), "data", "MANIFEST.json"))
	if err != nil {
		return nil, err
	}
	var m struct{ Files []Sample }
	return m.Files, json.Unmarshal(b, &m)
})

// Corpus returns the manifest's files that keep accepts, and the folder their paths begin at.
func Corpus(t testing.TB, keep func(Sample) bool) (dir string, samples []Sample) {
	t.Helper()
	dir = filepath.Join(Shared(t), "data")
	all, err := manifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if keep(s) {
			samples = append(samples, s)
		}
	}
	return dir, samples
}
