package jpegstream_test

import (
	"bytes"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/codec/internal/jpegstream"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// differences draws values as prediction leaves them: small ones mostly, all categories sometimes.
func differences(n int) []int {
	r := rand.New(rand.NewPCG(8, 1))
	out := make([]int, n)
	for i := range out {
		s := min(r.IntN(5), r.IntN(17))
		if r.IntN(50) == 0 {
			s = r.IntN(17)
		}
		if s == 16 {
			out[i] = -32768
		} else if s > 0 {
			out[i] = r.IntN(1<<(s-1)) + 1<<(s-1)
			if r.IntN(2) == 0 {
				out[i] = -out[i]
			}
		}
	}
	return out
}

func category(d int) (symbol byte, extra uint32) {
	if d == -32768 {
		return 16, 0
	}
	s := bits.Len(uint(max(d, -d)))
	if d < 0 {
		d += 1<<s - 1
	}
	return byte(s), uint32(d)
}

// encode writes a stream of one scan whose restart intervals have these differences each.
func encode(ac bool, intervals ...[]int) []byte {
	var freq [256]int
	for _, list := range intervals {
		for _, d := range list {
			s, _ := category(d)
			freq[s]++
		}
	}
	class := 0
	if ac {
		class = 1
	}
	spec := jpegstream.Optimal(&freq)
	codes := spec.Codes()
	f := jpegstream.Frame{Process: jpegstream.SOF3, Precision: 16, Rows: 1, Columns: 1, N: 1}
	f.Components[0] = jpegstream.Component{ID: 1, H: 1, V: 1}
	out := jpegstream.AppendMarker(nil, jpegstream.SOI)
	out = jpegstream.AppendSegment(out, jpegstream.APP0, []byte("JFIF\x00 and more")...)
	out = jpegstream.AppendSegment(out, jpegstream.APP14, []byte("Adobe\x00\x64\x00\x00\x00\x00\x02")...)
	out = jpegstream.AppendSegment(out, jpegstream.COM, []byte("\xFF\xD9 is no marker here")...)
	out = jpegstream.AppendFrame(out, f)
	out = jpegstream.AppendHuffman(append(out, 0xFF), class, 3, spec) // a fill byte before the marker
	out = jpegstream.AppendScan(out, f, jpegstream.Scan{N: 1, Ss: 1, Components: [4]jpegstream.ScanComponent{{Td: 3, Ta: 3}}})
	for i, list := range intervals {
		if i > 0 {
			out = jpegstream.AppendMarker(out, jpegstream.RST0+byte((i-1)&7))
		}
		data := make([]byte, 8*len(list)+16)
		var w jpegstream.Writer
		for _, d := range list {
			s, extra := category(d)
			n := int(s & 15)
			w = w.Put(data, codes[s].Bits()<<n|extra, codes[s].Length()+n)
		}
		w = w.Flush(data)
		out = append(out, data[:w.Pos]...)
	}
	return jpegstream.AppendMarker(out, jpegstream.EOI)
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	want := differences(100_000)
	src := encode(false, want[:70_000], want[70_000:70_001], nil, want[70_001:])
	var s jpegstream.Stream
	if err := s.Open(src); err != nil {
		t.Fatal(err)
	}
	more, err := s.Next()
	if err != nil || !more {
		t.Fatal(more, err)
	}
	if !s.JFIF || s.Adobe != (jpegstream.Adobe{Present: true, Transform: 2}) || s.Frame.Precision != 16 || s.Scan.Ss != 1 {
		t.Errorf("%v %+v %+v %+v", s.JFIF, s.Adobe, s.Frame, s.Scan)
	}
	h := &s.DC[s.Scan.Components[0].Td]
	if err := h.Ready(); err != nil {
		t.Fatal(err)
	}
	data := s.Data()
	var b jpegstream.Bits
	for i, d := range want {
		switch i {
		case 70_000, 70_001:
			var ok bool
			if b, ok = b.Restart(data, i-70_000); !ok {
				t.Fatalf("no restart marker at %d", i)
			}
			if i == 70_001 {
				if _, ok = b.Restart(data, 3); ok {
					t.Fatal("RST2 taken for RST3")
				}
				if b, ok = b.Restart(data, 2); !ok {
					t.Fatal("no RST2 after an empty interval")
				}
			}
		}
		if b.N < 32 {
			b = b.Fill(data)
		}
		e := h.Fast[b.Acc>>jpegstream.LookShift]
		if e.Open() {
			if e = h.Long(b.Acc); e == 0 {
				t.Fatalf("no code at %d", i)
			}
		}
		if e.Value() != d {
			t.Fatalf("%d: %d, want %d", i, e.Value(), d)
		}
		b = b.Take(e)
	}
	if b.N < 0 {
		t.Errorf("%d bits too few", -b.N)
	}
	s.Skip(b.Pos)
	if more, err := s.Next(); more || err != nil {
		t.Error(more, err)
	}
}

// TestACTable: in an AC table 0x10 is a run without a value, and the extra bits are SSSS of RRRRSSSS.
func TestACTable(t *testing.T) {
	t.Parallel()
	freq := [256]int{0x10: 1, 0x21: 1, 0xFA: 1}
	codes := jpegstream.Optimal(&freq).Codes()
	var s jpegstream.Stream
	src := jpegstream.AppendHuffman(jpegstream.AppendMarker(nil, jpegstream.SOI), 1, 0, jpegstream.Optimal(&freq))
	if err := s.Open(src); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	if err := s.AC[0].Ready(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		symbol byte
		extra  uint32
		value  int
	}{{0x10, 0, 0}, {0x21, 0, -1}, {0x21, 1, 1}, {0xFA, 1023, 1023}, {0xFA, 0, -1023}} {
		n := codes[c.symbol].Length() + int(c.symbol&15)
		acc := uint64(codes[c.symbol].Bits()<<(c.symbol&15)|c.extra) << (64 - n)
		e := s.AC[0].Fast[acc>>jpegstream.LookShift]
		if e.Open() {
			e = s.AC[0].Long(acc)
		}
		if e.Length() != n || e.Symbol() != int(c.symbol) || e.Value() != c.value || e.Open() {
			t.Errorf("%02X %d: %d bits, symbol %02X, value %d", c.symbol, c.extra, e.Length(), e.Symbol(), e.Value())
		}
	}
	if e := s.AC[0].Long(1<<64 - 1); e != 0 {
		t.Errorf("all ones are no code, but %x", e)
	}
	if err := s.DC[0].Ready(); !errs.Is(err, errs.Invalid) {
		t.Errorf("a table that is not there: %v", err)
	}
}

func TestEndOfData(t *testing.T) {
	t.Parallel()
	for _, data := range [][]byte{{0xAB}, {0xAB, 0xFF}, {0xAB, 0xFF, 0xD9, 1, 2, 3, 4, 5, 6, 7, 8}, {0xAB, 0xFF, 0xFF, 0xD0}} {
		b := jpegstream.Bits{}.Fill(data)
		if b.N != 8 || b.Peek(8) != 0xAB || b.Peek(16) != 0xAB00 {
			t.Errorf("% X: %d bits, %X", data, b.N, b.Acc)
		}
		if b = b.Drop(20).Fill(data); b.N != -12 || b.Acc != 0 || b.Pos != 1 {
			t.Errorf("% X: %+v", data, b)
		}
	}
	b := jpegstream.Bits{}.Fill([]byte{0xFF, 0, 0x12, 0xFF, 0xFF, 0, 0x34})
	if b.N != 32 || b.Peek(32) != 0xFF12FF34 {
		t.Errorf("stuffed: %+v", b)
	}
}

// TestOptimal holds the table to the rules of B.2.4.2 and to the entropy.
func TestOptimal(t *testing.T) {
	t.Parallel()
	fibonacci := [256]int{1, 1}
	for i := 2; i < 40; i++ {
		fibonacci[i] = fibonacci[i-1] + fibonacci[i-2]
	}
	var all, one, none [256]int
	for i := range all {
		all[i] = 1 + i*i*i
	}
	one[16] = 5
	for name, freq := range map[string][256]int{"fibonacci": fibonacci, "all": all, "one": one, "none": none} {
		spec := jpegstream.Optimal(&freq)
		codes := spec.Codes()
		used, kraft := 0, 0
		for i, n := range freq {
			if n > 0 != (codes[i] != 0) {
				t.Errorf("%s: symbol %d of frequency %d has code %x", name, i, n, codes[i])
			}
			if l := codes[i].Length(); n > 0 {
				used++
				kraft += 1 << (16 - l)
				if codes[i].Bits() == 1<<l-1 {
					t.Errorf("%s: a code of all ones", name)
				}
			}
		}
		if used != len(spec.Values) || kraft >= 1<<16 {
			t.Errorf("%s: %d values of %d, Kraft %d", name, len(spec.Values), used, kraft)
		}
	}
	if n := jpegstream.Optimal(&one).Codes()[16].Length(); n != 1 {
		t.Errorf("one symbol has %d bits", n)
	}
}

func TestDamagedSegments(t *testing.T) {
	t.Parallel()
	const frame = "\xFF\xC3\x00\x0B\x08\x00\x01\x00\x01\x01\x01\x11\x00"
	for name, src := range map[string]string{
		"no SOI":                 "\xFF\xD9",
		"two SOI":                "\xFF\xD8",
		"segment cut off":        "\xFF\xFE\x00\x10abc",
		"segment of one byte":    "\xFF\xFE\x00\x01",
		"length cut off":         "\xFF\xFE\x00",
		"frame header short":     "\xFF\xC3\x00\x08\x08\x00\x01\x00\x01\x01",
		"frame without columns":  "\xFF\xC3\x00\x0B\x08\x00\x01\x00\x00\x01\x01\x11\x00",
		"frame of 1 bit":         "\xFF\xC3\x00\x0B\x01\x00\x01\x00\x01\x01\x01\x11\x00",
		"sampling 0":             "\xFF\xC3\x00\x0B\x08\x00\x01\x00\x01\x01\x01\x01\x00",
		"two frames":             frame + frame,
		"scan first":             "\xFF\xDA\x00\x08\x01\x01\x00\x01\x00\x00",
		"scan of another":        frame + "\xFF\xDA\x00\x08\x01\x02\x00\x01\x00\x00",
		"scan of two":            frame + "\xFF\xDA\x00\x0A\x02\x01\x00\x01\x00\x01\x00\x00",
		"scan of table 4":        frame + "\xFF\xDA\x00\x08\x01\x01\x40\x01\x00\x00",
		"DHT cut off":            "\xFF\xC4\x00\x03\x00",
		"DHT of 16 values, none": "\xFF\xC4\x00\x13\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"three codes of 1 bit":   "\xFF\xC4\x00\x16\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x02\x03",
		"category 17":            "\xFF\xC4\x00\x14\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x11",
		"DQT cut off":            "\xFF\xDB\x00\x05\x00\x01\x01",
		"DRI of 3 bytes":         "\xFF\xDD\x00\x05\x00\x01\x01",
	} {
		if name != "no SOI" {
			src = "\xFF\xD8" + src
		}
		var s jpegstream.Stream
		err := s.Open([]byte(src))
		if err == nil {
			if _, err = s.Next(); err == nil {
				_, err = s.Next()
			}
		}
		if !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
	for name, src := range map[string]string{
		"arithmetic":   "\xFF\xC9\x00\x02",
		"hierarchical": "\xFF\xDE\x00\x02",
		"5 components": "\xFF\xC3\x00\x17\x08\x00\x01\x00\x01\x05" + "\x01\x11\x00\x02\x11\x00\x03\x11\x00\x04\x11\x00\x05\x11\x00",
	} {
		var s jpegstream.Stream
		if err := s.Open([]byte("\xFF\xD8" + src)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Next(); !errs.Is(err, errs.Unsupported) {
			t.Errorf("%s: %v, want unsupported", name, err)
		}
	}
}

// TestQuantisation reads tables of 8 and 16 bits in one segment, and a DNL.
func TestQuantisation(t *testing.T) {
	t.Parallel()
	p := append([]byte{0x02}, bytes.Repeat([]byte{7}, 64)...)
	p = append(append(p, 0x11), bytes.Repeat([]byte{1, 2}, 64)...)
	src := jpegstream.AppendSegment(jpegstream.AppendMarker(nil, jpegstream.SOI), jpegstream.DQT, p...)
	src = jpegstream.AppendSegment(append(src, "left over"...), jpegstream.DRI, 1, 2)
	src = jpegstream.AppendSegment(src, jpegstream.DNL, 3, 4)
	var s jpegstream.Stream
	if err := s.Open(src); err != nil {
		t.Fatal(err)
	}
	if more, err := s.Next(); more || err != nil {
		t.Fatal(more, err)
	}
	if s.HasQuant != [4]bool{1: true, 2: true} || s.Quant[2][63] != 7 || s.Quant[1][63] != 0x0102 || s.RestartInterval != 0x0102 || s.Frame.Rows != 0x0304 {
		t.Errorf("%v %d %d %d %d", s.HasQuant, s.Quant[2][63], s.Quant[1][63], s.RestartInterval, s.Frame.Rows)
	}
}
