package scp_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/archive/archivetest"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/all"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/dimse/scp"
	"github.com/aurelius-imaging/aurelius/dimse/scu"
)

func jpegLS(t *testing.T, frame codec.Frame) []byte {
	t.Helper()
	encoder, err := all.Codecs().Encoder(dicom.JPEGLSLossless.UID)
	if err != nil {
		t.Fatal(err)
	}
	b, err := encoder.Encode(nil, frame, codec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// compressed makes an instance in JPEG-LS and returns its samples; damage cuts it.
func compressed(t *testing.T, n int, damage bool) (instance, []byte) {
	t.Helper()
	frame := codectest.Draw(codectest.Grey(32, 32, 8, 8, 0), "natural")
	frame.Data[0] = byte(n)
	b := jpegLS(t, frame)
	if damage {
		b = b[:len(b)/2]
	}
	b = append(b, make([]byte, len(b)%2)...)
	return image(t, n, frame.Description, b), frame.Data
}

// image is an instance with the frames in JPEG-LS.
func image(t *testing.T, n int, desc codec.Description, frames ...[]byte) instance {
	t.Helper()
	d := &dicom.Dataset{}
	sop := fmt.Sprintf("1.2.3.1.%d", n)
	d.SetUID(tag.SOPClassUID, uid.CTImageStorage)
	d.SetUID(tag.SOPInstanceUID, sop)
	d.SetUID(tag.StudyInstanceUID, "1.2.3")
	d.SetUID(tag.SeriesInstanceUID, "1.2.3.1")
	d.SetInts(tag.InstanceNumber, int64(n))
	d.SetInts(tag.NumberOfFrames, int64(len(frames)))
	desc.Apply(d)
	d.SetElement(dicom.Element{Tag: tag.PixelData, VR: vr.OB, Undefined: true, Fragments: append([][]byte{{}}, frames...)})
	data, err := dicom.AppendDataset(nil, d, dicom.JPEGLSLossless)
	if err != nil {
		t.Fatal(err)
	}
	return instance{uid.CTImageStorage, sop, dicom.JPEGLSLossless.UID, data}
}

// TestTranscodedRetrieval: who does not take what is stored gets what it takes; an image that
// cannot be decoded fails alone, and the association lives on.
func TestTranscodedRetrieval(t *testing.T) {
	t.Parallel()
	for _, accepted := range []dicom.TransferSyntax{dicom.ImplicitVRLittleEndian, dicom.ExplicitVRLittleEndian, dicom.RLELossless, dicom.JPEGLSLossless} {
		t.Run(accepted.Name, func(t *testing.T) {
			t.Parallel()
			to := listenSink(t, accepted.UID)
			arch := archivetest.NewWith(t, archive.Config{Codecs: all.Codecs()})
			addr := serveArchive(t, scp.Config{}, arch, scp.Peers{"SINK": to.addr})
			sender := associate(t, addr, scu.Config{Contexts: propose(dicom.JPEGLSLossless.UID, uid.CTImageStorage)})
			samples := map[string][]byte{}
			for n := 1; n <= 5; n++ {
				in, pixels := compressed(t, n, n == 3)
				if status := store(t, sender, in); status != dimse.StatusSuccess {
					t.Fatal(status)
				}
				samples[in.SOPInstanceUID] = pixels
			}
			failed := 1
			if accepted.UID == dicom.JPEGLSLossless.UID { // nothing is decoded then
				failed = 0
			}
			got := map[string]received{}
			client := associate(t, addr, getContexts(accepted.UID, uid.CTImageStorage))
			result, err := client.Get(t.Context(), scu.StudyRootGet, study("1.2.3"), collect(got), nil)
			if result.Counters.Completed != 5-failed || result.Counters.Failed != failed {
				t.Errorf("C-GET: %+v, %v", result, err)
			}
			held(t, "C-GET", got, samples, accepted, 5-failed)
			if err := client.Release(t.Context()); err != nil {
				t.Errorf("the association is gone: %v", err)
			}
			mover := associate(t, addr, moveContexts())
			result, err = mover.Move(t.Context(), scu.StudyRootMove, study("1.2.3"), "SINK", nil)
			if result.Counters.Completed != 5-failed || result.Counters.Failed != failed {
				t.Errorf("C-MOVE: %+v, %v", result, err)
			}
			held(t, "C-MOVE", to.objects(), samples, accepted, 5-failed)
		})
	}
}

// held holds the samples that came against those that were stored.
func held(t *testing.T, how string, got map[string]received, samples map[string][]byte, ts dicom.TransferSyntax, n int) {
	t.Helper()
	if len(got) != n {
		t.Errorf("%s: %d instances, want %d", how, len(got), n)
	}
	for sop, r := range got {
		d, err := dicom.ParseDataset(r.data, ts)
		if err != nil || r.TransferSyntax != ts.UID {
			t.Errorf("%s: %s in %s: %v", how, sop, r.TransferSyntax, err)
			continue
		}
		e := d.Get(tag.PixelData)
		pixels := e.Value
		if ts.Encapsulated {
			if ts.UID == dicom.JPEGLSLossless.UID {
				continue // as stored: TestRoundTrip
			}
			desc, err := codec.Describe(d, tag.PixelData)
			if err != nil {
				t.Fatal(err)
			}
			decoder, err := all.Codecs().Decoder(ts.UID)
			if err != nil {
				t.Fatal(err)
			}
			f, err := decoder.Decode(e.Fragments[1], desc, nil)
			if err != nil {
				t.Fatal(err)
			}
			pixels = f.Data
		}
		if !bytes.Equal(pixels, samples[sop]) {
			t.Errorf("%s: %s has other samples", how, sop)
		}
	}
}

// TestBrokenOff: an image whose last frame turns out to be damaged when most of it has been sent
// ends a C-GET, since a data set that was begun cannot be taken back. Asked again it fails alone.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	arch := archivetest.NewWith(t, archive.Config{Codecs: all.Codecs()})
	addr := serveArchive(t, scp.Config{}, arch, nil)
	sender := associate(t, addr, scu.Config{Contexts: propose(dicom.JPEGLSLossless.UID, uid.CTImageStorage)})
	samples := map[string][]byte{}
	for n := 1; n <= 5; n++ {
		in, pixels := compressed(t, n, false)
		if n == 3 {
			in = damagedBehind(t, n)
		}
		if status := store(t, sender, in); status != dimse.StatusSuccess {
			t.Fatal(status)
		}
		samples[in.SOPInstanceUID] = pixels
	}
	get := func() (map[string]received, scu.Result, error) {
		got := map[string]received{}
		client := associate(t, addr, getContexts(dicom.ExplicitVRLittleEndian.UID, uid.CTImageStorage))
		result, err := client.Get(t.Context(), scu.StudyRootGet, study("1.2.3"), collect(got), nil)
		return got, result, err
	}
	if _, result, err := get(); err == nil || result.Counters.Completed == 5 {
		t.Fatalf("C-GET: %+v, %v: nothing was damaged", result, err)
	}
	got, result, _ := get()
	if result.Status != dimse.StatusCoercion || result.Counters.Completed != 4 || result.Counters.Failed != 1 {
		t.Errorf("C-GET again: %+v", result)
	}
	held(t, "C-GET", got, samples, dicom.ExplicitVRLittleEndian, 4)
	if result.Failed == nil || !slices.Equal(result.Failed.Texts(tag.FailedSOPInstanceUIDList), []string{"1.2.3.1.3"}) {
		t.Errorf("failed: %v", result.Failed)
	}
}

// damagedBehind makes an image of four frames, 4 MiB each when decoded, the last of which is cut.
func damagedBehind(t *testing.T, n int) instance {
	t.Helper()
	frame := codectest.Draw(codectest.Grey(2048, 2048, 8, 8, 0), "flat")
	b := jpegLS(t, frame)
	b = append(b, make([]byte, len(b)%2)...)
	return image(t, n, frame.Description, b, b, b, b[:len(b)/4*2])
}
