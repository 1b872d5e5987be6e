package scp_test

import (
	"bytes"
	"fmt"
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

// compressed makes an instance in JPEG-LS and returns its samples; damage cuts it.
func compressed(t *testing.T, n int, damage bool) (instance, []byte) {
	t.Helper()
	frame := codectest.Draw(codectest.Grey(32, 32, 8, 8, 0), "natural")
	frame.Data[0] = byte(n)
	encoder, err := all.Codecs().Encoder(dicom.JPEGLSLossless.UID)
	if err != nil {
		t.Fatal(err)
	}
	b, err := encoder.Encode(nil, frame, codec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if damage {
		b = b[:len(b)/2]
	}
	d := &dicom.Dataset{}
	sop := fmt.Sprintf("1.2.3.1.%d", n)
	d.SetUID(tag.SOPClassUID, uid.CTImageStorage)
	d.SetUID(tag.SOPInstanceUID, sop)
	d.SetUID(tag.StudyInstanceUID, "1.2.3")
	d.SetUID(tag.SeriesInstanceUID, "1.2.3.1")
	d.SetInts(tag.InstanceNumber, int64(n))
	frame.Description.Apply(d)
	b = append(b, make([]byte, len(b)%2)...)
	d.SetElement(dicom.Element{Tag: tag.PixelData, VR: vr.OB, Undefined: true, Fragments: [][]byte{{}, b}})
	data, err := dicom.AppendDataset(nil, d, dicom.JPEGLSLossless)
	if err != nil {
		t.Fatal(err)
	}
	return instance{uid.CTImageStorage, sop, dicom.JPEGLSLossless.UID, data}, frame.Data
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
