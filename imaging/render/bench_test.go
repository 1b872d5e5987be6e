package render_test

import (
	"bytes"
	"image"
	"io"
	"testing"

	"golang.org/x/image/draw"

	"github.com/aurelius-imaging/aurelius/imaging"
	"github.com/aurelius-imaging/aurelius/imaging/render"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// BenchmarkRender renders a CT of 512x512, in parts and in all.
func BenchmarkRender(b *testing.B) {
	m, f := openFrame(b, 1, testkit.Shared(b), "data/ct-series/head-108/050.dcm")
	r := new(render.Renderer)
	var p *render.Picture
	run := func(name string, o func(i int) render.Options) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				var err error
				if p, err = r.Render(m, 1, f, o(i)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	fixed := func(o render.Options) func(int) render.Options { return func(int) render.Options { return o } }
	run("other-window-each", func(i int) render.Options {
		return render.Options{Window: &imaging.Window{Center: float64(i), Width: 400}}
	})
	run("min-max", fixed(render.Options{Windowing: render.MinMax}))
	run("thumbnail-128", fixed(render.Options{Viewport: &render.Viewport{Width: 128, Height: 128}}))
	thumbnail := p
	run("enlarged-1024", fixed(render.Options{Viewport: &render.Viewport{Width: 1024, Height: 1024}}))
	run("header", fixed(render.Options{}))
	write := func(name string, p *render.Picture, to func(*render.Picture, io.Writer) error) {
		b.Run(name, func(b *testing.B) {
			var buf bytes.Buffer
			for range b.N {
				buf.Reset()
				if err := to(p, &buf); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(buf.Len()), "bytes")
		})
	}
	jpeg := func(p *render.Picture, w io.Writer) error { return p.WriteJPEG(w, 0) }
	write("JPEG", p, jpeg)
	write("JPEG-128", thumbnail, jpeg)
	write("PNG", p, (*render.Picture).WritePNG)
	write("GIF", p, (*render.Picture).WriteGIF)
}

// BenchmarkScale resizes by the renderer and, beside it, by x/image/draw, which reads grey and
// writes RGBA.
func BenchmarkScale(b *testing.B) {
	m, f := openFrame(b, 1, testkit.Shared(b), "data/ct-series/head-108/050.dcm")
	r := new(render.Renderer)
	p, err := r.Render(m, 1, f, render.Options{})
	if err != nil {
		b.Fatal(err)
	}
	for _, to := range []int{128, 300, 1024} {
		name := map[int]string{128: "128", 300: "300", 1024: "1024"}[to]
		b.Run(name+"/ours", func(b *testing.B) {
			for range b.N {
				if _, err := r.Render(m, 1, f, render.Options{Viewport: &render.Viewport{Width: to, Height: to}}); err != nil {
					b.Fatal(err)
				}
			}
		})
		out := image.NewRGBA(image.Rect(0, 0, to, to))
		for _, s := range []struct {
			name string
			draw.Scaler
		}{{"ApproxBiLinear", draw.ApproxBiLinear}, {"CatmullRom", draw.CatmullRom}} {
			b.Run(name+"/"+s.name, func(b *testing.B) {
				for range b.N {
					s.Scale(out, out.Rect, p.Image, p.Image.Bounds(), draw.Src, nil)
				}
			})
		}
	}
}
