package jpeg_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image/jpeg"
	"math"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	dct "github.com/aurelius-imaging/aurelius/dicom/codec/jpeg"
	"github.com/aurelius-imaging/aurelius/dicom/codec/ycc"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// The files are those of libjpeg-turbo 3.2 (Pillow: quality, subsampling, optimize), to the byte:
// these are the checksums of its files, 7 sizes x 4 contents x 4 qualities each.
func TestSameFilesAsLibjpeg(t *testing.T) {
	t.Parallel()
	own := func(f codec.Frame, quality int) ([]byte, error) {
		return dct.Baseline().Encode(nil, f, codec.Options{Quality: quality})
	}
	picture := func(s dct.Sampling) func(codec.Frame, int) ([]byte, error) {
		return func(f codec.Frame, quality int) ([]byte, error) { return dct.AppendPicture(nil, f, quality, s) }
	}
	for _, c := range []struct {
		name   string
		d      func(rows, columns int) codec.Description
		encode func(codec.Frame, int) ([]byte, error)
		want   string
	}{
		{"grey", grey(8, 8, 0), own, "9957de1a218771da1a21b1e2b3da20e8e685cb1fadeb185b6e053c4bf331cd2c"},
		{"4:2:2", color("RGB"), own, "790a69711f84b05fdb28c6b99fe1bcbefbf7753d7e4b1f5b9811316644777918"},
		{"grey, standard tables", grey(8, 8, 0), picture(dct.S444), "5e6c8d62a5bb4fd4026877d7096749a2fbcdbfc94147bf493a87ed613e06e3ff"},
		{"4:4:4, standard tables", color("RGB"), picture(dct.S444), "2aa8d698660a58d017e371e22818f9f13d0318fdb5071b02910089fe037737b8"},
		{"4:2:2, standard tables", color("RGB"), picture(dct.S422), "8cdd298b51219fdb73327089b6065eca594bdb41f7685f9bd45f67699e9f1ad3"},
		{"4:2:0, standard tables", color("RGB"), picture(dct.S420), "20e4aec44412cc26edd9890342441c8319d5fa8fc7acb66924a8dbef0fa39c7a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sum := sha256.New()
			for _, s := range sizes {
				for _, content := range []string{"flat", "noise", "extremes", "natural"} {
					for _, quality := range []int{1, 50, 90, 100} {
						b, err := c.encode(codectest.Draw(c.d(s[0], s[1]), content), quality)
						if err != nil {
							t.Fatal(err)
						}
						sum.Write(b)
					}
				}
			}
			if got := hex.EncodeToString(sum.Sum(nil)); got != c.want {
				t.Errorf("other files: %s", got)
			}
		})
	}
}

// What the header has to say afterwards (PS3.5 8.2.1).
func TestDescribe(t *testing.T) {
	for _, c := range []struct{ in, want codec.Description }{
		{codectest.Color(9, 9, 8, 8, "RGB"), codectest.Color(9, 9, 8, 8, "YBR_FULL_422")},
		{codectest.Color(9, 9, 8, 8, "YBR_FULL"), codectest.Color(9, 9, 8, 8, "YBR_FULL")},
		{codectest.Grey(9, 9, 8, 16, 0), codectest.Grey(9, 9, 8, 8, 0)},
		{codectest.Grey(9, 9, 10, 16, 0), codectest.Grey(9, 9, 12, 16, 0)},
	} {
		if d, err := dct.Extended().Describe(c.in, codec.Options{}); err != nil || d != c.want {
			t.Errorf("%+v: %+v, %v", c.in, d, err)
		}
	}
	if !dct.Baseline().Lossy(codec.Options{Quality: 100}) {
		t.Error("not lossy")
	}
}

// Bits above Bits Stored, overlays of old for example, are no part of the samples; samples of two
// bytes are encoded as those of one.
func TestSamplesOfTwoBytes(t *testing.T) {
	for _, d := range []codec.Description{codectest.Grey(20, 30, 8, 16, 0), codectest.Grey(20, 30, 12, 16, 0), codectest.Color(20, 30, 8, 16, "RGB")} {
		clean := codectest.Draw(d, "natural")
		want, err := dct.Extended().Encode(nil, clean, codec.Options{})
		if err != nil {
			t.Fatal(err)
		}
		dirty := codectest.Draw(d, "natural")
		for i := 1; i < len(dirty.Data); i += 2 {
			dirty.Data[i] |= 0xF0
		}
		if got, err := dct.Extended().Encode(nil, dirty, codec.Options{}); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%+v: bits above those stored change the picture, %v", d, err)
		}
		if d.BitsStored > 8 {
			continue
		}
		narrow := d
		narrow.BitsAllocated = 8
		f, err := narrow.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range f.Data {
			f.Data[i] = clean.Data[2*i]
		}
		if got, err := dct.Extended().Encode(nil, f, codec.Options{}); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%+v: another picture than with one byte, %v", d, err)
		}
	}
}

// Colour comes back: RGB, encoded with chroma for every second pixel, against itself.
func TestColourRoundTrip(t *testing.T) {
	f := codectest.Draw(codectest.Color(64, 96, 8, 8, "RGB"), "natural")
	for i := range 64 * 96 { // little colour, as in life
		for s := 1; s < 3; s++ {
			f.Data[3*i+s] = byte((7*int(f.Data[3*i]) + int(f.Data[3*i+s])) / 8)
		}
	}
	b, err := dct.Baseline().Encode(nil, f, codec.Options{Quality: 95})
	if err != nil {
		t.Fatal(err)
	}
	got := decode(t, b, f.Description)
	if got.PhotometricInterpretation != "YBR_FULL_422" {
		t.Fatal(got.PhotometricInterpretation)
	}
	ycc.ToRGB(got.Data, got.Data)
	var sum float64
	for i, v := range got.Data {
		sum += math.Pow(float64(v)-float64(f.Data[i]), 2)
	}
	if rms := math.Sqrt(sum / float64(len(f.Data))); rms > 4 {
		t.Errorf("off by %.1f in the mean", rms)
	}
}

// What is shown of YCbCr is what libjpeg-turbo shows, once it is converted.
func TestShown(t *testing.T) {
	f := decode(t, fixture(t, "444"), codectest.Color(rows, columns, 8, 8, "YBR_FULL_422"))
	ycc.ToRGB(f.Data, f.Data)
	wantSum(t, f, "96f458108606cb52bd0110a1c2aeb8673fd1acc72272c578283da58503101bfe")
}

func TestPicture(t *testing.T) {
	for _, d := range []codec.Description{codectest.Grey(33, 17, 8, 8, 0), codectest.Color(33, 17, 8, 8, "RGB"), codectest.Color(33, 17, 8, 8, "YBR_FULL")} {
		b, err := dct.AppendPicture([]byte("kept"), codectest.Draw(d, "natural"), 0, dct.S420)
		if err != nil || !bytes.HasPrefix(b, []byte("kept")) {
			t.Fatal(err)
		}
		if p, err := jpeg.Decode(bytes.NewReader(b[4:])); err != nil || p.Bounds().Dx() != 17 || p.Bounds().Dy() != 33 {
			t.Errorf("image/jpeg: %v", err)
		}
	}
	palette := codectest.Grey(33, 17, 8, 8, 0)
	palette.PhotometricInterpretation = "PALETTE COLOR"
	for _, d := range []codec.Description{palette, codectest.Grey(33, 17, 12, 16, 0), codectest.Color(33, 17, 8, 8, "HSV")} {
		if _, err := dct.AppendPicture(nil, codectest.Draw(d, "flat"), 0, dct.S420); !errs.Is(err, errs.Unsupported) {
			t.Errorf("%+v: %v", d, err)
		}
	}
	short := codectest.Draw(codectest.Grey(33, 17, 8, 8, 0), "flat")
	short.Data = short.Data[1:]
	if _, err := dct.AppendPicture(nil, short, 0, dct.S420); !errs.Is(err, errs.Invalid) {
		t.Errorf("a frame without its last sample: %v", err)
	}
}

// DCMTK reads what is written here, and sees the same samples.
func TestDCMTK(t *testing.T) {
	t.Parallel()
	tool, dir := testkit.Tool(t, "dcmdjpeg"), t.TempDir()
	for i, e := range []codec.Encoder{dct.Baseline(), dct.Extended()} {
		of := []func(rows, columns int) codec.Description{grey(8, 8, 0), color("RGB"), color("YBR_FULL")}
		if i == 1 {
			of = append(of, grey(12, 16, 0), grey(10, 16, 0))
		}
		for k, d := range shapes(of...) {
			t.Run(fmt.Sprintf("%s %d", e.TransferSyntax().UID, k), func(t *testing.T) {
				b, err := e.Encode(nil, codectest.Draw(d, "natural"), codec.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if d, err = e.Describe(d, codec.Options{}); err != nil {
					t.Fatal(err)
				}
				in, out := filepath.Join(dir, fmt.Sprint(i, k)), filepath.Join(dir, fmt.Sprint(i, k, "native"))
				codectest.Write(t, in, e.TransferSyntax(), d, b)
				if msg, err := exec.Command(tool, "+px", "+cn", in, out).CombinedOutput(); err != nil || len(msg) > 0 {
					t.Fatalf("%v: %s", err, msg)
				}
				want := decode(t, b, d)
				got := codectest.Open(t, out).Encoded(t, 1)
				if len(got) < len(want.Data) || !bytes.Equal(got[:len(want.Data)], want.Data) {
					t.Error("other samples")
				}
			})
		}
	}
}
