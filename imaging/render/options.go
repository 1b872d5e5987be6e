package render

import (
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"strings"

	"github.com/aurelius-imaging/aurelius/imaging"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Options are the wishes of who asks for a picture (PS3.18 8.3.5.1). The zero value shows the
// frame as its header wants it.
type Options struct {
	// Window asks for a window of greyscale; it goes before all others.
	Window *imaging.Window
	// WindowName asks for one of the header's windows or VOI LUTs by its explanation.
	WindowName string
	// Windowing is how a window is found when none is asked for.
	Windowing Windowing

	Viewport *Viewport
	Invert   bool

	NoOverlays bool // leave the image's overlays out
	NoICC      bool // leave colours as they are stored

	Annotation Annotation

	// Presentation is a presentation state to apply, Layers are drawn over the frame, the
	// first at the bottom.
	Presentation *Presentation
	Layers       []Layer
}

// Windowing is a way to find a window.
type Windowing string

const (
	// Header takes the header's first VOI LUT or window; an image that has none is shown whole
	// when it has 8 bits, and by MinMax when it has more.
	Header Windowing = ""
	// MinMax spans the lowest and the highest value of the frame that are not padding.
	MinMax Windowing = "min-max"
	// Percentile leaves out the lowest and the highest half percent of the frame's pixels.
	Percentile Windowing = "percentile"
	// Whole shows everything that could be stored.
	Whole Windowing = "whole"
)

// Viewport is the size to fit the picture into, and what to show in it (PS3.18 8.3.5.1.3).
type Viewport struct {
	Width, Height int
	Shrink        bool    // the picture is never larger than what it shows
	Region        *Region // nil: all
}

// Region is a part of the source image in pixels. X, Y count from 0 to its upper left; a negative
// Width or Height flips, 0 reaches to the edge. Relative: in parts of the image instead (PS3.18
// 9.5.1.2.5).
type Region struct {
	X, Y, Width, Height float64
	Relative            bool
}

// Annotation says what is written on the picture (PS3.18 8.3.5.1.1).
type Annotation struct{ Patient, Technique bool }

const (
	// maxPicture bounds the pixels of a picture that is scaled: more than the largest screens.
	maxPicture = 1 << 25
	// maxSource bounds the pixels of a frame that is shown, and of a displayed area.
	maxSource = 1 << 28
)

// wish is the operation of errors for which who asks is to blame and not the image.
const wish = "render.Options"

// Wish reports whether no picture was made because of what was asked for: of the same frame
// others can be had.
func Wish(err error) bool {
	var e *errs.Error
	return errors.As(err, &e) && e.Op == wish
}

func (o *Options) check() error {
	const op = wish
	if o.Window != nil && !o.Window.Valid() {
		return errs.Errorf(errs.Invalid, op, "the window's center, width and function make no window")
	}
	switch o.Windowing {
	case Header, MinMax, Percentile, Whole:
	default:
		return errs.Errorf(errs.Invalid, op, "no such windowing")
	}
	if v := o.Viewport; v != nil {
		if v.Width < 1 || v.Height < 1 {
			return errs.Errorf(errs.Invalid, op, "a viewport has a positive width and height")
		}
		if v.Region != nil && o.Presentation != nil {
			return errs.Errorf(errs.Invalid, op, "a presentation state says itself which region it shows")
		}
	}
	if o.Presentation != nil {
		if err := o.Presentation.check(); err != nil {
			return err
		}
	}
	for _, l := range o.Layers {
		if l.Rows < 1 || l.Columns < 1 || l.Columns > len(l.Mask) || l.Rows > len(l.Mask)/l.Columns {
			return errs.Errorf(errs.Invalid, op, "a layer has fewer pixels than rows and columns")
		}
	}
	return nil
}

// Picture is a rendered frame.
type Picture struct {
	Image   image.Image // *image.Gray, or *image.RGBA that is opaque everywhere; upper left at 0,0
	Applied Applied
}

// Applied says what was done to a frame.
type Applied struct {
	Frame        int      `json:"frame"`
	Modality     string   `json:"modality,omitempty"` // "1 x -1024 HU", "LUT US"
	VOI          *VOI     `json:"voi,omitempty"`      // of greyscale
	Presentation string   `json:"presentation,omitempty"`
	Inverse      bool     `json:"inverse,omitempty"`
	Palette      string   `json:"palette,omitempty"`
	Color        string   `json:"color,omitempty"` // "YBR_FULL"; none for RGB
	ICC          string   `json:"icc,omitempty"`
	Overlays     []string `json:"overlays,omitempty"`
	Layers       []string `json:"layers,omitempty"`
	Shutter      bool     `json:"shutter,omitempty"`
	Region       *Rect    `json:"region,omitempty"` // where not all is shown
	Rotation     int      `json:"rotation,omitempty"`
	FlippedX     bool     `json:"flipped_horizontally,omitempty"`
	FlippedY     bool     `json:"flipped_vertically,omitempty"`
	From         Size     `json:"from"` // the region, before it is turned
	To           Size     `json:"to"`
	Annotation   []string `json:"annotation,omitempty"`
	Notes        []string `json:"notes,omitempty"` // what was wanted and not done, and why
}

// VOI says how values became grey.
type VOI struct {
	imaging.Window
	LUT    bool   `json:"lut,omitempty"`   // a VOI LUT; the window's numbers do not count
	Whole  bool   `json:"whole,omitempty"` // every stored value; Center and Width say which range
	Source string `json:"source"`          // "request", "header", "auto", "presentation"
}

// Rect and Size are in pixels.
type (
	Rect struct {
		X      int `json:"x"`
		Y      int `json:"y"`
		Width  int `json:"width"`
		Height int `json:"height"`
	}
	Size struct {
		Width  int `json:"width"`
		Height int `json:"height"`
	}
)

// JSON returns the machine-readable form.
func (a Applied) JSON() []byte {
	b, err := json.Marshal(a)
	if err != nil { // plain values have a form
		panic(err)
	}
	return b
}

// String says it in words, in one line of ASCII.
func (a Applied) String() string {
	words := []string{fmt.Sprintf("frame %d", a.Frame)}
	add := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	if a.Presentation != "" {
		add("presentation state %s", a.Presentation)
	}
	if a.Modality != "" {
		add("modality %s", a.Modality)
	}
	if v := a.VOI; v != nil {
		what := fmt.Sprintf("window %g/%g %s", v.Center, v.Width, v.Function)
		switch {
		case v.LUT:
			what = "VOI LUT"
		case v.Whole:
			what = "all values"
		}
		if v.Explanation != "" {
			what += fmt.Sprintf(" %q", v.Explanation)
		}
		add("%s (%s)", what, v.Source)
	}
	for _, s := range [...]struct {
		on   bool
		text string
	}{
		{a.Inverse, "inverse"}, {a.Palette != "", "palette " + a.Palette}, {a.Color != "", "color " + a.Color},
		{a.ICC != "", "icc " + a.ICC}, {a.Shutter, "shutter"}, {len(a.Overlays) > 0, "overlays " + strings.Join(a.Overlays, ", ")},
		{len(a.Layers) > 0, "layers " + strings.Join(a.Layers, ", ")}, {a.Rotation != 0, fmt.Sprintf("rotated %d", a.Rotation)},
		{a.FlippedX, "flipped horizontally"}, {a.FlippedY, "flipped vertically"},
	} {
		if s.on {
			add("%s", s.text)
		}
	}
	if r := a.Region; r != nil {
		add("region %d,%d %dx%d", r.X, r.Y, r.Width, r.Height)
	}
	from := a.From
	if a.Rotation%180 != 0 {
		from.Width, from.Height = from.Height, from.Width
	}
	if from != a.To {
		add("scaled %dx%d to %dx%d", from.Width, from.Height, a.To.Width, a.To.Height)
	}
	if len(a.Annotation) > 0 {
		add("annotated %s", strings.Join(a.Annotation, ", "))
	}
	words = append(words, a.Notes...)
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, strings.Join(words, "; "))
}
