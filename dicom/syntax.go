package dicom

import "strings"

// TransferSyntax is how a data set is encoded (PS3.5 10, PS3.6 Table A-1).
type TransferSyntax struct {
	UID          string
	Name         string
	ImplicitVR   bool
	BigEndian    bool
	Deflated     bool
	Encapsulated bool
	MediaType    string // of one frame in DICOMweb (PS3.18 8.7.3): "image/jpeg", "application/octet-stream"
	Retired      bool
}

// Video reports whether the pixel data is one stream of video, not frames that stand alone.
func (ts TransferSyntax) Video() bool { return strings.HasPrefix(ts.MediaType, "video/") }

// Native reports whether pixel data is neither compressed nor in fragments.
func (ts TransferSyntax) Native() bool { return !ts.Encapsulated }

func (ts TransferSyntax) String() string {
	if ts.Name == "" {
		return ts.UID
	}
	return ts.Name
}

const octetStream = "application/octet-stream"

// The transfer syntaxes that code names most. TransferSyntaxes lists all.
var (
	ImplicitVRLittleEndian         = TransferSyntax{UID: "1.2.840.10008.1.2", Name: "Implicit VR Little Endian", ImplicitVR: true, MediaType: octetStream}
	ExplicitVRLittleEndian         = TransferSyntax{UID: "1.2.840.10008.1.2.1", Name: "Explicit VR Little Endian", MediaType: octetStream}
	DeflatedExplicitVRLittleEndian = TransferSyntax{UID: "1.2.840.10008.1.2.1.99", Name: "Deflated Explicit VR Little Endian", Deflated: true, MediaType: octetStream}
	ExplicitVRBigEndian            = TransferSyntax{UID: "1.2.840.10008.1.2.2", Name: "Explicit VR Big Endian", BigEndian: true, MediaType: octetStream, Retired: true}
	EncapsulatedUncompressed       = encapsulated("1.98", "Encapsulated Uncompressed Explicit VR Little Endian", octetStream)

	JPEGBaseline            = encapsulated("4.50", "JPEG Baseline (Process 1)", "image/jpeg")
	JPEGExtended            = encapsulated("4.51", "JPEG Extended (Process 2 & 4)", "image/jpeg")
	JPEGLossless            = encapsulated("4.57", "JPEG Lossless, Non-Hierarchical (Process 14)", "image/jpeg")
	JPEGLosslessSV1         = encapsulated("4.70", "JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14 [Selection Value 1])", "image/jpeg")
	JPEGLSLossless          = encapsulated("4.80", "JPEG-LS Lossless Image Compression", "image/jls")
	JPEGLSNearLossless      = encapsulated("4.81", "JPEG-LS Lossy (Near-Lossless) Image Compression", "image/jls")
	JPEG2000Lossless        = encapsulated("4.90", "JPEG 2000 Image Compression (Lossless Only)", "image/jp2")
	JPEG2000                = encapsulated("4.91", "JPEG 2000 Image Compression", "image/jp2")
	JPEGXLLossless          = encapsulated("4.110", "JPEG XL Lossless", "image/jxl")
	JPEGXLJPEGRecompression = encapsulated("4.111", "JPEG XL JPEG Recompression", "image/jxl")
	JPEGXL                  = encapsulated("4.112", "JPEG XL", "image/jxl")
	HTJ2KLossless           = encapsulated("4.201", "High-Throughput JPEG 2000 Image Compression (Lossless Only)", "image/jphc")
	HTJ2KLosslessRPCL       = encapsulated("4.202", "High-Throughput JPEG 2000 with RPCL Options Image Compression (Lossless Only)", "image/jphc")
	HTJ2K                   = encapsulated("4.203", "High-Throughput JPEG 2000 Image Compression", "image/jphc")
	RLELossless             = encapsulated("5", "RLE Lossless", "image/dicom-rle")
	DeflatedImageFrame      = encapsulated("8.1", "Deflated Image Frame Compression", octetStream)
)

func encapsulated(suffix, name, mediaType string) TransferSyntax {
	return TransferSyntax{UID: "1.2.840.10008.1.2." + suffix, Name: name, Encapsulated: true, MediaType: mediaType}
}

func retired(ts TransferSyntax) TransferSyntax { ts.Retired = true; return ts }

func deflated(ts TransferSyntax) TransferSyntax { ts.Deflated = true; return ts }

func native(uid, name string) TransferSyntax {
	return TransferSyntax{UID: uid, Name: name, MediaType: octetStream}
}

// transferSyntaxes is every transfer syntax of PS3.6 Table A-1 in its order. The JPIP ones carry
// a URL instead of pixel data, and the SMPTE ones are real-time streams that are never stored;
// they are here so that negotiation can name them.
var transferSyntaxes = []TransferSyntax{
	ImplicitVRLittleEndian,
	ExplicitVRLittleEndian,
	EncapsulatedUncompressed,
	DeflatedExplicitVRLittleEndian,
	ExplicitVRBigEndian,
	JPEGBaseline,
	JPEGExtended,
	retired(encapsulated("4.52", "JPEG Extended (Process 3 & 5)", "image/jpeg")),
	retired(encapsulated("4.53", "JPEG Spectral Selection, Non-Hierarchical (Process 6 & 8)", "image/jpeg")),
	retired(encapsulated("4.54", "JPEG Spectral Selection, Non-Hierarchical (Process 7 & 9)", "image/jpeg")),
	retired(encapsulated("4.55", "JPEG Full Progression, Non-Hierarchical (Process 10 & 12)", "image/jpeg")),
	retired(encapsulated("4.56", "JPEG Full Progression, Non-Hierarchical (Process 11 & 13)", "image/jpeg")),
	JPEGLossless,
	retired(encapsulated("4.58", "JPEG Lossless, Non-Hierarchical (Process 15)", "image/jpeg")),
	retired(encapsulated("4.59", "JPEG Extended, Hierarchical (Process 16 & 18)", "image/jpeg")),
	retired(encapsulated("4.60", "JPEG Extended, Hierarchical (Process 17 & 19)", "image/jpeg")),
	retired(encapsulated("4.61", "JPEG Spectral Selection, Hierarchical (Process 20 & 22)", "image/jpeg")),
	retired(encapsulated("4.62", "JPEG Spectral Selection, Hierarchical (Process 21 & 23)", "image/jpeg")),
	retired(encapsulated("4.63", "JPEG Full Progression, Hierarchical (Process 24 & 26)", "image/jpeg")),
	retired(encapsulated("4.64", "JPEG Full Progression, Hierarchical (Process 25 & 27)", "image/jpeg")),
	retired(encapsulated("4.65", "JPEG Lossless, Hierarchical (Process 28)", "image/jpeg")),
	retired(encapsulated("4.66", "JPEG Lossless, Hierarchical (Process 29)", "image/jpeg")),
	JPEGLosslessSV1,
	JPEGLSLossless,
	JPEGLSNearLossless,
	JPEG2000Lossless,
	JPEG2000,
	encapsulated("4.92", "JPEG 2000 Part 2 Multi-component Image Compression (Lossless Only)", "image/jpx"),
	encapsulated("4.93", "JPEG 2000 Part 2 Multi-component Image Compression", "image/jpx"),
	native("1.2.840.10008.1.2.4.94", "JPIP Referenced"),
	deflated(native("1.2.840.10008.1.2.4.95", "JPIP Referenced Deflate")),
	encapsulated("4.100", "MPEG2 Main Profile / Main Level", "video/mpeg2"),
	encapsulated("4.100.1", "Fragmentable MPEG2 Main Profile / Main Level", "video/mpeg2"),
	encapsulated("4.101", "MPEG2 Main Profile / High Level", "video/mpeg2"),
	encapsulated("4.101.1", "Fragmentable MPEG2 Main Profile / High Level", "video/mpeg2"),
	encapsulated("4.102", "MPEG-4 AVC/H.264 High Profile / Level 4.1", "video/mp4"),
	encapsulated("4.102.1", "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.1", "video/mp4"),
	encapsulated("4.103", "MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1", "video/mp4"),
	encapsulated("4.103.1", "Fragmentable MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1", "video/mp4"),
	encapsulated("4.104", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video", "video/mp4"),
	encapsulated("4.104.1", "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video", "video/mp4"),
	encapsulated("4.105", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video", "video/mp4"),
	encapsulated("4.105.1", "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video", "video/mp4"),
	encapsulated("4.106", "MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2", "video/mp4"),
	encapsulated("4.106.1", "Fragmentable MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2", "video/mp4"),
	encapsulated("4.107", "HEVC/H.265 Main Profile / Level 5.1", "video/H265"),
	encapsulated("4.108", "HEVC/H.265 Main 10 Profile / Level 5.1", "video/H265"),
	JPEGXLLossless,
	JPEGXLJPEGRecompression,
	JPEGXL,
	HTJ2KLossless,
	HTJ2KLosslessRPCL,
	HTJ2K,
	native("1.2.840.10008.1.2.4.204", "JPIP HTJ2K Referenced"),
	deflated(native("1.2.840.10008.1.2.4.205", "JPIP HTJ2K Referenced Deflate")),
	RLELossless,
	retired(native("1.2.840.10008.1.2.6.1", "RFC 2557 MIME encapsulation")),
	retired(native("1.2.840.10008.1.2.6.2", "XML Encoding")),
	native("1.2.840.10008.1.2.7.1", "SMPTE ST 2110-20 Uncompressed Progressive Active Video"),
	native("1.2.840.10008.1.2.7.2", "SMPTE ST 2110-20 Uncompressed Interlaced Active Video"),
	native("1.2.840.10008.1.2.7.3", "SMPTE ST 2110-30 PCM Digital Audio"),
	DeflatedImageFrame,
	retired(TransferSyntax{UID: "1.2.840.10008.1.20", Name: "Papyrus 3 Implicit VR Little Endian", ImplicitVR: true, MediaType: octetStream}),
}

var transferSyntaxByUID = func() map[string]TransferSyntax {
	m := make(map[string]TransferSyntax, len(transferSyntaxes))
	for _, ts := range transferSyntaxes {
		m[ts.UID] = ts
	}
	return m
}()

// TransferSyntaxes lists every transfer syntax of the standard, retired ones too.
func TransferSyntaxes() []TransferSyntax {
	return append([]TransferSyntax(nil), transferSyntaxes...)
}

// LookupTransferSyntax returns the transfer syntax with the UID. One that the standard does not
// name (private, or newer than this table) is reported with false, and is given the encoding
// that every such syntax has so far: Explicit VR Little Endian; its pixel data is read as
// fragments or as a plain value, by its length.
func LookupTransferSyntax(uid string) (TransferSyntax, bool) {
	if ts, ok := transferSyntaxByUID[uid]; ok {
		return ts, true
	}
	return TransferSyntax{UID: uid, MediaType: octetStream}, false
}
