package iod

import (
	"math"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
)

// Vector is a point or direction in millimetres.
type Vector [3]float64

func (v Vector) add(w Vector, times float64) Vector {
	return Vector{v[0] + times*w[0], v[1] + times*w[1], v[2] + times*w[2]}
}

// Dot returns the scalar product.
func (v Vector) Dot(w Vector) float64 { return v[0]*w[0] + v[1]*w[1] + v[2]*w[2] }

func (v Vector) cross(w Vector) Vector {
	return Vector{v[1]*w[2] - v[2]*w[1], v[2]*w[0] - v[0]*w[2], v[0]*w[1] - v[1]*w[0]}
}

// Plane is where a frame lies in its frame of reference (PS3.3 C.7.6.2.1.1; of slides C.8.12.6.1).
type Plane struct {
	Position Vector // of the middle of the upper left pixel
	Right    Vector // direction of a row, one pixel to the right
	Down     Vector // direction of a column
	// DX and DY are the distances between columns and between rows.
	DX, DY    float64
	Thickness float64 // Slice Thickness, else Spacing Between Slices; 0: not known
}

// Normal returns the direction perpendicular to the plane.
func (p *Plane) Normal() Vector { return p.Right.cross(p.Down) }

// At returns the point of a pixel, which need not be a whole one.
func (p *Plane) At(column, row float64) Vector {
	return p.Position.add(p.Right, column*p.DX).add(p.Down, row*p.DY)
}

// Pixel returns column and row of a point, projected on the plane.
func (p *Plane) Pixel(v Vector) (column, row float64) {
	d := v.add(p.Position, -1)
	return d.Dot(p.Right) / p.DX, d.Dot(p.Down) / p.DY
}

// ReadPlane returns where frame n (1-based) of an image lies: from its functional groups, else
// from the top level; of tiles also from the Total Pixel Matrix Origin. Nil when it does not say
// or says what cannot be.
func ReadPlane(d *dicom.Dataset, n int) *Plane {
	g := groupsOf(d, n)
	position := g.find(tag.PlanePositionSequence, tag.ImagePositionPatient).Floats(tag.ImagePositionPatient)
	orientation := g.find(tag.PlaneOrientationSequence, tag.ImageOrientationPatient).Floats(tag.ImageOrientationPatient)
	if len(position) != 3 {
		position = slidePosition(d, g, n)
	}
	if len(orientation) != 6 {
		orientation = d.Floats(tag.ImageOrientationSlide)
	}
	measures := g.find(tag.PixelMeasuresSequence, tag.PixelSpacing)
	spacing := measures.Floats(tag.PixelSpacing)
	if len(position) != 3 || len(orientation) != 6 || len(spacing) != 2 {
		return nil
	}
	p := &Plane{Position: Vector(position), Right: Vector(orientation[:3]), Down: Vector(orientation[3:]), DX: spacing[1], DY: spacing[0]}
	for _, t := range [...]tag.Tag{tag.SpacingBetweenSlices, tag.SliceThickness} {
		if v := measures.Floats(t); len(v) > 0 && v[0] > 0 && v[0] < maxMillimetres {
			p.Thickness = v[0]
		}
	}
	if !p.possible() {
		return nil
	}
	return p
}

// maxMillimetres bounds coordinates, so that nothing computed from them overflows.
const maxMillimetres = 1e7

// possible reports whether numbers are finite and directions of unit length and perpendicular.
func (p *Plane) possible() bool {
	for _, v := range p.Position {
		if !(math.Abs(v) < maxMillimetres) { // NaN is refused too
			return false
		}
	}
	unit := func(v Vector) bool { return math.Abs(v.Dot(v)-1) < 1e-2 }
	return unit(p.Right) && unit(p.Down) && math.Abs(p.Right.Dot(p.Down)) < 1e-2 &&
		p.DX > 1e-6 && p.DX < maxMillimetres && p.DY > 1e-6 && p.DY < maxMillimetres
}

// slidePosition returns where a tile lies on its slide: written with it, else from its place in
// the total pixel matrix (PS3.3 C.8.12.4.1.1, C.7.6.17.3).
func slidePosition(d *dicom.Dataset, g groups, n int) []float64 {
	at := g.find(tag.PlanePositionSlideSequence, tag.XOffsetInSlideCoordinateSystem)
	x, y, z := at.Floats(tag.XOffsetInSlideCoordinateSystem), at.Floats(tag.YOffsetInSlideCoordinateSystem), at.Floats(tag.ZOffsetInSlideCoordinateSystem)
	if len(x) == 1 && len(y) == 1 {
		return []float64{x[0], y[0], append(z, 0)[0]}
	}
	origin := d.Items(tag.TotalPixelMatrixOriginSequence)
	orientation, spacing := d.Floats(tag.ImageOrientationSlide), g.find(tag.PixelMeasuresSequence, tag.PixelSpacing).Floats(tag.PixelSpacing)
	column, row, ok := TilePosition(d, n)
	if len(origin) == 0 || len(orientation) != 6 || len(spacing) != 2 || !ok {
		return nil
	}
	x, y = origin[0].Floats(tag.XOffsetInSlideCoordinateSystem), origin[0].Floats(tag.YOffsetInSlideCoordinateSystem)
	if len(x) != 1 || len(y) != 1 {
		return nil
	}
	p := Plane{Position: Vector{x[0], y[0]}, Right: Vector(orientation[:3]), Down: Vector(orientation[3:]), DX: spacing[1], DY: spacing[0]}
	v := p.At(float64(column-1), float64(row-1))
	return v[:]
}

// TilePosition returns the place of a tile's upper left pixel in the total pixel matrix, from 1:
// as its functional groups say, else by the order of TILED_FULL (PS3.3 C.7.6.17.3).
func TilePosition(d *dicom.Dataset, n int) (column, row int, ok bool) {
	at := groupsOf(d, n).find(tag.PlanePositionSlideSequence, tag.ColumnPositionInTotalImagePixelMatrix)
	c, ok1 := at.Int(tag.ColumnPositionInTotalImagePixelMatrix)
	r, ok2 := at.Int(tag.RowPositionInTotalImagePixelMatrix)
	if ok1 && ok2 && c == int64(int32(c)) && r == int64(int32(r)) {
		return int(c), int(r), true
	}
	t, ok := tilesOf(d)
	if !ok || n < 1 || d.Text(tag.DimensionOrganizationType) != "TILED_FULL" {
		return 0, 0, false
	}
	i := (n - 1) % (t.across * t.down)
	return i%t.across*t.columns + 1, i/t.across*t.rows + 1, true
}

// TilesPerPlane returns how many tiles cover the total pixel matrix once; false where there is
// none.
func TilesPerPlane(d *dicom.Dataset) (int, bool) {
	t, ok := tilesOf(d)
	return t.across * t.down, ok
}

type tiles struct{ columns, rows, across, down int }

func tilesOf(d *dicom.Dataset) (tiles, bool) {
	rows, _ := d.Int(tag.Rows)
	columns, _ := d.Int(tag.Columns)
	height, _ := d.Int(tag.TotalPixelMatrixRows)
	width, _ := d.Int(tag.TotalPixelMatrixColumns)
	if rows < 1 || columns < 1 || height < 1 || width < 1 || rows > math.MaxUint16 || columns > math.MaxUint16 ||
		height > math.MaxInt32 || width > math.MaxInt32 {
		return tiles{}, false
	}
	return tiles{int(columns), int(rows), int((width + columns - 1) / columns), int((height + rows - 1) / rows)}, true
}

// groups are the data sets a frame's attributes may be in: its own functional groups, the shared
// ones, the top level.
type groups struct{ own, shared, top *dicom.Dataset }

func groupsOf(d *dicom.Dataset, n int) groups {
	g := groups{top: d}
	if items := d.Items(tag.PerFrameFunctionalGroupsSequence); n >= 1 && n <= len(items) {
		g.own = items[n-1]
	}
	if items := d.Items(tag.SharedFunctionalGroupsSequence); len(items) > 0 {
		g.shared = items[0]
	}
	return g
}

// find returns the item of a functional group that has the attribute, else the top level.
func (g groups) find(sequence, attribute tag.Tag) *dicom.Dataset {
	for _, d := range [...]*dicom.Dataset{g.own, g.shared} {
		if items := d.Items(sequence); len(items) > 0 && items[0].Has(attribute) {
			return items[0]
		}
	}
	return g.top
}

// FunctionalGroup returns the first item of a functional group of frame n (1-based), its own or
// the shared one; nil when it has neither (PS3.3 C.7.6.16).
func FunctionalGroup(d *dicom.Dataset, n int, sequence tag.Tag) *dicom.Dataset {
	g := groupsOf(d, n)
	for _, d := range [...]*dicom.Dataset{g.own, g.shared} {
		if items := d.Items(sequence); len(items) > 0 {
			return items[0]
		}
	}
	return nil
}
