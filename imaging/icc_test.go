package imaging_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/aurelius-imaging/aurelius/imaging"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

func s15(v float64) []byte {
	return binary.BigEndian.AppendUint32(nil, uint32(int32(math.Round(v*65536))))
}

// profile puts tags together to an RGB profile.
func profile(pcs string, tags ...any) []byte {
	head := make([]byte, 128)
	copy(head[12:], "mntrRGB "+pcs)
	copy(head[36:], "acsp")
	table := binary.BigEndian.AppendUint32(nil, uint32(len(tags)/2))
	var data []byte
	for i := 0; i < len(tags); i += 2 {
		b := tags[i+1].([]byte)
		table = append(table, tags[i].(string)...)
		table = binary.BigEndian.AppendUint32(table, uint32(132+6*len(tags)+len(data)))
		table = binary.BigEndian.AppendUint32(table, uint32(len(b)))
		data = append(data, b...)
	}
	b := append(append(head, table...), data...)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

func xyz(x, y, z float64) []byte {
	b := append([]byte("XYZ \x00\x00\x00\x00"), s15(x)...)
	return append(append(b, s15(y)...), s15(z)...)
}

func matrix(gamma float64, r, g, b []byte) []byte {
	trc := append([]byte("curv\x00\x00\x00\x00\x00\x00\x00\x01"), byte(uint16(gamma*256)>>8), byte(uint16(gamma*256)), 0, 0)
	return profile("XYZ ", "desc", []byte("desc\x00\x00\x00\x00\x00\x00\x00\x05Mine\x00"), "rXYZ", r, "gXYZ", g, "bXYZ", b, "rTRC", trc, "gTRC", trc, "bTRC", trc)
}

// TestMatrixProfile: the values are lcms2's for the same profile, relative colorimetric.
func TestMatrixProfile(t *testing.T) {
	p, err := imaging.ReadProfile(matrix(2.19921875, xyz(.60974, .31111, .01947), xyz(.20528, .62567, .06087), xyz(.14919, .06322, .74457)))
	if err != nil {
		t.Fatal(err)
	}
	if p.SRGB() || p.Name() != "Mine" {
		t.Errorf("%q, sRGB %v", p.Name(), p.SRGB())
	}
	for in, want := range map[[3]uint8][3]uint8{
		{0, 0, 0}: {0, 0, 0}, {255, 255, 255}: {255, 255, 255}, {128, 128, 128}: {129, 129, 129}, {200, 100, 50}: {227, 100, 42}, {50, 200, 100}: {0, 201, 92}, {10, 20, 240}: {0, 12, 245}, {255, 0, 0}: {255, 0, 0},
	} {
		pix := append(in[:], 9)
		p.Convert(pix)
		for c, v := range want {
			if d := int(pix[c]) - int(v); d < -1 || d > 1 {
				t.Errorf("%v becomes %v, want %v", in, pix[:3], want)
			}
		}
		if pix[3] != 9 {
			t.Error("the fourth byte changes")
		}
	}
}

func TestSRGBProfile(t *testing.T) {
	p, err := imaging.ReadProfile(matrix(2.2, xyz(.43607, .22249, .01392), xyz(.38515, .71687, .09708), xyz(.14307, .06061, .71410)))
	if err != nil || p.SRGB() {
		t.Errorf("gamma 2.2 is taken for sRGB, whose darks are lighter: %v", err)
	}
	curve := []byte("para\x00\x00\x00\x00\x00\x03\x00\x00")
	for _, v := range []float64{2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045} {
		curve = append(curve, s15(v)...)
	}
	p, err = imaging.ReadProfile(profile("XYZ ", "rXYZ", xyz(.43607, .22249, .01392), "gXYZ", xyz(.38515, .71687, .09708), "bXYZ", xyz(.14307, .06061, .71410),
		"rTRC", curve, "gTRC", curve, "bTRC", curve))
	if err != nil || !p.SRGB() {
		t.Errorf("sRGB under no name is not known: %v", err)
	}
}

// lab is a table of two points a side, whose corners have the lightness of how many samples are
// full: 0, 33, 67 or 100.
func lab(kind string) []byte {
	b := append([]byte(kind), 0, 0, 0, 0, 3, 3, 2, 0)
	b = append(b, make([]byte, 36)...)
	add := func(v float64) {
		if kind == "mft1" {
			b = append(b, byte(math.Round(v*255)))
		} else {
			b = binary.BigEndian.AppendUint16(b, uint16(math.Round(v*65280)))
		}
	}
	n := 256
	if kind == "mft2" {
		n = 2
		b = append(b, 0, 2, 0, 2)
	}
	ramp := func() {
		for range 3 {
			for i := range n {
				if kind == "mft1" {
					b = append(b, byte(i))
				} else {
					b = binary.BigEndian.AppendUint16(b, uint16(i*65535))
				}
			}
		}
	}
	ramp()
	for i := range 8 {
		add(float64(i&1+i>>1&1+i>>2) / 3)
		add(128.0 / 255)
		add(128.0 / 255)
	}
	ramp()
	return b
}

// TestTableProfile: lightness 0, 50 and 100 are 0, 119 and 255 in sRGB.
func TestTableProfile(t *testing.T) {
	for _, kind := range []string{"mft1", "mft2"} {
		p, err := imaging.ReadProfile(profile("Lab ", "A2B0", lab(kind)))
		if err != nil {
			t.Fatal(kind, err)
		}
		pix := []uint8{0, 0, 0, 0, 128, 128, 128, 0, 255, 255, 255, 0, 255, 0, 128, 0}
		p.Convert(pix)
		for i, want := range []int{0, 119, 255, 119} {
			for c := range 3 {
				if d := int(pix[4*i+c]) - want; d < -2 || d > 2 {
					t.Errorf("%s: %v, want grey of %d", kind, pix[4*i:4*i+3], want)
				}
			}
		}
	}
}

func TestHostileProfiles(t *testing.T) {
	good := [][]byte{matrix(1.8, xyz(1e4, -1e4, 0), xyz(0, 1, 0), xyz(0, 0, 1)), profile("Lab ", "A2B0", lab("mft1")), profile("Lab ", "A2B0", lab("mft2"))}
	r := rand.New(rand.NewPCG(1, 2))
	for _, b := range good {
		for range 25 { // headers are at the front
			damaged := bytes.Clone(b)
			damaged[128+r.IntN(min(len(b)-128, 100))] = []byte{0, 1, 0x7F, 0xFF}[r.IntN(4)]
			tryProfile(t, damaged)
			tryProfile(t, b[:r.IntN(len(b))])
		}
	}
	for _, b := range [][]byte{nil, make([]byte, 128), profile("XYZ "), profile("Luv "), profile("Lab ", "A2B0", []byte("mAB \x00\x00\x00\x00\x03\x03\x00\x00\xff\xff\xff\xff                "))} {
		if _, err := imaging.ReadProfile(b); !errs.Is(err, errs.Unsupported) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
}

func tryProfile(t testing.TB, b []byte) {
	p, err := imaging.ReadProfile(b)
	if err != nil {
		if !errs.Is(err, errs.Unsupported) {
			t.Fatal(err)
		}
		return
	}
	p.Convert([]uint8{0, 128, 255, 1, 255, 255, 255, 1})
}

func FuzzProfile(f *testing.F) {
	f.Add(matrix(1.8, xyz(1, 0, 0), xyz(0, 1, 0), xyz(0, 0, 1)))
	f.Add(profile("Lab ", "A2B0", lab("mft2")))
	f.Fuzz(func(t *testing.T, b []byte) { tryProfile(t, b) })
}
