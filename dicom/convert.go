package dicom

import "io"

// Convert copies a data set from one native transfer syntax to another (byte order, VR
// encoding, deflate), streaming; pixel data is swapped, never decoded. It is an error when
// either side is encapsulated and they differ.
func Convert(dst io.Writer, src io.Reader, from, to TransferSyntax) error { panic("dicom helper") }
