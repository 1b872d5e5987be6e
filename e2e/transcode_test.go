package e2e

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// DCMTK's program that brings a transfer syntax back to native, and getscu's option that proposes it.
var (
	decompress = map[string]string{
		dicom.JPEGLSLossless.UID: "dcmdjpls", dicom.RLELossless.UID: "dcmdrle",
		dicom.JPEGLosslessSV1.UID: "dcmdjpeg", dicom.JPEGLossless.UID: "dcmdjpeg",
	}
	getOption = map[string]string{
		dicom.JPEGLSLossless.UID: "+xt", dicom.RLELossless.UID: "+xr", dicom.JPEGLosslessSV1.UID: "+xs", dicom.ExplicitVRLittleEndian.UID: "+xe",
	}
)

// nativePixels returns the pixel data of a file as DCMTK decodes it.
func nativePixels(t *testing.T, file []byte) []byte {
	t.Helper()
	f, err := dicom.Read(bytes.NewReader(file), dicom.Source{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if by, ok := decompress[f.TransferSyntax.UID]; ok {
		in, out := filepath.Join(t.TempDir(), "in.dcm"), filepath.Join(t.TempDir(), "out.dcm")
		if err := os.WriteFile(in, file, 0o600); err != nil {
			t.Fatal(err)
		}
		args := []string{in, out}
		if by == "dcmdjpeg" {
			args = append([]string{"+cn"}, args...) // no colour conversion
		}
		tool(t, by, args...)
		decoded, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if f, err = dicom.Read(bytes.NewReader(decoded), dicom.Source{}, 0); err != nil {
			t.Fatal(err)
		}
	}
	e := f.Dataset.Get(tag.PixelData)
	if e == nil || e.Fragments != nil {
		t.Fatalf("%s is not native", f.TransferSyntax)
	}
	return e.Value
}

// images are objects to transcode, several frames and colour among them, of which DCMTK knows
// the samples.
func images(t *testing.T) []object {
	t.Helper()
	names := map[string]bool{
		"syntaxes/ct-all/jpegls-lossless": true, "syntaxes/mr-all/rle": true, "syntaxes/mr-all/jpeg-lossless-sv1-a": true,
		"multiframe/mr-16-native8": true, "multiframe/mr-enhanced-small-rle": true, "multiframe/us-palette-10-jpegls": true, "ct-series/head-108/054": true,
	}
	objects := corpus(t, func(path string) bool { return names[strings.TrimSuffix(path, ".dcm")] })
	if len(objects) != len(names) {
		t.Fatalf("the corpus has %d of %d images", len(objects), len(names))
	}
	return objects
}

// storescp runs DCMTK's Storage SCP with a restriction of transfer syntaxes until the test ends.
func storescp(t *testing.T, address string, args ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	_, port, _ := net.SplitHostPort(address)
	cmd := exec.Command(testkit.Tool(t, "storescp"), append(args, "-od", dir, port)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for deadline := time.Now().Add(20 * time.Second); ; {
		if _, err := try(t, "echoscu", "127.0.0.1", port); err == nil {
			return dir
		}
		if time.Now().After(deadline) {
			t.Fatal("storescp does not answer")
		}
	}
}

// transcoded demands that an image came in the syntax, and that DCMTK reads its samples out of it.
func (s *server) transcoded(t *testing.T, how string, o object, got map[string][]byte, syntax string, want []byte) {
	t.Helper()
	file, ok := got[o.SOPInstanceUID]
	if !ok {
		t.Errorf("%s as %s: %s did not come", o.name, syntax, how)
		return
	}
	f, err := dicom.Read(bytes.NewReader(file), dicom.Source{}, 0)
	if err != nil || f.TransferSyntax.UID != syntax {
		t.Errorf("%s: %s brought %s, want %s: %v", o.name, how, f.TransferSyntax.UID, syntax, err)
		return
	}
	if !bytes.Equal(nativePixels(t, file), want) {
		t.Errorf("%s as %s: %s brought other samples", o.name, syntax, how)
	}
}

// TestTranscodedForDCMTK: peers that take one transfer syntax only get every image in that one,
// and DCMTK reads the same samples out of it as out of the original.
func TestTranscodedForDCMTK(t *testing.T) {
	t.Parallel()
	objects := images(t)
	only := freePort(t)
	s := start(t, "--peer", "ONLY="+only)
	dir := storescp(t, only, "+xi") // Implicit VR Little Endian and nothing else
	seen := map[string]bool{}
	for _, o := range objects {
		if seen[o.SOPInstanceUID] {
			s.remove(t, o.SOPInstanceUID)
		}
		seen[o.SOPInstanceUID] = true
		if answer := s.stow(t, o); answer.status != http.StatusOK {
			t.Fatalf("%s: %d", o.name, answer.status)
		}
		want := nativePixels(t, o.file)
		resource, _ := s.find(t, o.SOPInstanceUID)
		series := strings.Split(resource, "/")
		keys := []string{"-k", "QueryRetrieveLevel=IMAGE", "-k", "StudyInstanceUID=" + o.StudyInstanceUID,
			"-k", "SeriesInstanceUID=" + series[4], "-k", "SOPInstanceUID=" + o.SOPInstanceUID}
		tool(t, "movescu", append([]string{"-S", "-aem", "ONLY", "127.0.0.1", s.port()}, keys...)...)
		s.transcoded(t, "C-MOVE", o, files(t, dir), implicitLE, want)
		for syntax, option := range getOption {
			if o.transferSyntax == syntax {
				continue
			}
			out := t.TempDir()
			tool(t, "getscu", append([]string{"-S", "+B", option, "-od", out, "127.0.0.1", s.port()}, keys...)...)
			s.transcoded(t, "C-GET", o, files(t, out), syntax, want)
		}
		for syntax := range decompress {
			status, header, file := s.get(t, resource, "Accept", "application/dicom; transfer-syntax="+syntax)
			if status != http.StatusOK || !strings.HasSuffix(header.Get("Content-Type"), syntax) {
				t.Errorf("%s as %s: status %d, %s", o.name, syntax, status, tail(string(file), 300))
				continue
			}
			s.transcoded(t, "WADO-RS", o, map[string][]byte{o.SOPInstanceUID: file}, syntax, want)
		}
	}
}

// TestTranscodedForCurl: Accept as people type it.
func TestTranscodedForCurl(t *testing.T) {
	t.Parallel()
	s := start(t)
	objects := corpus(t, func(path string) bool { return path == "multiframe/mr-enhanced-small-rle.dcm" })
	o := objects[0]
	if answer := s.stow(t, o); answer.status != http.StatusOK {
		t.Fatal(answer.body)
	}
	want := nativePixels(t, o.file)
	size := len(want) / o.frames
	resource, _ := s.find(t, o.SOPInstanceUID)
	curl := func(n int, accept string) (contentType string, body []byte) {
		out := filepath.Join(t.TempDir(), "body")
		printed := tool(t, "curl", "-sS", "-o", out, "-H", "Accept: "+accept, "-w", "%{http_code} %{content_type}", s.web(fmt.Sprintf("%s/frames/%d", resource, n)))
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return printed, b
	}
	for n := 1; n <= o.frames; n++ {
		if got, b := curl(n, "application/octet-stream"); !strings.HasPrefix(got, "200 application/octet-stream") || !bytes.Equal(b, want[(n-1)*size:n*size]) {
			t.Errorf("frame %d: %s, %d bytes", n, got, len(b))
		}
	}
	for accept, want := range map[string]string{
		"image/dicom-rle": "200 image/dicom-rle", "image/jls": "200 image/jls", "image/jpeg": "200 image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.70",
		"image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.57":                    "200 image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.57",
		`multipart/related; type="image/jls"`:                                   `200 multipart/related; type="image/jls"`,
		`multipart/related; type="application/octet-stream"; transfer-syntax=*`: `200 multipart/related; type="image/dicom-rle"`,
		"image/jxl": "406 application/problem+json",
	} {
		if got, b := curl(2, accept); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, %s", accept, got, tail(string(b), 200))
		}
	}
}
