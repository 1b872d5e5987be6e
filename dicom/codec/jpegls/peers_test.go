package jpegls_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpegls"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// TestDCMTKReads has DCMTK, which decodes with CharLS, read what is written here: the samples must
// be those that we decode, near-lossless ones too.
func TestDCMTKReads(t *testing.T) {
	t.Parallel()
	tool, dir := testkit.Tool(t, "dcmdjpls"), t.TempDir()
	for _, e := range []jpegls.Codec{jpegls.Lossless(), jpegls.NearLossless()} {
		o := codec.Options{}
		for i, d := range shapes(e.Lossy(o)) {
			if d.SamplesPerPixel == 4 {
				continue // DCMTK knows none
			}
			content := [...]string{"natural", "noise", "extremes"}[i%3]
			name := fmt.Sprint(e.TransferSyntax().UID, "-", i, content)
			encoded, err := e.Encode(nil, codectest.Draw(d, content), o)
			if err != nil {
				t.Fatal(err)
			}
			want, err := e.Decode(encoded, d, nil)
			if err != nil {
				t.Fatal(err)
			}
			in, out := filepath.Join(dir, name+".dcm"), filepath.Join(dir, name+"-native.dcm")
			codectest.Write(t, in, e.TransferSyntax(), d, encoded)
			if msg, err := exec.Command(tool, "+px", in, out).CombinedOutput(); err != nil || len(msg) > 0 {
				t.Errorf("%s %+v: %v: %s", name, d, err, msg)
				continue
			}
			if got := codectest.Open(t, out).Encoded(t, 1); !bytes.HasPrefix(got, want.Data) {
				t.Errorf("%s, %+v: other samples", name, d)
			}
		}
	}
}
