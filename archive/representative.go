package archive

import (
	"context"
	"iter"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// aroundMiddle is how many instances of a series are tried on each side of the middle one.
const aroundMiddle = 4

// Representatives yields instances that can stand for a study or a series, the best first: of
// each series the middle one by InstanceNumber, then a few around it. Series come in their order,
// segmentations behind the others: they show little alone. Nothing there is an empty sequence.
func (a *Archive) Representatives(ctx context.Context, t storage.TenantID, r index.Ref) iter.Seq2[index.Entry, error] {
	return func(yield func(index.Entry, error) bool) {
		series, err := a.index.Series(ctx, t, r)
		var later [][]index.Entry
		for _, s := range series {
			var found []index.Entry
			if found, err = a.middle(ctx, t, s); err != nil {
				break
			}
			if len(found) > 0 && segments(found[0].SOPClassUID) {
				later = append(later, found)
				continue
			}
			if !yieldAll(yield, found) {
				return
			}
		}
		for _, found := range later {
			if !yieldAll(yield, found) {
				return
			}
		}
		if err != nil {
			yield(index.Entry{}, err)
		}
	}
}

func yieldAll(yield func(index.Entry, error) bool, entries []index.Entry) bool {
	for _, e := range entries {
		if !yield(e, nil) {
			return false
		}
	}
	return true
}

// segments reports whether instances are of the family of segmentations, label maps and
// registrations (PS3.4 B.5).
func segments(SOPClassUID string) bool {
	family := strings.TrimSuffix(uid.SegmentationStorage, "4")
	return strings.HasPrefix(SOPClassUID, family)
}

// middle returns the instances in the middle of a series, from there outward.
func (a *Archive) middle(ctx context.Context, t storage.TenantID, s index.SeriesState) (out []index.Entry, err error) {
	var near []index.Entry
	at, middle := 0, s.Instances/2
	for e, err := range a.index.Locate(ctx, t, index.Ref{StudyInstanceUID: s.StudyInstanceUID, SeriesInstanceUID: s.SeriesInstanceUID}, 0) {
		if err != nil {
			return nil, err
		}
		if at >= middle-aroundMiddle {
			near = append(near, e)
		}
		if at++; at > middle+aroundMiddle {
			break
		}
	}
	middle -= max(middle-aroundMiddle, 0)
	for by := range len(near) + 1 {
		if i := middle + by; i < len(near) {
			out = append(out, near[i])
		}
		if i := middle - by; by > 0 && i >= 0 && i < len(near) {
			out = append(out, near[i])
		}
	}
	return out, nil
}
