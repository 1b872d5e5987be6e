package attribute

import (
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// Prepared is what an engine keeps of an instance, as far as it can be made before a transaction
// begins.
type Prepared struct {
	Levels *Split
	Attrs  []byte // of the instance
	Number int64  // InstanceNumber
	Header []byte // packed
}

// Prepare takes an instance apart. One without its UIDs is errs.Invalid; op names the caller.
func Prepare(op string, in index.Instance) (Prepared, error) {
	if in.Dataset == nil || in.StudyInstanceUID == "" || in.SeriesInstanceUID == "" || in.SOPInstanceUID == "" {
		return Prepared{}, errs.Errorf(errs.Invalid, op, "study, series or SOP Instance UID is missing")
	}
	levels := SplitLevels(in.Dataset)
	attrs, err := Encode(levels.Level(levels.Instance))
	if err != nil {
		return Prepared{}, errs.E(errs.Invalid, op, err)
	}
	return Prepared{
		Levels: levels, Attrs: attrs,
		Number: Number(in.Dataset.Get(tag.InstanceNumber)), Header: PackHeader(in.Header),
	}, nil
}
