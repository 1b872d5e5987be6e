package jpeg_test

import (
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpeg"
)

func FuzzDecode(f *testing.F) {
	var seeds []codectest.Specimen
	for _, name := range []string{"420", "422", "440", "411", "luma-less", "scans-pair", "restart-scans", "progressive", "progressive-restart", "quant16", "rgb"} {
		seeds = append(seeds, codectest.Specimen{Description: codectest.Color(rows, columns, 8, 8, "RGB"), Encoded: fixture(f, name)})
	}
	seeds = append(seeds,
		codectest.Specimen{Description: codectest.Grey(rows, columns, 8, 16, 0), Encoded: fixture(f, "grey-2x2")},
		codectest.Specimen{Description: codectest.Color(rows, columns, 12, 16, "YBR_FULL"), Encoded: fixture(f, "c12-420")})
	codectest.Fuzz(f, jpeg.Baseline(), seeds...)
}

// FuzzEncode holds the encoder and the decoder to each other: at quality 100 no sample is far off,
// whatever the frame.
func FuzzEncode(f *testing.F) {
	f.Add([]byte{1, 2, 3, 255, 0, 9, 77, 200}, byte(3), byte(12))
	f.Add([]byte{0, 255}, byte(17), byte(8))
	f.Fuzz(func(t *testing.T, samples []byte, columns, stored byte) {
		d := codectest.Grey(9, max(int(columns), 1), 8, 8, 0)
		if stored > 8 {
			d = codectest.Grey(9, max(int(columns), 1), 12, 16, 0)
		}
		frame, err := d.New(nil)
		if err != nil || len(samples) == 0 {
			t.Skip()
		}
		for i := range frame.Data {
			frame.Data[i] = samples[i%len(samples)]
			if d.BitsStored == 12 && i%2 == 1 {
				frame.Data[i] &= 15
			}
		}
		encoded, err := jpeg.Extended().Encode(nil, frame, codec.Options{Quality: 100})
		if err != nil {
			t.Fatal(err)
		}
		got, err := jpeg.Extended().Decode(encoded, d, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(got.Data); i += d.Width() {
			a, b := int(got.Data[i]), int(frame.Data[i])
			if d.Width() == 2 {
				a, b = a|int(got.Data[i+1])<<8, b|int(frame.Data[i+1])<<8
			}
			if a-b > 3 || b-a > 3 {
				t.Fatalf("sample %d is %d, was %d", i/d.Width(), a, b)
			}
		}
	})
}
