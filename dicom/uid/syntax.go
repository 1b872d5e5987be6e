package uid

// Transfer syntaxes, under their keywords of PS3.6 Table A-1. How each encodes is in package dicom.
const (
	ImplicitVRLittleEndian                          = "1.2.840.10008.1.2"
	ExplicitVRLittleEndian                          = "1.2.840.10008.1.2.1"
	EncapsulatedUncompressedExplicitVRLittleEndian  = "1.2.840.10008.1.2.1.98"
	DeflatedExplicitVRLittleEndian                  = "1.2.840.10008.1.2.1.99"
	ExplicitVRBigEndian                             = "1.2.840.10008.1.2.2" // retired
	JPEGBaseline8Bit                                = "1.2.840.10008.1.2.4.50"
	JPEGExtended12Bit                               = "1.2.840.10008.1.2.4.51"
	JPEGExtended35                                  = "1.2.840.10008.1.2.4.52" // retired
	JPEGSpectralSelectionNonHierarchical68          = "1.2.840.10008.1.2.4.53" // retired
	JPEGSpectralSelectionNonHierarchical79          = "1.2.840.10008.1.2.4.54" // retired
	JPEGFullProgressionNonHierarchical1012          = "1.2.840.10008.1.2.4.55" // retired
	JPEGFullProgressionNonHierarchical1113          = "1.2.840.10008.1.2.4.56" // retired
	JPEGLossless                                    = "1.2.840.10008.1.2.4.57"
	JPEGLosslessNonHierarchical15                   = "1.2.840.10008.1.2.4.58" // retired
	JPEGExtendedHierarchical1618                    = "1.2.840.10008.1.2.4.59" // retired
	JPEGExtendedHierarchical1719                    = "1.2.840.10008.1.2.4.60" // retired
	JPEGSpectralSelectionHierarchical2022           = "1.2.840.10008.1.2.4.61" // retired
	JPEGSpectralSelectionHierarchical2123           = "1.2.840.10008.1.2.4.62" // retired
	JPEGFullProgressionHierarchical2426             = "1.2.840.10008.1.2.4.63" // retired
	JPEGFullProgressionHierarchical2527             = "1.2.840.10008.1.2.4.64" // retired
	JPEGLosslessHierarchical28                      = "1.2.840.10008.1.2.4.65" // retired
	JPEGLosslessHierarchical29                      = "1.2.840.10008.1.2.4.66" // retired
	JPEGLosslessSV1                                 = "1.2.840.10008.1.2.4.70"
	JPEGLSLossless                                  = "1.2.840.10008.1.2.4.80"
	JPEGLSNearLossless                              = "1.2.840.10008.1.2.4.81"
	JPEG2000Lossless                                = "1.2.840.10008.1.2.4.90"
	JPEG2000                                        = "1.2.840.10008.1.2.4.91"
	JPEG2000MCLossless                              = "1.2.840.10008.1.2.4.92"
	JPEG2000MC                                      = "1.2.840.10008.1.2.4.93"
	JPIPReferenced                                  = "1.2.840.10008.1.2.4.94"
	JPIPReferencedDeflate                           = "1.2.840.10008.1.2.4.95"
	MPEG2MPML                                       = "1.2.840.10008.1.2.4.100"
	MPEG2MPMLF                                      = "1.2.840.10008.1.2.4.100.1"
	MPEG2MPHL                                       = "1.2.840.10008.1.2.4.101"
	MPEG2MPHLF                                      = "1.2.840.10008.1.2.4.101.1"
	MPEG4HP41                                       = "1.2.840.10008.1.2.4.102"
	MPEG4HP41F                                      = "1.2.840.10008.1.2.4.102.1"
	MPEG4HP41BD                                     = "1.2.840.10008.1.2.4.103"
	MPEG4HP41BDF                                    = "1.2.840.10008.1.2.4.103.1"
	MPEG4HP422D                                     = "1.2.840.10008.1.2.4.104"
	MPEG4HP422DF                                    = "1.2.840.10008.1.2.4.104.1"
	MPEG4HP423D                                     = "1.2.840.10008.1.2.4.105"
	MPEG4HP423DF                                    = "1.2.840.10008.1.2.4.105.1"
	MPEG4HP42STEREO                                 = "1.2.840.10008.1.2.4.106"
	MPEG4HP42STEREOF                                = "1.2.840.10008.1.2.4.106.1"
	HEVCMP51                                        = "1.2.840.10008.1.2.4.107"
	HEVCM10P51                                      = "1.2.840.10008.1.2.4.108"
	HTJ2KLossless                                   = "1.2.840.10008.1.2.4.201"
	HTJ2KLosslessRPCL                               = "1.2.840.10008.1.2.4.202"
	HTJ2K                                           = "1.2.840.10008.1.2.4.203"
	JPIPHTJ2KReferenced                             = "1.2.840.10008.1.2.4.204"
	JPIPHTJ2KReferencedDeflate                      = "1.2.840.10008.1.2.4.205"
	RLELossless                                     = "1.2.840.10008.1.2.5"
	RFC2557MIMEEncapsulation                        = "1.2.840.10008.1.2.6.1" // retired
	XMLEncoding                                     = "1.2.840.10008.1.2.6.2" // retired
	SMPTEST211020UncompressedProgressiveActiveVideo = "1.2.840.10008.1.2.7.1"
	SMPTEST211020UncompressedInterlacedActiveVideo  = "1.2.840.10008.1.2.7.2"
	SMPTEST211030PCMDigitalAudio                    = "1.2.840.10008.1.2.7.3"
	Papyrus3ImplicitVRLittleEndian                  = "1.2.840.10008.1.20" // retired

	// Not of the standard.
	GEPrivateImplicitVRBigEndian = "1.2.840.113619.5.2" // pixel data in big endian, the rest implicit little endian
)

var syntaxes = [...]known{
	{ImplicitVRLittleEndian, "Implicit VR Little Endian"},
	{ExplicitVRLittleEndian, "Explicit VR Little Endian"},
	{EncapsulatedUncompressedExplicitVRLittleEndian, "Encapsulated Uncompressed Explicit VR Little Endian"},
	{DeflatedExplicitVRLittleEndian, "Deflated Explicit VR Little Endian"},
	{ExplicitVRBigEndian, "Explicit VR Big Endian"},
	{JPEGBaseline8Bit, "JPEG Baseline (Process 1)"},
	{JPEGExtended12Bit, "JPEG Extended (Process 2 and 4)"},
	{JPEGExtended35, "JPEG Extended (Process 3 and 5)"},
	{JPEGSpectralSelectionNonHierarchical68, "JPEG Spectral Selection, Non-Hierarchical (Process 6 and 8)"},
	{JPEGSpectralSelectionNonHierarchical79, "JPEG Spectral Selection, Non-Hierarchical (Process 7 and 9)"},
	{JPEGFullProgressionNonHierarchical1012, "JPEG Full Progression, Non-Hierarchical (Process 10 and 12)"},
	{JPEGFullProgressionNonHierarchical1113, "JPEG Full Progression, Non-Hierarchical (Process 11 and 13)"},
	{JPEGLossless, "JPEG Lossless, Non-Hierarchical (Process 14)"},
	{JPEGLosslessNonHierarchical15, "JPEG Lossless, Non-Hierarchical (Process 15)"},
	{JPEGExtendedHierarchical1618, "JPEG Extended, Hierarchical (Process 16 and 18)"},
	{JPEGExtendedHierarchical1719, "JPEG Extended, Hierarchical (Process 17 and 19)"},
	{JPEGSpectralSelectionHierarchical2022, "JPEG Spectral Selection, Hierarchical (Process 20 and 22)"},
	{JPEGSpectralSelectionHierarchical2123, "JPEG Spectral Selection, Hierarchical (Process 21 and 23)"},
	{JPEGFullProgressionHierarchical2426, "JPEG Full Progression, Hierarchical (Process 24 and 26)"},
	{JPEGFullProgressionHierarchical2527, "JPEG Full Progression, Hierarchical (Process 25 and 27)"},
	{JPEGLosslessHierarchical28, "JPEG Lossless, Hierarchical (Process 28)"},
	{JPEGLosslessHierarchical29, "JPEG Lossless, Hierarchical (Process 29)"},
	{JPEGLosslessSV1, "JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14 [Selection Value 1])"},
	{JPEGLSLossless, "JPEG-LS Lossless Image Compression"},
	{JPEGLSNearLossless, "JPEG-LS Lossy (Near-Lossless) Image Compression"},
	{JPEG2000Lossless, "JPEG 2000 Image Compression (Lossless Only)"},
	{JPEG2000, "JPEG 2000 Image Compression"},
	{JPEG2000MCLossless, "JPEG 2000 Part 2 Multi-component Image Compression (Lossless Only)"},
	{JPEG2000MC, "JPEG 2000 Part 2 Multi-component Image Compression"},
	{JPIPReferenced, "JPIP Referenced"},
	{JPIPReferencedDeflate, "JPIP Referenced Deflate"},
	{MPEG2MPML, "MPEG2 Main Profile / Main Level"},
	{MPEG2MPMLF, "Fragmentable MPEG2 Main Profile / Main Level"},
	{MPEG2MPHL, "MPEG2 Main Profile / High Level"},
	{MPEG2MPHLF, "Fragmentable MPEG2 Main Profile / High Level"},
	{MPEG4HP41, "MPEG-4 AVC/H.264 High Profile / Level 4.1"},
	{MPEG4HP41F, "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.1"},
	{MPEG4HP41BD, "MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1"},
	{MPEG4HP41BDF, "Fragmentable MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1"},
	{MPEG4HP422D, "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video"},
	{MPEG4HP422DF, "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video"},
	{MPEG4HP423D, "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video"},
	{MPEG4HP423DF, "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video"},
	{MPEG4HP42STEREO, "MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2"},
	{MPEG4HP42STEREOF, "Fragmentable MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2"},
	{HEVCMP51, "HEVC/H.265 Main Profile / Level 5.1"},
	{HEVCM10P51, "HEVC/H.265 Main 10 Profile / Level 5.1"},
	{HTJ2KLossless, "High-Throughput JPEG 2000 Image Compression (Lossless Only)"},
	{HTJ2KLosslessRPCL, "High-Throughput JPEG 2000 with RPCL Options Image Compression (Lossless Only)"},
	{HTJ2K, "High-Throughput JPEG 2000 Image Compression"},
	{JPIPHTJ2KReferenced, "JPIP HTJ2K Referenced"},
	{JPIPHTJ2KReferencedDeflate, "JPIP HTJ2K Referenced Deflate"},
	{RLELossless, "RLE Lossless"},
	{RFC2557MIMEEncapsulation, "RFC 2557 MIME encapsulation"},
	{XMLEncoding, "XML Encoding"},
	{SMPTEST211020UncompressedProgressiveActiveVideo, "SMPTE ST 2110-20 Uncompressed Progressive Active Video"},
	{SMPTEST211020UncompressedInterlacedActiveVideo, "SMPTE ST 2110-20 Uncompressed Interlaced Active Video"},
	{SMPTEST211030PCMDigitalAudio, "SMPTE ST 2110-30 PCM Digital Audio"},
	{Papyrus3ImplicitVRLittleEndian, "Papyrus 3 Implicit VR Little Endian"},
	{GEPrivateImplicitVRBigEndian, "GE Private Implicit VR Big Endian"},
}
