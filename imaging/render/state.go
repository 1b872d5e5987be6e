package render

import (
	"image"
	"image/color"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/iod"
	"github.com/aurelius-imaging/aurelius/dicom/iod/pr"
	"github.com/aurelius-imaging/aurelius/imaging"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// PresentationOf returns how a presentation state wants a frame (1-based) of an instance shown,
// whose samples d describes. left are things of it that cannot be done, and why. errs.Mismatch
// says that the state is not for the frame.
func PresentationOf(s *pr.State, sopInstanceUID string, frame int, d codec.Description, bulk imaging.Bulk) (p *Presentation, left []error, err error) {
	const op = "render.PresentationOf"
	if !s.Applies(sopInstanceUID, frame) {
		return nil, nil, errs.Errorf(errs.Mismatch, op, "the presentation state is not for this frame")
	}
	p = &Presentation{
		Label:          s.Label,
		Color:          s.Kind == pr.Color,
		Rotation:       s.Rotation,
		HorizontalFlip: s.HorizontalFlip,
		ICCProfile:     s.ICCProfile,
	}
	if p.Label == "" {
		p.Label = s.SOPInstanceUID
	}
	if s.Kind == pr.Blending {
		left = append(left, errs.Errorf(errs.Unsupported, op, "images are not blended: this one is shown alone"))
	}
	if s.Subtracts {
		left = append(left, errs.Errorf(errs.Unsupported, op, "masks are not subtracted"))
	}
	if !p.Color {
		if err := p.pipeline(s, sopInstanceUID, frame, d, bulk); err != nil {
			return nil, nil, err
		}
	}
	if a, ok := s.Area(sopInstanceUID, frame); ok {
		p.Area = areaOf(a)
	}
	overlays, unread := p.overlays(s, frame, bulk)
	p.Shutter = shutterOf(s.Shutter, overlays)
	left = append(left, unread...)
	layers := s.LayersByName()
	var shown annotations
	for _, a := range s.Annotations {
		if iod.Named(a.Images, sopInstanceUID, frame) {
			shown = append(shown, annotation{a, layerColor(layers[a.Layer])})
		}
	}
	if shown != nil {
		p.Graphics = []Graphic{shown}
	}
	if inMatrix(shown) {
		left = append(left, errs.Errorf(errs.Unsupported, op, "graphics that count in the total pixel matrix are not drawn on a tile"))
	}
	return p, left, nil
}

// pipeline reads what is done to grey values. What is broken of it is an error: to show the image
// by something else would not be what the state's author saw.
func (p *Presentation) pipeline(s *pr.State, sopInstanceUID string, frame int, d codec.Description, bulk imaging.Bulk) error {
	modality, voi := s.For(sopInstanceUID, frame)
	negative := d.PixelRepresentation == 1
	if modality != nil {
		m, err := imaging.ReadModality(modality, bulk, negative)
		if err != nil {
			return err
		}
		p.Modality = &m
		stored := imaging.StoredRange(d)
		negative = min(m.At(float64(stored.Low)), m.At(float64(stored.High))) < 0
	}
	if voi != nil {
		v := imaging.ReadVOI(voi, bulk, negative)
		if len(v.Windows)+len(v.LUTs) == 0 {
			return errs.Errorf(errs.Invalid, "render.PresentationOf", "the presentation state's VOI LUT is none")
		}
		p.VOI = &v
	}
	p.Inverse = s.Inverse
	var err error
	if s.PresentationLUT != nil {
		if p.PresentationLUT, err = imaging.ReadLUT(s.PresentationLUT, bulk, false); err != nil {
			return err
		}
	}
	if s.Palette != nil && s.Kind == pr.PseudoColor {
		p.Palette, err = imaging.ReadPalette(s.Palette, bulk, false)
	}
	return err
}

// areaOf makes a rectangle of two corners, which a rotation may have swapped. Corner 0,0, which
// there is none, is written by who counts from 0 and means the first pixel.
func areaOf(a pr.Area) *Area {
	from, to := a.TopLeft, a.BottomRight
	for i := range from {
		if from[i] > to[i] {
			from[i], to[i] = to[i], from[i]
		}
		if from[i] == 0 {
			from[i] = 1
		}
	}
	out := &Area{Rect: image.Rect(from[0]-1, from[1]-1, to[0], to[1]), Mode: Sizing(a.Mode), Magnification: a.Magnification}
	if a.Spacing[1] > 0 {
		out.PixelAspect = a.Spacing[0] / a.Spacing[1]
	} else if a.AspectRatio[1] > 0 {
		out.PixelAspect = float64(a.AspectRatio[0]) / float64(a.AspectRatio[1])
	}
	return out
}

// overlays sorts out which overlays are shown: the state's own, and of the image those that are
// activated and that it has not itself. It returns all of the state's.
func (p *Presentation) overlays(s *pr.State, frame int, bulk imaging.Bulk) ([]imaging.Overlay, []error) {
	var own []imaging.Overlay
	var left []error
	if s.Overlays != nil {
		own, left = imaging.ReadOverlays(s.Overlays, frame, nil, bulk)
	}
	layers := s.LayersByName()
	p.Activated = map[uint16]color.RGBA{}
	for group, layer := range s.Activated {
		p.Activated[group] = layerColor(layers[layer])
	}
	for _, o := range own {
		if c, ok := p.Activated[o.Group]; ok {
			p.Overlays = append(p.Overlays, Overlay{o, c})
			delete(p.Activated, o.Group)
		}
	}
	return own, left
}

// shutterOf turns edges that count from 1 into rectangles: the edges are the outermost pixels to
// be seen.
func shutterOf(s *pr.Shutter, overlays []imaging.Overlay) *Shutter {
	if s == nil {
		return nil
	}
	out := &Shutter{Color: gray16(s.Gray)}
	if s.HasColor {
		out.Color = opaque(s.Color)
	}
	if r := s.Rectangle; r != nil {
		out.Rect = &image.Rectangle{Min: image.Pt(r[0]-1, r[2]-1), Max: image.Pt(r[1], r[3])}
	}
	if c := s.Circle; c != nil {
		out.Circle = &Circle{image.Pt(c[0]-1, c[1]-1), c[2]}
	}
	for _, v := range s.Polygon {
		out.Polygon = append(out.Polygon, image.Pt(v[0]-1, v[1]-1))
	}
	for i := range overlays {
		if s.OverlayGroup != 0 && overlays[i].Group == s.OverlayGroup {
			out.Bitmap = &overlays[i]
		}
	}
	return out
}

// layerColor is what a layer is drawn in: white where it does not say.
func layerColor(l pr.Layer) color.RGBA {
	switch {
	case l.HasColor:
		return opaque(l.Color)
	case l.HasGray:
		return gray16(l.Gray)
	}
	return white
}

// opaque is a colour as pictures have them.
func opaque(c iod.RGB) color.RGBA { return color.RGBA{c[0], c[1], c[2], 255} }

// gray16 is the colour of a P-Value.
func gray16(v uint16) color.RGBA {
	return color.RGBA{uint8(v >> 8), uint8(v >> 8), uint8(v >> 8), 255}
}

func inMatrix(all annotations) bool {
	for _, a := range all {
		for _, g := range a.Graphics {
			if g.Units == pr.Matrix {
				return true
			}
		}
		for _, t := range a.Texts {
			if t.BoxUnits == pr.Matrix || t.Box == nil && t.AnchorUnits == pr.Matrix {
				return true
			}
		}
	}
	return false
}
