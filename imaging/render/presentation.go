package render

import (
	"image"
	"image/color"

	"golang.org/x/image/math/f64"

	"github.com/aurelius-imaging/aurelius/imaging"
)

// Layer is a coloured mask over the frame: a segment of a segmentation, a heat map. It has the
// geometry of the frame as it is stored, before anything is cut, turned or scaled; a mask of
// other Rows and Columns is stretched over the frame.
type Layer struct {
	Name          string // what Applied says of it
	Rows, Columns int
	Mask          []byte // a byte for each pixel
	Max           byte   // the mask's value that covers wholly: 1 of a binary mask; 0 means 1
	Color         color.RGBA
	Opacity       float64 // of what is covered wholly, 0 to 1
}

// Presentation is how a presentation state wants one frame to be shown (PS3.4 N.2). Its greyscale
// pipeline takes the place of the image's own: what is nil or zero here is an identity, the
// image's VOI is not looked at.
type Presentation struct {
	Label string // what Applied says of it

	// Color leaves the image's colours alone: the greyscale members below do not count. So do
	// color presentation states.
	Color bool

	Modality        *imaging.Modality
	VOI             *imaging.VOI // the first LUT, else the first window
	PresentationLUT *imaging.LUT
	Inverse         bool             // Presentation LUT Shape INVERSE
	Palette         *imaging.Palette // of pseudo-color: applied to the 0..65535 P-Values
	ICCProfile      []byte           // of the colours that come out; nil: the image's

	Shutter *Shutter

	Rotation       int  // clockwise: 0, 90, 180, 270 (PS3.3 C.10.6)
	HorizontalFlip bool // after the rotation

	Area *Area

	// Overlays are drawn, and of the image's own those whose groups are in Activated; the
	// others are not shown.
	Overlays  []Overlay
	Activated map[uint16]color.RGBA

	// Graphics are drawn on the picture in its final size, in this order.
	Graphics []Graphic
}

// Overlay is a bit plane with its colour.
type Overlay struct {
	imaging.Overlay
	Color color.RGBA
}

// Sizing is the Presentation Size Mode (PS3.3 C.10.4).
type Sizing string

// How large a displayed area wants to be. A picture without viewport has no screen to fit:
// ScaleToFit and TrueSize show every pixel once, Magnify as often as it says.
const (
	ScaleToFit Sizing = "SCALE TO FIT"
	TrueSize   Sizing = "TRUE SIZE"
	Magnify    Sizing = "MAGNIFY"
)

// Area is the Displayed Area Selection. Rect is in stored pixels, from 0 and half open (Top Left
// Hand Corner 1\1 is its Min 0,0), before rotation and flip; it may reach beyond the image.
type Area struct {
	Rect          image.Rectangle
	Mode          Sizing
	Magnification float64 // Presentation Pixel Magnification Ratio, of Magnify
	// PixelAspect is the height of a pixel over its width, from Presentation Pixel Spacing or
	// Aspect Ratio; 0: the image's.
	PixelAspect float64
}

// Shutter blackens what lies outside of every shape that is there (PS3.3 C.7.6.11, C.7.6.15).
// Points and edges are in stored pixels, from 0.
type Shutter struct {
	Rect    *image.Rectangle // half open: Shutter Left Vertical Edge + 0 is the first shown column
	Circle  *Circle
	Polygon []image.Point    // at least three
	Bitmap  *imaging.Overlay // its ones are covered
	Color   color.RGBA       // opaque; the zero value is black
}

// Circle is in stored pixels, from 0.
type Circle struct {
	Center image.Point
	Radius int
}

// Graphic is an annotation that draws itself on the finished picture.
type Graphic interface {
	Draw(c *Canvas)
}

// Canvas is where graphics are drawn: the picture in its final size and how to find one's way.
type Canvas struct {
	*image.RGBA
	// Pixel takes image relative coordinates (PS3.3 Table C.10-5: 0,0 is the upper left
	// corner of the upper left stored pixel, 0.5,0.5 its middle) to the picture's.
	Pixel f64.Aff3
	// Area is where the displayed area lies: display relative coordinates 0,0 to 1,1.
	Area image.Rectangle
}
