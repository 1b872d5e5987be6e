// Package codec turns encoded frames into samples and samples into encoded frames (PS3.5 8.2,
// A.4): the contract of the codecs, one folder below for each family, and the registry that
// finds them by transfer syntax.
//
// A codec sees one frame at a time, its fragments joined. It knows no windows, no colour
// conversion and no files: samples come out as the codestream has them, and the Description
// beside them says what they are, where the codestream and the header disagree too.
//
// Everything outside is hostile: sizes are checked before memory is taken, so that a frame costs
// what its header may claim and its codestream can fill, and no more. Damage is errs.Invalid,
// a process that is not offered errs.Unsupported, a frame too large errs.Exhausted.
//
// JPEG XL and video have no codec: they are framed and passed through.
package codec

import (
	"slices"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Codec decodes frames of one transfer syntax. Safe for concurrent use.
type Codec interface {
	TransferSyntax() dicom.TransferSyntax

	// Decode returns the samples of the frame that src encodes and that the header describes as
	// d. The result's Data is buf's memory where its capacity is enough, never src's. Its
	// Description differs from d where the codestream is right and the header is not: colour
	// space, bits stored, sign. Rows and Columns are d's: a smaller codestream (a cropped tile
	// at a slide's edge) fills the upper left and the rest is zero, a larger one is errs.Invalid.
	// PlanarConfiguration is 0.
	Decode(src []byte, d Description, buf []byte) (Frame, error)
}

// Encoder is a Codec that also writes its syntax.
type Encoder interface {
	Codec

	// Describe returns what the header has to say of frames like d once they are encoded.
	// errs.Unsupported says that the syntax cannot hold them.
	Describe(d Description, o Options) (Description, error)

	// Encode appends the encoded frame to dst. A lossless syntax gives every sample back exactly.
	Encode(dst []byte, f Frame, o Options) ([]byte, error)

	// Lossy reports whether samples change under these options.
	Lossy(o Options) bool
}

// Options steer an encoder. The zero value is a sensible default for each.
type Options struct {
	Quality int // of lossy JPEG: 1 to 100 as libjpeg counts; 0: 90
	Near    int // of near-lossless JPEG-LS: the largest difference of a sample; 0: 2
}

// Registry finds codecs by transfer syntax. Immutable, safe for concurrent use.
type Registry struct {
	byUID map[string]Codec
	order []Codec
}

// NewRegistry returns a registry of these codecs; of two for one syntax the later one counts.
func NewRegistry(codecs ...Codec) *Registry {
	r := &Registry{byUID: make(map[string]Codec, len(codecs))}
	for _, c := range codecs {
		r.byUID[c.TransferSyntax().UID] = c
	}
	for _, c := range r.byUID {
		r.order = append(r.order, c)
	}
	slices.SortFunc(r.order, func(a, b Codec) int {
		return strings.Compare(a.TransferSyntax().UID, b.TransferSyntax().UID)
	})
	return r
}

// Codecs lists the codecs by transfer syntax UID.
func (r *Registry) Codecs() []Codec { return slices.Clone(r.order) }

// Decoder returns the codec that reads frames of a transfer syntax, or errs.Unsupported.
func (r *Registry) Decoder(transferSyntaxUID string) (Codec, error) {
	if c, ok := r.byUID[transferSyntaxUID]; ok {
		return c, nil
	}
	return nil, errs.Errorf(errs.Unsupported, "codec.Decoder", "frames in transfer syntax %q cannot be decoded here", transferSyntaxUID)
}

// Encoder returns the codec that writes frames of a transfer syntax, or errs.Unsupported.
func (r *Registry) Encoder(transferSyntaxUID string) (Encoder, error) {
	if e, ok := r.byUID[transferSyntaxUID].(Encoder); ok {
		return e, nil
	}
	return nil, errs.Errorf(errs.Unsupported, "codec.Encoder", "frames in transfer syntax %q cannot be encoded here", transferSyntaxUID)
}
