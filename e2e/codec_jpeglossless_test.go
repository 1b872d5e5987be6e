package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpeglossless"
)

// TestLosslessJPEGPeers has pydicom's decoders read what the lossless JPEG encoders write.
func TestLosslessJPEGPeers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, e := range []codec.Encoder{jpeglossless.SV1(), jpeglossless.Process14()} {
		for i, d := range []codec.Description{
			codectest.Grey(33, 17, 8, 8, 0), codectest.Grey(33, 17, 6, 8, 0), codectest.Grey(7, 5, 8, 16, 0), codectest.Grey(33, 17, 10, 16, 0),
			codectest.Grey(300, 200, 12, 16, 0), codectest.Grey(33, 17, 12, 16, 1), codectest.Grey(33, 17, 15, 16, 0),
			codectest.Grey(33, 17, 16, 16, 1), codectest.Grey(1, 9, 16, 16, 0), codectest.Color(33, 17, 8, 8, "RGB"),
			codectest.Color(300, 200, 8, 8, "YBR_FULL"),
		} {
			for _, content := range []string{"natural", "noise", "extremes", "flat"} {
				f := codectest.Draw(d, content)
				encoded, err := e.Encode(nil, f, codec.Options{})
				if err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(dir, fmt.Sprint(e.TransferSyntax().UID, "-", i, content))
				codectest.Write(t, path+".dcm", e.TransferSyntax(), d, encoded)
				if err := os.WriteFile(path+".raw", f.Data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	python(t, "codec_peer.py", dir, "pylibjpeg")
}
