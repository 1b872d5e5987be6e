package scp_test

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/dimse/scp"
	"github.com/aurelius-imaging/aurelius/dimse/scu"
)

// BenchmarkFind500 asks for 500 studies with the keys a workstation asks for. The client's work
// is in the figure.
func BenchmarkFind500(b *testing.B) {
	addr, _ := serve(b, scp.Config{}, nil)
	client := associate(b, addr, scu.Config{Contexts: propose(dicom.ExplicitVRLittleEndian.UID, uid.CTImageStorage, scu.StudyRootFind)})
	for i := range 500 {
		study := fmt.Sprintf("1.2.%d", i)
		in := synthetic(b, study, study+".1", study+".1.1", func(d *dicom.Dataset) {
			d.SetText(tag.StudyDate, "20240101")
			d.SetText(tag.StudyDescription, "CT of the head")
		})
		if status := store(b, client, in); status != dimse.StatusSuccess {
			b.Fatal(status)
		}
	}
	request := keys("STUDY", "", tag.StudyInstanceUID, tag.PatientID, tag.PatientName, tag.StudyDate, tag.StudyTime, tag.AccessionNumber, tag.StudyDescription)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range client.Find(b.Context(), scu.StudyRootFind, request) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 500 {
			b.Fatal(n)
		}
	}
}

// BenchmarkRetrieve moves and gets a series of 100 slices of 526 kB; MB/s are of their bytes.
func BenchmarkRetrieve(b *testing.B) {
	const n = 100
	to := listenSink(b)
	to.discard = true
	addr, _ := serve(b, scp.Config{}, scp.Peers{"SINK": to.addr})
	client := associate(b, addr, scu.Config{Contexts: propose(dicom.ExplicitVRLittleEndian.UID, uid.CTImageStorage)})
	var size int64
	for i := range n {
		in := synthetic(b, "1.2.3", "1.2.3.1", fmt.Sprintf("1.2.3.1.%d", i), func(d *dicom.Dataset) {
			d.SetElement(dicom.Element{Tag: tag.PixelData, VR: tag.PixelData.VR(), Value: make([]byte, 512*512*2)})
		})
		if status := store(b, client, in); status != dimse.StatusSuccess {
			b.Fatal(status)
		}
		size += int64(len(in.data))
	}
	b.Run("C-MOVE", func(b *testing.B) {
		b.SetBytes(size)
		mover := associate(b, addr, moveContexts())
		for b.Loop() {
			if result, err := mover.Move(b.Context(), scu.StudyRootMove, study("1.2.3"), "SINK", nil); err != nil {
				b.Fatal(result, err)
			}
		}
		b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "inst/s")
	})
	b.Run("C-GET", func(b *testing.B) {
		b.SetBytes(size)
		getter := associate(b, addr, getContexts(dicom.ExplicitVRLittleEndian.UID, uid.CTImageStorage))
		for b.Loop() {
			result, err := getter.Get(b.Context(), scu.StudyRootGet, study("1.2.3"), func(_ context.Context, r scu.Received) dimse.Status {
				_, _ = io.Copy(io.Discard, r.Data)
				return dimse.StatusSuccess
			}, nil)
			if err != nil {
				b.Fatal(result, err)
			}
		}
		b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "inst/s")
	})
}
