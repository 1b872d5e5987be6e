// Package render makes pictures of decoded frames (PS3.4 N.2, PS3.3 C.11, PS3.18 8.3.5): modality,
// VOI and presentation LUT, palettes and colour spaces, ICC profiles, overlays, presentation
// states, coloured layers; cut, turned and scaled; written as JPEG, PNG or GIF. Every picture says
// what was done to it.
package render
