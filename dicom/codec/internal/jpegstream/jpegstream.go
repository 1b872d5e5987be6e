// Package jpegstream reads and writes what every process of ITU-T T.81 (JPEG) shares: the marker
// segments of Annex B, Huffman tables (Annexes C and K.2) and entropy-coded bits (F.1.2.3, F.2.2.5).
// The processes themselves, DCT and lossless, are the packages above it.
//
// A decoder opens a Stream and takes its scans one by one:
//
//	var s jpegstream.Stream // large: pooled or in the decoder
//	err := s.Open(src)
//	for {
//		more, err := s.Next() // reads segments up to SOS: s.Frame, s.Scan, s.RestartInterval, tables
//		if !more {
//			break
//		}
//		data := s.Data()
//		var b jpegstream.Bits
//		// decode the scan from data, then say where it ended
//		s.Skip(b.Pos)
//	}
//
// Bits is three words that are passed by value, so that a loop keeps them in registers, and
// Huffman.Fast gives a code, its extra bits and their value by one look:
//
//	if b.N < 32 {
//		b = b.Fill(data)
//	}
//	e := h.Fast[b.Acc>>jpegstream.LookShift]
//	if e.Open() {
//		if e = h.Long(b.Acc); e == 0 {
//			// no code of the table
//		}
//	}
//	b = b.Take(e)
//	e.Value() // the difference or coefficient; e.Symbol(): SSSS or RRRRSSSS
//
// Bits read zeros beyond their data, as libjpeg's do, and count them: b.N < 0 says that the data
// ended too soon. It is enough to look at it now and then.
//
// Everything outside is hostile: each length is checked against the bytes that are there, and
// nothing here allocates.
package jpegstream

// The markers (T.81 Table B.1): their second byte.
const (
	TEM   = 0x01
	SOF0  = 0xC0 // baseline
	SOF1  = 0xC1 // extended sequential
	SOF2  = 0xC2 // progressive
	SOF3  = 0xC3 // lossless
	DHT   = 0xC4
	JPG   = 0xC8
	DAC   = 0xCC
	SOF15 = 0xCF // from SOF5 on: hierarchical images and arithmetic coding
	RST0  = 0xD0
	RST7  = 0xD7
	SOI   = 0xD8
	EOI   = 0xD9
	SOS   = 0xDA
	DQT   = 0xDB
	DNL   = 0xDC
	DRI   = 0xDD
	DHP   = 0xDE
	EXP   = 0xDF
	APP0  = 0xE0
	APP14 = 0xEE
	COM   = 0xFE
)

// MaxComponents bounds the components of an image: DICOM knows 1, 3 and 4.
const MaxComponents = 4

// Component is one component of a frame header (T.81 B.2.2).
type Component struct {
	ID   byte
	H, V int // sampling factors, 1 to 4
	Tq   int // quantisation table, 0 to 3
}

// Frame is a frame header (T.81 B.2.2).
type Frame struct {
	Process    byte // SOF0 to SOF3; 0: none was read
	Precision  int  // bits of a sample, 2 to 16
	Rows       int  // 0: the first scan's DNL would say it (B.2.5)
	Columns    int
	N          int // components
	Components [MaxComponents]Component
}

// Scan is a scan header (T.81 B.2.3).
type Scan struct {
	N          int
	Components [MaxComponents]ScanComponent
	Ss, Se     int // spectral selection; Ss of a lossless scan is its predictor
	Ah, Al     int // successive approximation; Al of a lossless scan is its point transform
}

// ScanComponent is one component of a scan.
type ScanComponent struct {
	Index  int // in Frame.Components
	Td, Ta int // Huffman tables, 0 to 3
}

// Adobe is an APP14 segment of Adobe's, which tells the colour space of 3 and 4 components.
type Adobe struct {
	Present   bool
	Transform byte // 0: RGB or CMYK, 1: YCbCr, 2: YCCK
}
