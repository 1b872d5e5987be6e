// Package render makes pictures of decoded frames (PS3.4 N.2, PS3.3 C.11, PS3.18 8.3.5). Every
// picture says what was done to it.
//
//	samples                                           shown
//	MONOCHROME1, MONOCHROME2 of 1 to 64 bits, floats  modality, VOI and presentation LUT in one table
//	PALETTE COLOR of 8 and 16 bits, supplemental      by the palette
//	RGB, YBR_ICT, YBR_RCT                             as they are: codecs undo JPEG 2000's transforms
//	YBR_FULL, YBR_FULL_422                            converted (ITU-T T.871)
//	YBR_PARTIAL_422, YBR_PARTIAL_420                  converted (ITU-R BT.601)
//	others: HSV, ARGB, CMYK, XYB                      errs.Unsupported
//
// Then, in stored pixels: ICC profile to sRGB, shutter, layers (segments), overlays; then region,
// rotation and flip, scaling to the viewport, graphics, annotation. Pictures are written as JPEG,
// PNG and GIF, cines as GIF that moves.
//
// Grey levels are those of DCMTK's dcm2pnm within one level; where that goes another way the tests
// say why. Scaling without a viewport does not happen, also where pixels are not square (PS3.18
// 8.3.5.1.3).
package render
