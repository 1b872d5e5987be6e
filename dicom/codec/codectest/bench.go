package codectest

import (
	"math"
	"path"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/all"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// Bench measures an encoder on the first frames of corpus files: decoding what the file has, where
// that is the encoder's to read, and what it encodes itself otherwise; and encoding. bench/codec
// has such frames coded by C beside it.
func Bench(b *testing.B, e codec.Encoder, paths ...string) {
	registry := all.Codecs()
	for _, p := range paths {
		m := Open(b, testkit.Shared(b), "data", p)
		decoder, err := registry.Decoder(m.Header.TransferSyntax.UID)
		if err != nil {
			b.Fatal(err)
		}
		src, d := m.Encoded(b, 1), m.Description
		f, err := decoder.Decode(src, d, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := e.Decode(src, d, nil); err != nil || !m.Header.TransferSyntax.Encapsulated {
			if d, err = e.Describe(f.Description, codec.Options{}); err != nil {
				b.Fatal(err)
			}
			if src, err = e.Encode(nil, f, codec.Options{}); err != nil {
				b.Fatal(err)
			}
		}
		name := strings.TrimSuffix(path.Base(path.Dir(p))+"-"+path.Base(p), ".dcm")
		b.Run("decode/"+name, func(b *testing.B) {
			var got codec.Frame
			Measure(b, len(f.Data), func() (err error) { got, err = e.Decode(src, d, got.Data); return err })
		})
		b.Run("encode/"+name, func(b *testing.B) {
			var dst []byte
			Measure(b, len(f.Data), func() (err error) { dst, err = e.Encode(dst[:0], f, codec.Options{}); return err })
			b.ReportMetric(float64(len(f.Data))/float64(len(dst)), "ratio")
		})
	}
}

// Measure runs a benchmark's loop of what handles so many bytes. It also reports the least CPU time
// of a call, which a loaded machine does not change.
func Measure(b *testing.B, bytes int, call func() error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.SetBytes(int64(bytes))
	b.ReportAllocs()
	cpu := func() int64 {
		var t unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
			b.Fatal(err)
		}
		return t.Nano()
	}
	least := int64(math.MaxInt64)
	for b.Loop() {
		begin := cpu()
		if err := call(); err != nil {
			b.Fatal(err)
		}
		least = min(least, cpu()-begin)
	}
	b.ReportMetric(float64(least), "least-cpu-ns")
}
