package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpegls"
)

// TestJPEGLSPeers has CharLS (pyjpegls), and GDCM and pylibjpeg where they are, read what the
// JPEG-LS encoders write.
func TestJPEGLSPeers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, e := range []jpegls.Codec{jpegls.Lossless(), jpegls.NearLossless()} {
		for i, d := range []codec.Description{
			codectest.Grey(33, 17, 8, 8, 0), codectest.Grey(33, 17, 6, 8, 0), codectest.Grey(7, 5, 8, 16, 0), codectest.Grey(33, 17, 10, 16, 0),
			codectest.Grey(300, 200, 12, 16, 0), codectest.Grey(33, 17, 12, 16, 1), codectest.Grey(33, 17, 15, 16, 0), codectest.Grey(33, 17, 16, 16, 0),
			codectest.Grey(33, 17, 16, 16, 1), codectest.Grey(1, 9, 16, 16, 0), codectest.Color(33, 17, 8, 8, "RGB"),
			codectest.Color(300, 200, 8, 8, "YBR_FULL"), codectest.Color(33, 17, 12, 16, "RGB"),
		} {
			for _, content := range []string{"natural", "noise", "extremes", "flat"} {
				encoded, err := e.Encode(nil, codectest.Draw(d, content), codec.Options{})
				if err != nil {
					t.Fatal(err)
				}
				f, err := e.Decode(encoded, d, nil)
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
	python(t, "codec_peer.py", dir, "pyjpegls")
}
