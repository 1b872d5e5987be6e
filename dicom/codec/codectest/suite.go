package codectest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// Suite says what to expect of a codec beside its contract.
type Suite struct {
	Codec    codec.Codec
	Files    int                           // how many images the corpus has of the syntax, at least
	Skip     func(s testkit.Sample) string // a reason not to compare a corpus file; "" compares it
	Shapes   []codec.Description           // what an Encoder takes; round trips run over them
	Options  []codec.Options               // to encode with; none: the zero value
	MaxError func(o codec.Options) int     // largest difference of a sample after a lossy round trip
	Refuse   []codec.Description           // what the Encoder must refuse with errs.Unsupported
}

// Run runs the suite.
func Run(t *testing.T, s Suite) {
	if len(s.Options) == 0 {
		s.Options = []codec.Options{{}}
	}
	t.Run("corpus", func(t *testing.T) { s.corpus(t) })
	t.Run("round trip", func(t *testing.T) { s.roundTrips(t) })
	t.Run("refuse", func(t *testing.T) { s.refusals(t) })
	t.Run("damage", func(t *testing.T) { s.damage(t) })
	t.Run("concurrent", func(t *testing.T) { s.concurrent(t) })
	t.Run("memory", func(t *testing.T) { s.memory(t) })
}

// corpus decodes every frame of every image in the syntax and compares the samples.
func (s Suite) corpus(t *testing.T) {
	t.Parallel()
	uid := s.Codec.TransferSyntax().UID
	dir, files := testkit.Corpus(t, func(f testkit.Sample) bool {
		return f.TransferSyntax == uid && f.Pixels != nil && f.Pixels.SHA256 != "" && strings.HasSuffix(f.Path, ".dcm") && !strings.HasPrefix(f.Path, "malformed/")
	})
	compared := 0
	for _, f := range files {
		if s.Skip != nil && s.Skip(f) != "" {
			continue
		}
		compared++
		t.Run(f.Path, func(t *testing.T) { compare(t, s.Codec, dir, f) })
	}
	if compared < s.Files {
		t.Errorf("%d images compared, the corpus has %d", compared, s.Files)
	}
}

func compare(t *testing.T, c codec.Codec, dir string, f testkit.Sample) {
	m := Open(t, dir, f.Path)
	all := sha256.New()
	var buf []byte
	for n := 1; n <= m.Index.Frames(); n++ {
		frame, err := c.Decode(m.Encoded(t, n), m.Description, buf)
		if err != nil {
			t.Fatalf("frame %d: %v", n, err)
		}
		buf = frame.Data
		if frame.Check("codectest") != nil || frame.Rows != m.Rows || frame.Columns != m.Columns {
			t.Fatalf("frame %d: %d bytes of %+v", n, len(frame.Data), frame.Description)
		}
		if n == 1 && f.Pixels.Photometric != "" && frame.PhotometricInterpretation != f.Pixels.Photometric {
			t.Errorf("samples are said to be %s, want %s", frame.PhotometricInterpretation, f.Pixels.Photometric)
		}
		all.Write(frame.Data)
		sum := sha256.Sum256(frame.Data)
		if want := f.Pixels.FrameSHA256[strconv.Itoa(n)]; want != "" && hex.EncodeToString(sum[:]) != want && !f.Pixels.Lossy {
			t.Errorf("frame %d has other samples", n)
		}
		if n == 1 && f.Pixels.Lossy && f.Pixels.Ref != "" {
			nearReference(t, frame, filepath.Join(dir, f.Pixels.Ref))
		}
	}
	if got := hex.EncodeToString(all.Sum(nil)); got != f.Pixels.SHA256 {
		if !f.Pixels.Lossy || strings.HasPrefix(f.Pixels.Tolerance, "exact") || f.Pixels.Decoder == "gdcm" {
			t.Error("the frames together have other samples")
			return
		}
		if frame := (codec.Frame{Description: m.Description, Data: buf}); m.Index.Frames() == 1 {
			if mean := average(frame); math.Abs(mean-f.Pixels.Mean) > 0.5 {
				t.Errorf("mean %.3f, want %.3f", mean, f.Pixels.Mean)
			}
		}
	}
}

// nearReference compares grey frames with a reference decoder's picture: no sample may differ by
// more than 2 (the manifest's tolerance).
func nearReference(t *testing.T, f codec.Frame, path string) {
	t.Helper()
	if f.SamplesPerPixel != 1 {
		return
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	picture, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	worst := 0
	for y := range f.Rows {
		for x := range f.Columns {
			var want int
			switch c := picture.At(x, y).(type) {
			case color.Gray:
				want = int(c.Y)
			case color.Gray16:
				want = int(c.Y)
			default:
				t.Fatalf("%T", c)
			}
			worst = max(worst, abs(int(uint16(sample(f, y*f.Columns+x)))-want))
		}
	}
	if worst > 2 {
		t.Errorf("a sample of frame 1 differs by %d from the reference", worst)
	}
}

func average(f codec.Frame) float64 {
	var sum float64
	n := len(f.Data) / f.Width()
	for i := range n {
		sum += float64(sample(f, i))
	}
	return sum / float64(n)
}

func abs(n int) int { return max(n, -n) }

func (s Suite) encoder(t *testing.T) codec.Encoder {
	t.Helper()
	e, ok := s.Codec.(codec.Encoder)
	if !ok || len(s.Shapes) == 0 {
		t.Skip("decodes only")
	}
	return e
}

// roundTrips encodes and decodes every shape with several contents.
func (s Suite) roundTrips(t *testing.T) {
	t.Parallel()
	e := s.encoder(t)
	for _, d := range s.Shapes {
		for _, content := range contents {
			for _, o := range s.Options {
				t.Run(fmt.Sprintf("%s %s %+v", name(d), content.name, o), func(t *testing.T) {
					s.roundTrip(t, e, Draw(d, content.name), o)
				})
			}
		}
	}
}

func (s Suite) roundTrip(t *testing.T, e codec.Encoder, f codec.Frame, o codec.Options) {
	d, err := e.Describe(f.Description, o)
	if err != nil {
		t.Fatal(err)
	}
	prefix := []byte("kept")
	encoded, err := e.Encode(prefix, f, o)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(encoded, prefix) {
		t.Fatal("Encode does not append")
	}
	encoded = encoded[len(prefix):]
	for _, pad := range []int{0, 1} { // fragments are padded to even length (PS3.5 A.4)
		got, err := e.Decode(append(bytes.Clone(encoded), make([]byte, pad)...), d, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !e.Lossy(o) {
			if !bytes.Equal(got.Data, f.Data) {
				t.Fatalf("other samples, the first at byte %d of %d", firstDifference(got.Data, f.Data), len(f.Data))
			}
			continue
		}
		if len(got.Data) != len(f.Data) || s.MaxError == nil {
			continue
		}
		worst := 0
		for i := range len(f.Data) / f.Width() {
			worst = max(worst, abs(int(sample(got, i)-sample(f, i))))
		}
		if limit := s.MaxError(o); worst > limit {
			t.Errorf("a sample differs by %d, at most %d was promised", worst, limit)
		}
	}
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

func (s Suite) refusals(t *testing.T) {
	if len(s.Refuse) == 0 {
		t.Skip("takes everything")
	}
	e := s.encoder(t)
	for _, d := range s.Refuse {
		if _, err := e.Describe(d, codec.Options{}); !errs.Is(err, errs.Unsupported) {
			t.Errorf("Describe %s: %v, want unsupported", name(d), err)
		}
		if _, err := e.Encode(nil, Draw(d, "noise"), codec.Options{}); !errs.Is(err, errs.Unsupported) {
			t.Errorf("Encode %s: %v, want unsupported", name(d), err)
		}
	}
}

// specimens returns small encoded frames: of the encoder, or of the corpus.
func (s Suite) specimens(t *testing.T) (out []Specimen) {
	t.Helper()
	if e, ok := s.Codec.(codec.Encoder); ok && len(s.Shapes) > 0 {
		for _, d := range s.Shapes {
			f := Draw(d, "natural")
			b, err := e.Encode(nil, f, s.Options[0])
			if err != nil {
				t.Fatal(err)
			}
			if d, err = e.Describe(d, s.Options[0]); err != nil {
				t.Fatal(err)
			}
			out = append(out, Specimen{d, b})
		}
		return out
	}
	uid := s.Codec.TransferSyntax().UID
	dir, files := testkit.Corpus(t, func(f testkit.Sample) bool {
		return f.TransferSyntax == uid && f.Pixels != nil && f.Rows <= 512 && f.Columns <= 768 && !strings.HasPrefix(f.Path, "malformed/") && strings.HasSuffix(f.Path, ".dcm")
	})
	for _, f := range files[:min(len(files), 4)] {
		m := Open(t, dir, f.Path)
		out = append(out, Specimen{m.Description, m.Encoded(t, 1)})
	}
	return out
}

// Specimen is an encoded frame with what its header says.
type Specimen struct {
	Description codec.Description
	Encoded     []byte
}

// damage cuts and flips: an error of a kind the doors know, or a frame; soon, and no panic.
func (s Suite) damage(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 8))
	seen := map[[3]int]bool{} // one of a kind: other sizes and depths take the same ways
	for _, sp := range s.specimens(t) {
		kind := [3]int{sp.Description.SamplesPerPixel, sp.Description.BitsAllocated, sp.Description.PixelRepresentation}
		if seen[kind] || len(s.Shapes) > 0 && len(sp.Encoded) < 200 {
			continue
		}
		seen[kind] = true
		begin := time.Now()
		rounds := 300
		if testing.Short() || len(sp.Encoded) > 100_000 {
			rounds = 40
		}
		for i := range rounds {
			b := bytes.Clone(sp.Encoded)
			d := sp.Description
			switch i % 4 {
			case 0:
				b = b[:r.IntN(len(b)+1)]
			case 1, 2: // headers are at the front: hit them more often
				for range 1 + r.IntN(4) {
					if at := r.IntN(min(len(b), 64)); i%8 < 4 && len(b) > 0 {
						b[at] ^= 1 << r.IntN(8)
					} else if len(b) > 0 {
						b[r.IntN(len(b))] ^= 1 << r.IntN(8)
					}
				}
			case 3: // a header that lies
				switch r.IntN(5) {
				case 0:
					d.Rows = r.IntN(1 << 16)
				case 1:
					d.Columns = r.IntN(1 << 16)
				case 2:
					d.SamplesPerPixel = r.IntN(5)
				case 3:
					d.BitsAllocated = []int{0, 1, 8, 12, 16, 32, 64}[r.IntN(7)]
				case 4:
					d.Rows, d.Columns = 65535, 65535
				}
			}
			checked(t, s.Codec, b, d)
		}
		if spent := time.Since(begin); spent > time.Duration(rounds)*2*time.Second {
			t.Errorf("%d damaged frames took %v", rounds, spent)
		}
	}
}

// checked decodes what may be anything.
func checked(t testing.TB, c codec.Codec, b []byte, d codec.Description) {
	t.Helper()
	f, err := c.Decode(b, d, nil)
	if err != nil {
		if k := errs.KindOf(err); k != errs.Invalid && k != errs.Unsupported && k != errs.Exhausted {
			t.Errorf("kind %v: %v", k, err)
		}
		return
	}
	if err := f.Check("codectest"); err != nil {
		t.Errorf("%+v: %v", f.Description, err)
	}
}

// Fuzz runs a decoder on arbitrary bytes under an arbitrary description.
func Fuzz(f *testing.F, c codec.Codec, seeds ...Specimen) {
	for _, s := range seeds {
		d := s.Description
		f.Add(s.Encoded, uint16(d.Rows), uint16(d.Columns), byte(d.SamplesPerPixel), byte(d.BitsAllocated), byte(d.BitsStored), d.PixelRepresentation == 1, d.PhotometricInterpretation)
	}
	f.Fuzz(func(t *testing.T, b []byte, rows, columns uint16, samples, allocated, stored byte, signed bool, photometric string) {
		d := codec.Description{Rows: int(rows), Columns: int(columns), SamplesPerPixel: int(samples), BitsAllocated: int(allocated),
			BitsStored: int(stored), HighBit: int(stored) - 1, PhotometricInterpretation: photometric}
		if signed {
			d.PixelRepresentation = 1
		}
		if n, err := d.Size(); err == nil && n > 64<<20 {
			t.Skip() // the fuzzer's memory; the suite has bombs
		}
		checked(t, c, b, d)
	})
}

// concurrent decodes one frame 16 times at once.
func (s Suite) concurrent(t *testing.T) {
	t.Parallel()
	for _, sp := range s.specimens(t)[:1] {
		want, err := s.Codec.Decode(sp.Encoded, sp.Description, nil)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				var buf []byte
				for range 10 {
					got, err := s.Codec.Decode(sp.Encoded, sp.Description, buf)
					if err != nil || !bytes.Equal(got.Data, want.Data) {
						t.Errorf("decoded beside others: %v", err)
						return
					}
					buf = got.Data
				}
			})
		}
		wg.Wait()
	}
}

// memory: a bomb costs its bytes and not its claims, and a good frame decodes into the buffer
// that is handed in.
func (s Suite) memory(t *testing.T) {
	sp := s.specimens(t)[0]
	f, err := s.Codec.Decode(sp.Encoded, sp.Description, nil)
	if err != nil {
		t.Fatal(err)
	}
	at := &f.Data[0]
	if f, err = s.Codec.Decode(sp.Encoded, sp.Description, f.Data[:0]); err != nil || &f.Data[0] != at {
		t.Errorf("a buffer that is large enough is not used: %v", err)
	}
	bomb := sp.Description
	bomb.Rows, bomb.Columns = 20000, 10000
	allocated := uint64(math.MaxUint64)
	for range 5 { // the least: other tests allocate beside it
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := s.Codec.Decode(sp.Encoded[:min(len(sp.Encoded), 64)], bomb, nil); err == nil {
			t.Fatal("64 bytes decode to a frame of 200 megapixels")
		}
		runtime.ReadMemStats(&after)
		allocated = min(allocated, after.TotalAlloc-before.TotalAlloc)
	}
	if allocated > 8<<20 {
		t.Errorf("a bomb of 64 bytes takes %d bytes", allocated)
	}
}

func sample(f codec.Frame, i int) int64 {
	b := f.Data[i*f.Width():]
	signed := f.PixelRepresentation == 1
	switch f.Width() {
	case 1:
		if signed {
			return int64(int8(b[0]))
		}
		return int64(b[0])
	case 2:
		if signed {
			return int64(int16(binary.LittleEndian.Uint16(b)))
		}
		return int64(binary.LittleEndian.Uint16(b))
	case 4:
		if signed {
			return int64(int32(binary.LittleEndian.Uint32(b)))
		}
		return int64(binary.LittleEndian.Uint32(b))
	}
	return int64(binary.LittleEndian.Uint64(b))
}

func name(d codec.Description) string {
	sign := "u"
	if d.PixelRepresentation == 1 {
		sign = "s"
	}
	return fmt.Sprintf("%dx%dx%d %s%d/%d %s", d.Rows, d.Columns, d.SamplesPerPixel, sign, d.BitsStored, d.BitsAllocated, d.PhotometricInterpretation)
}
