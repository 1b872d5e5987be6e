// Package all is the registry of every codec there is: the one place that names them.
package all

import "github.com/aurelius-imaging/aurelius/dicom/codec"

// Codecs returns the registry. Immutable; make it once.
func Codecs() *codec.Registry {
	return codec.NewRegistry()
}
