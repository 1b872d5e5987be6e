package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpeg"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpeglossless"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpegls"
	"github.com/aurelius-imaging/aurelius/dicom/codec/rle"
)

// TestCodecPeers has pydicom's decoders read what the encoders write, and see the samples that are
// decoded here.
func TestCodecPeers(t *testing.T) {
	t.Parallel()
	grey, color := codectest.Grey, codectest.Color
	for peer, c := range map[string]struct {
		encoders []codec.Encoder
		shapes   []codec.Description
	}{
		"pydicom": {[]codec.Encoder{rle.Codec{}}, []codec.Description{
			grey(33, 17, 8, 8, 0), grey(1, 1, 8, 8, 0), grey(300, 200, 12, 16, 1), grey(7, 131, 16, 16, 0), grey(33, 17, 32, 32, 0),
			color(33, 17, 8, 8, "RGB"), color(300, 200, 8, 8, "YBR_FULL"), color(7, 131, 16, 16, "RGB"),
		}},
		"pillow": {[]codec.Encoder{jpeg.Baseline(), jpeg.Extended()}, []codec.Description{ // and with it libjpeg-turbo, of 8 bits
			grey(33, 17, 8, 8, 0), grey(7, 5, 8, 16, 0), grey(300, 200, 8, 8, 0), grey(1, 9, 8, 8, 0),
			color(33, 17, 8, 8, "RGB"), color(300, 200, 8, 8, "RGB"), color(33, 17, 8, 8, "YBR_FULL"),
		}},
		"pylibjpeg": {[]codec.Encoder{jpeglossless.SV1(), jpeglossless.Process14()}, []codec.Description{
			grey(33, 17, 8, 8, 0), grey(33, 17, 6, 8, 0), grey(7, 5, 8, 16, 0), grey(33, 17, 10, 16, 0), grey(300, 200, 12, 16, 0),
			grey(33, 17, 12, 16, 1), grey(33, 17, 15, 16, 0), grey(33, 17, 16, 16, 1), grey(1, 9, 16, 16, 0),
			color(33, 17, 8, 8, "RGB"), color(300, 200, 8, 8, "YBR_FULL"),
		}},
		"pyjpegls": {[]codec.Encoder{jpegls.Lossless(), jpegls.NearLossless()}, []codec.Description{ // CharLS; GDCM and pylibjpeg where they are
			grey(33, 17, 8, 8, 0), grey(33, 17, 6, 8, 0), grey(7, 5, 8, 16, 0), grey(33, 17, 10, 16, 0), grey(300, 200, 12, 16, 0),
			grey(33, 17, 12, 16, 1), grey(33, 17, 15, 16, 0), grey(33, 17, 16, 16, 0), grey(33, 17, 16, 16, 1), grey(1, 9, 16, 16, 0),
			color(33, 17, 8, 8, "RGB"), color(300, 200, 8, 8, "YBR_FULL"), color(33, 17, 12, 16, "RGB"),
		}},
	} {
		t.Run(peer, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, e := range c.encoders {
				for i, d := range c.shapes {
					for _, content := range []string{"natural", "noise", "extremes", "flat"} {
						writeEncoded(t, filepath.Join(dir, fmt.Sprint(e.TransferSyntax().UID, "-", i, content)), e, codectest.Draw(d, content))
					}
				}
			}
			python(t, "codec_peer.py", dir, peer)
		})
	}
}

// writeEncoded writes a frame as a file of its own, and beside it the samples that it decodes to.
func writeEncoded(t *testing.T, path string, e codec.Encoder, f codec.Frame) {
	t.Helper()
	encoded, err := e.Encode(nil, f, codec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := e.Describe(f.Description, codec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := e.Decode(encoded, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !e.Lossy(codec.Options{}) {
		decoded = f
	}
	codectest.Write(t, path+".dcm", e.TransferSyntax(), d, encoded)
	if err := os.WriteFile(path+".raw", decoded.Data, 0o600); err != nil {
		t.Fatal(err)
	}
}
