package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/rle"
)

// TestRLEPeers has pydicom's decoders read what the RLE encoder writes.
func TestRLEPeers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i, d := range []codec.Description{
		codectest.Grey(33, 17, 8, 8, 0), codectest.Grey(1, 1, 8, 8, 0), codectest.Grey(300, 200, 12, 16, 1), codectest.Grey(7, 131, 16, 16, 0),
		codectest.Grey(33, 17, 32, 32, 0), codectest.Color(33, 17, 8, 8, "RGB"), codectest.Color(300, 200, 8, 8, "YBR_FULL"), codectest.Color(7, 131, 16, 16, "RGB"),
	} {
		for _, content := range []string{"natural", "noise", "extremes", "flat"} {
			f := codectest.Draw(d, content)
			encoded, err := rle.Codec{}.Encode(nil, f, codec.Options{})
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, fmt.Sprint(i, content))
			codectest.Write(t, path+".dcm", dicom.RLELossless, d, encoded)
			if err := os.WriteFile(path+".raw", f.Data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	python(t, "codec_peer.py", dir, "pydicom")
}
