package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpeg"
)

// TestJPEGPeers has pydicom's decoders read what the encoders of the DCT processes write: Pillow, and
// with it libjpeg-turbo, sees the samples that are decoded here. It knows no 12 bits.
func TestJPEGPeers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, e := range []codec.Encoder{jpeg.Baseline(), jpeg.Extended()} {
		for i, d := range []codec.Description{
			codectest.Grey(33, 17, 8, 8, 0), codectest.Grey(7, 5, 8, 16, 0), codectest.Grey(300, 200, 8, 8, 0), codectest.Grey(1, 9, 8, 8, 0),
			codectest.Color(33, 17, 8, 8, "RGB"), codectest.Color(300, 200, 8, 8, "RGB"), codectest.Color(33, 17, 8, 8, "YBR_FULL"),
		} {
			for _, content := range []string{"natural", "noise", "extremes", "flat"} {
				encoded, err := e.Encode(nil, codectest.Draw(d, content), codec.Options{})
				if err != nil {
					t.Fatal(err)
				}
				as, err := e.Describe(d, codec.Options{})
				if err != nil {
					t.Fatal(err)
				}
				f, err := e.Decode(encoded, as, nil)
				if err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(dir, fmt.Sprint(e.TransferSyntax().UID, "-", i, content))
				codectest.Write(t, path+".dcm", e.TransferSyntax(), as, encoded)
				if err := os.WriteFile(path+".raw", f.Data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	python(t, "codec_peer.py", dir, "pillow")
}
