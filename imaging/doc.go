// Package imaging says what an image's header wants of its samples: the modality and VOI LUTs,
// palettes, padding, overlays, colour profile and shape of pixels that turn a decoded frame into
// something to look at (PS3.3 C.7.6.3, C.9.2, C.11.1, C.11.2, C.11.6, C.11.15), for the whole
// image or for a frame of an enhanced one (PS3.3 C.7.6.16). Package imaging/render does it.
//
// It leaves out: Real World Value Mapping, which is for measuring.
package imaging
