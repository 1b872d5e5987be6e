package table_test

import (
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/internal/gen/table"
)

func TestTags(t *testing.T) {
	t.Parallel()
	attribute := func(id, keyword, VR string) table.Attribute {
		return table.Attribute{ID: id, Keyword: keyword, Name: keyword, VR: VR, VM: "1", Retired: "N"}
	}
	src, err := table.Tags([]table.Attribute{
		attribute("00280400", "TransformLabel", "LO"), attribute("002804x0", "Rows", "US"), attribute("002804x1", "Columns", "US or SS"),
		attribute("00280020", "", ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"0x00280410, vr.US, 0,", "0x00280411, vr.US, 1,", "{vr.US, vr.SS}"} {
		if !strings.Contains(string(src), want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(string(src), "0x00280020") {
		t.Error("an attribute without keyword is written")
	}
	for _, wrong := range []table.Attribute{attribute("00100", "Short", "LO"), attribute("00000002", "Again", "LO"), attribute("00109999", "Status", "LO")} {
		if _, err := table.Tags([]table.Attribute{wrong}); err == nil {
			t.Errorf("%+v passes", wrong)
		}
	}
}

func TestKeyword(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"CT Image Storage": "CTImageStorage",
		"Multi-frame Single Bit Secondary Capture Image Storage": "MultiFrameSingleBitSecondaryCaptureImageStorage",
		"XA/XRF Grayscale Softcopy Presentation State Storage":   "XAXRFGrayscaleSoftcopyPresentationStateStorage",
		"Macular Grid Thickness and Volume Report":               "MacularGridThicknessAndVolumeReportStorage",
		"12-lead ECG Waveform Storage":                           "TwelveLeadECGWaveformStorage",
		"Digital X-Ray Image Storage - For Presentation":         "DigitalXRayImageStorageForPresentation",
	} {
		if got := table.Keyword(name); got != want {
			t.Errorf("Keyword(%q) = %q, want %q", name, got, want)
		}
	}
}
