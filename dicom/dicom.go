// Package dicom is the data model: data sets and their elements, read from and written to
// Part 10 files and bare data sets in every transfer syntax (PS3.5, PS3.10).
//
// ReadHeader is the streaming path of a server: it reads a whole object in one pass with
// bounded memory, keeps the header and notes where pixel data, its fragments and other bulk
// values lie. Values are kept as encoded (little endian) and decoded when asked for; what was
// not understood is kept byte for byte.
//
//	read      ReadHeader (streaming), Read (whole), ParseDataset (memory)
//	write     AppendDataset, File.WriteTo, AppendMeta
//	convert   Convert between native transfer syntaxes, Rewrite with other pixel data; streaming
//	the index AppendHeader, ParseHeader
//
// Reading is tolerant where nothing is lost and no doubt is left (see ReadHeader), writing is
// strict. It leaves out: pixels (dicom/pixel finds frames, codecs decode them), DICOMDIR
// navigation.
package dicom

import (
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
)

// Element is one data element. Exactly one of Value, Items, Fragments and Bulk carries its
// content; all nil is an empty value.
type Element struct {
	Tag       tag.Tag
	VR        vr.VR
	Undefined bool       // the length was, and is written, undefined
	Value     []byte     // as encoded, numbers in little endian, padding included
	Items     []*Dataset // VR SQ (also UN of undefined length, PS3.5 6.2.2)
	Fragments [][]byte   // encapsulated Pixel Data read whole; [0] is the Basic Offset Table
	Bulk      *Bulk      // a value left in its object
}

// Bulk says where a value that was left out of memory lies.
type Bulk struct {
	Offset int64 // of the value's first byte in the object (of deflated ones: as if it were not)
	Length int64
}

// Dataset is a list of elements in order of their tags (as read: in the order of the file).
// Use SetElement and Delete to change it; after changing tags in Elements by hand call Sort. It
// is not safe for concurrent writing.
type Dataset struct {
	Elements  []Element
	Undefined bool // an item whose length was, and is written, undefined
	parent    *Dataset
	ordered   int // number of elements known to be in strictly ascending order; see Get
}

// Header is an object without its bulk values.
type Header struct {
	Meta           *Dataset // group 0002; nil for a bare data set
	Dataset        *Dataset // values beyond the limits are Bulk; pixel data is only in Pixel
	TransferSyntax TransferSyntax
	DatasetOffset  int64 // of the data set in the object
	Pixel          *PixelData
	End            int64 // offset behind the last byte that was read
}

// PixelData says where the (Float, Double Float) Pixel Data element lies.
type PixelData struct {
	Tag          tag.Tag
	VR           vr.VR
	Offset       int64 // of the value (native), or of the first item (encapsulated)
	Length       int64 // of the value; for encapsulated up to behind the last fragment
	Encapsulated bool
	BasicOffsets []byte     // Basic Offset Table as encoded, may be empty
	ExtOffsets   []byte     // Extended Offset Table (7FE0,0001), may be nil
	ExtLengths   []byte     // Extended Offset Table Lengths (7FE0,0002), may be nil
	Fragments    []Fragment // without the Basic Offset Table
	FirstItem    int64      // offset of the first fragment's item tag: what offset tables count from
}

// Fragment is one item of encapsulated pixel data.
type Fragment struct {
	Offset int64 // of the fragment's first content byte in the object
	Length int64
	Start  bool // begins a codestream: JPEG SOI, JPEG 2000 SOC, JP2 signature, JPEG XL signature or box
}

// Limits bound what a reader accepts and keeps. The zero value means the defaults.
type Limits struct {
	InlineBinary int64 // larger OB OD OF OL OV OW UN values become Bulk; default 4 KiB
	InlineText   int64 // larger values of other VRs become Bulk; default 64 KiB
	Header       int64 // bytes of header kept in all; default 64 MiB
	Depth        int   // nested sequences; default 128
	Inflated     int64 // bytes a deflated data set may inflate to; default 4 GiB
	Fragments    int   // default 4 Mi
}

// Source says what is read.
type Source struct {
	// TransferSyntax of a bare data set (C-STORE). Empty: a Part 10 file with meta header.
	TransferSyntax string
	// Base is added to every offset: where in the object the stream begins.
	Base int64
	// Lenient accepts files without preamble or without meta header.
	Lenient bool
}

// File is a whole object in memory.
type File struct {
	Preamble       []byte // as read; nil: 128 zeros, or none when Meta is nil
	Meta           *Dataset
	Dataset        *Dataset
	TransferSyntax TransferSyntax
}
