package imaging

// Overlay is a plane of single bits over the image (PS3.3 C.9.2).
type Overlay struct {
	Group         uint16 // 0x6000 to 0x601E
	Rows, Columns int
	X, Y          int    // of its upper left pixel in the image, from 0; may lie outside
	ROI           bool   // a region of interest, else graphics
	Label         string // Overlay Label or Description
	Bits          []byte // a byte for each pixel, 0 or 1
}
