package jpeglossless_test

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpeglossless"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// shapes are what the encoders take: every depth, both signs, odd sizes, all photometric
// interpretations.
func shapes() (out []codec.Description) {
	for stored := 1; stored <= 16; stored++ {
		for signed := range 2 {
			if stored <= 8 {
				out = append(out, codectest.Grey(33, 17, stored, 8, signed))
			}
			out = append(out, codectest.Grey(17, 33, stored, 16, signed))
		}
	}
	for _, size := range [][2]int{{1, 1}, {1, 9}, {9, 1}, {7, 5}, {2, 2}, {300, 200}} {
		out = append(out, codectest.Grey(size[0], size[1], 12, 16, 0), codectest.Grey(size[0], size[1], 8, 8, 0),
			codectest.Color(size[0], size[1], 8, 8, "RGB"), codectest.Color(size[0], size[1], 16, 16, "RGB"))
	}
	for _, p := range []string{"YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "HSV"} {
		out = append(out, codectest.Color(33, 17, 8, 8, p))
	}
	palette, inverse, cmyk := codectest.Grey(33, 17, 8, 8, 0), codectest.Grey(33, 17, 10, 16, 0), codectest.Color(33, 17, 8, 8, "CMYK")
	palette.PhotometricInterpretation, inverse.PhotometricInterpretation, cmyk.SamplesPerPixel = "PALETTE COLOR", "MONOCHROME1", 4
	return append(out, palette, inverse, cmyk)
}

// refused are what no lossless JPEG holds.
func refused() []codec.Description {
	float := codectest.Grey(4, 4, 32, 32, 0)
	float.Float = true
	two := codectest.Grey(4, 4, 8, 8, 0)
	two.SamplesPerPixel = 2
	return []codec.Description{codectest.Grey(4, 4, 1, 1, 0), codectest.Grey(4, 4, 12, 12, 0), codectest.Grey(4, 4, 32, 32, 0),
		codectest.Grey(4, 4, 64, 64, 0), float, two}
}

func TestSV1(t *testing.T) {
	t.Parallel()
	codectest.Run(t, codectest.Suite{Codec: jpeglossless.SV1(), Files: 122, Shapes: shapes(), Refuse: refused()})
}

func TestProcess14(t *testing.T) {
	t.Parallel()
	codectest.Run(t, codectest.Suite{Codec: jpeglossless.Process14(), Files: 2, Shapes: shapes(), Refuse: refused()})
}

// TestMalformedFiles: files that some readers could not take. The sums are those of what pylibjpeg
// and GDCM give for the first three and libjpeg-turbo for the last, which has no delimiter.
func TestMalformedFiles(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"bad-sequence.dcm":             "ef7120ddfc77c166ecdc5ffb99715deff8be9f3e7c0409021c0e06b962d2a61a",
		"issue140-3x3-jpeg.dcm":        "38a8a367bc91744f9b07099ed1d6cde5e6c89030f0e99702dcfad62913a2dfe2",
		"jpeg-lossless-bad.dcm":        "c45111778adeb670060f83629a7dd581d03c3d020965cc8ab40514e8d672a143",
		"gh1339-missing-delimiter.dcm": "53a1da994838c5cc886c35e68f424359c44a00c640c549ed812d7100dfb6bc78",
	} {
		m := codectest.Open(t, filepath.Join(testkit.Shared(t), "data", "malformed", "real", name))
		f, err := jpeglossless.Process14().Decode(m.Encoded(t, 1), m.Description, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if sum := sha256.Sum256(f.Data); hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s: other samples", name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	grey, grey8, rgb := codectest.Draw(codectest.Grey(7, 5, 16, 16, 0), "extremes"), codectest.Draw(codectest.Grey(5, 9, 8, 8, 0), "natural"), codectest.Draw(codectest.Color(5, 7, 8, 8, "RGB"), "natural")
	var seeds []codectest.Specimen
	for _, s := range []struct {
		codec.Frame
		variant
	}{
		{grey, variant{predictor: 1}},
		{grey, variant{predictor: 4, interval: 2, transform: 3, tail: "\xFF\xD9"}},
		{grey8, variant{predictor: 7, fill: "\xFF"}},
		{grey8, variant{predictor: 2, rows: 1, tail: "\xFF\xDC\x00\x04\x00\x05\xFF\xD9"}},
		{rgb, variant{predictor: 1, interval: 3}},
		{rgb, variant{predictor: 5, scans: [][]int{{1}, {0, 2}}}},
	} {
		seeds = append(seeds, codectest.Specimen{Description: s.Description, Encoded: reference(s.Frame, s.variant)})
	}
	codectest.Fuzz(f, jpeglossless.Process14(), seeds...)
}
