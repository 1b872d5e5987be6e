package jpeglossless_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpeglossless"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// dcmtk returns what dcmdjpeg makes of an encoded frame, in the width of d.
func dcmtk(t *testing.T, tool, dir, name string, ts dicom.TransferSyntax, d codec.Description, encoded []byte) []byte {
	t.Helper()
	in, out := filepath.Join(dir, name+".dcm"), filepath.Join(dir, name+"-native.dcm")
	codectest.Write(t, in, ts, d, encoded)
	if msg, err := exec.Command(tool, "+px", "+cn", in, out).CombinedOutput(); err != nil || len(msg) > 0 {
		t.Fatalf("%v: %s", err, msg)
	}
	m := codectest.Open(t, out)
	b := m.Encoded(t, 1)
	if m.Width() < d.Width() {
		t.Fatalf("DCMTK takes %d bits allocated for %d", m.BitsAllocated, d.BitsAllocated)
	}
	return b[:len(b)-len(b)%(d.Width()*d.SamplesPerPixel)]
}

// TestDCMTKReads has DCMTK read what is written here.
func TestDCMTKReads(t *testing.T) {
	t.Parallel()
	tool, dir := testkit.Tool(t, "dcmdjpeg"), t.TempDir()
	encoders := [...]codec.Encoder{jpeglossless.SV1(), jpeglossless.Process14()}
	for i, d := range shapes() {
		if d.SamplesPerPixel == 4 {
			continue // DCMTK knows none
		}
		// A process each: every shape once.
		e, content := encoders[i%2], [...]string{"extremes", "natural", "noise"}[i%3]
		name := fmt.Sprint(content, i)
		t.Run(name, func(t *testing.T) {
			f := codectest.Draw(d, content)
			encoded, err := e.Encode(nil, f, codec.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if d, err = e.Describe(d, codec.Options{}); err != nil {
				t.Fatal(err)
			}
			if got := dcmtk(t, tool, dir, name, e.TransferSyntax(), d, encoded); !bytes.Equal(got, f.Data) {
				t.Errorf("%+v: other samples", d)
			}
		})
	}
}

// TestDCMTKReadsImages has DCMTK read images of the corpus, encoded again.
func TestDCMTKReadsImages(t *testing.T) {
	t.Parallel()
	tool, dir := testkit.Tool(t, "dcmdjpeg"), t.TempDir()
	encoders := [...]codec.Encoder{jpeglossless.SV1(), jpeglossless.Process14()}
	for i, path := range contents {
		m := codectest.Open(t, testkit.Shared(t), "data", path)
		f, err := jpeglossless.Process14().Decode(m.Encoded(t, 1), m.Description, nil)
		if err != nil {
			t.Fatal(err)
		}
		e, name := encoders[i%2], fmt.Sprint("image", i)
		encoded, err := e.Encode(nil, f, codec.Options{})
		if err != nil {
			t.Fatal(path, err)
		}
		if got := dcmtk(t, tool, dir, name, e.TransferSyntax(), f.Description, encoded); !bytes.Equal(got, f.Data) {
			t.Errorf("%s: other samples", path)
		}
	}
}

// TestDCMTKAgrees has DCMTK read the variants that decode here: the reference encoder is no law.
func TestDCMTKAgrees(t *testing.T) {
	t.Parallel()
	tool, dir := testkit.Tool(t, "dcmdjpeg"), t.TempDir()
	for name, v := range variants() {
		t.Run(name, func(t *testing.T) {
			want, err := jpeglossless.Process14().Decode(reference(v.Frame, v.variant), v.Description, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := dcmtk(t, tool, dir, name, dicom.JPEGLossless, v.Description, reference(v.Frame, v.variant)); !bytes.Equal(got, want.Data) {
				t.Error("other samples")
			}
		})
	}
}
