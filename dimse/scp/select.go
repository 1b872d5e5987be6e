package scp

import (
	"context"

	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// selection reads the Identifier of a C-MOVE or C-GET and lists the instances it names, in the
// order of the archive. Nothing there is an empty list: to retrieve nothing is a success.
func (d *Door) selection(ctx context.Context, r *dimse.Request) ([]index.Entry, error) {
	request, err := identifier(r)
	if err != nil {
		return nil, err
	}
	q, err := query.FromIdentifier(request, patientRoot(r))
	if err != nil {
		return nil, err
	}
	refs, err := d.refs(ctx, d.tenant(r), q)
	if err != nil {
		return nil, err
	}
	var out []index.Entry
	for _, ref := range refs {
		found, err := d.archive.Select(ctx, d.tenant(r), ref)
		switch {
		case errs.Is(err, errs.NotFound):
		case err != nil:
			return nil, err
		default:
			out = append(out, found...)
		}
	}
	return out, nil
}

// uniqueKeys are the Unique Keys of the levels (PS3.4 C.6.1.1).
var uniqueKeys = map[query.Level]tag.Tag{
	query.Patient:  tag.PatientID,
	query.Study:    tag.StudyInstanceUID,
	query.Series:   tag.SeriesInstanceUID,
	query.Instance: tag.SOPInstanceUID,
}

// refs turns a retrieval's keys into references. When UIDs are all there is they name the
// instances themselves; any other key (a PatientID in the Patient Root model) is a question to
// the archive first, so that a study is never given out under another patient's ID.
func (d *Door) refs(ctx context.Context, t storage.TenantID, q *query.Query) ([]index.Ref, error) {
	const op = "scp.refs"
	unique := uniqueKeys[q.Level]
	var above index.Ref
	var targets []string
	direct := q.Level != query.Patient
	for _, key := range q.Keys {
		var field *string
		switch key.Path[0] {
		case tag.StudyInstanceUID:
			field = &above.StudyInstanceUID
		case tag.SeriesInstanceUID:
			field = &above.SeriesInstanceUID
		case tag.SOPInstanceUID:
			field = &above.SOPInstanceUID
		}
		if key.Kind != query.Single && key.Kind != query.List && (field != nil || key.Path[0] == unique) {
			// PS3.4 C.4.2.2.1: Unique Keys name one thing, or list UIDs.
			return nil, errs.Errorf(errs.Mismatch, op, "%s with a wildcard", key.Path[0].Keyword())
		}
		switch {
		case key.Path[0] == unique:
			targets = key.Values
		case field != nil && len(key.Values) == 1:
			*field = key.Values[0]
		default:
			direct = false
		}
	}
	if len(targets) == 0 {
		return nil, errs.Errorf(errs.Mismatch, op, "%s is missing", unique.Keyword())
	}
	if !direct {
		return d.foundRefs(ctx, t, q)
	}
	return under(above, q.Level, targets), nil
}

// under makes one reference per target UID at the level, each target once.
func under(above index.Ref, level query.Level, targets []string) []index.Ref {
	refs := make([]index.Ref, 0, len(targets))
	seen := make(map[string]bool, len(targets))
	for _, target := range targets {
		if seen[target] {
			continue
		}
		seen[target] = true
		ref := above
		switch level {
		case query.Study:
			ref.StudyInstanceUID = target
		case query.Series:
			ref.SeriesInstanceUID = target
		default:
			ref.SOPInstanceUID = target
		}
		refs = append(refs, ref)
	}
	return refs
}

// foundRefs asks the archive which studies, series or instances answer the keys.
func (d *Door) foundRefs(ctx context.Context, t storage.TenantID, q *query.Query) ([]index.Ref, error) {
	ask := &query.Query{Level: max(q.Level, query.Study), Keys: q.Keys}
	names := []tag.Tag{tag.StudyInstanceUID, tag.SeriesInstanceUID, tag.SOPInstanceUID}
	ask.Return = names[:ask.Level-query.Study+1]
	var refs []index.Ref
	for match, err := range d.archive.Find(ctx, t, ask) {
		if err != nil {
			return nil, err
		}
		refs = append(refs, index.Ref{
			StudyInstanceUID:  match.UID(tag.StudyInstanceUID),
			SeriesInstanceUID: match.UID(tag.SeriesInstanceUID),
			SOPInstanceUID:    match.UID(tag.SOPInstanceUID),
		})
	}
	return refs, nil
}
