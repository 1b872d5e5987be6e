package query

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// FromParams reads QIDO-RS parameters (PS3.18 8.3.4): attribute keywords or tags, dotted paths,
// includefield, limit, offset, fuzzymatching. The UIDs of the path come as study and series.
// Unknown attributes, and attributes that do not stand at the level or above, are errs.Invalid.
// An attribute given several times matches any of its values.
func FromParams(level Level, study, series string, params url.Values) (*Query, error) {
	const op = "query.FromParams"
	q := &Query{Level: level}
	if len(params) > maxKeys {
		return nil, errs.Errorf(errs.Invalid, op, "more than %d parameters", maxKeys)
	}
	names := make([]string, 0, len(params))
	for name := range params {
		names = append(names, name)
	}
	slices.Sort(names) // one question, one order of keys
	for _, name := range names {
		if err := q.param(op, name, params[name]); err != nil {
			return nil, err
		}
	}
	q.pathKey(tag.StudyInstanceUID, study)
	q.pathKey(tag.SeriesInstanceUID, series)
	return q, nil
}

func (q *Query) pathKey(t tag.Tag, uid string) {
	if uid != "" {
		q.Keys = append(q.Keys, Key{Path: []tag.Tag{t}, VR: vr.UI, Kind: Single, Values: []string{uid}})
	}
}

func (q *Query) param(op, name string, values []string) (err error) {
	if len(values) == 0 {
		return nil
	}
	switch strings.ToLower(name) {
	case "limit":
		q.Limit, err = count(op, name, values)
	case "offset":
		q.Offset, err = count(op, name, values)
	case "fuzzymatching":
		q.Fuzzy, err = flag(op, name, values)
	case "includefield":
		return q.include(op, values)
	case "accept", "charset": // PS3.18 8.3.3: header fields as parameters, the door's
	case "emptyvaluematching", "multiplevaluematching":
		_, err = flag(op, name, values) // always understood here
	default:
		return q.match(op, name, values)
	}
	return err
}

func (q *Query) match(op, name string, values []string) error {
	path, err := attributePath(op, name)
	if err != nil {
		return err
	}
	v := dictionaryVR(path[len(path)-1], vr.UN)
	var key Key
	for _, text := range values {
		k, found, err := newKey(op, path, v, text)
		switch {
		case err != nil:
			return err
		case !found: // universal: the attribute is asked for
			q.Return = append(q.Return, path[0])
		case key.Path == nil:
			key = k
		case k.Kind == Range || k.Kind == Empty || key.Kind == Range || key.Kind == Empty:
			return errs.Errorf(errs.Invalid, op, "%s is given twice", path[len(path)-1])
		default:
			key.Kind, key.Values = List, append(key.Values, k.Values...)
		}
	}
	if key.Path == nil {
		return nil
	}
	if len(key.Values) > maxValues {
		return errs.Errorf(errs.Invalid, op, "too many values of %s", path[len(path)-1])
	}
	placed, found := place(q.Level, key)
	if !found {
		return errs.Errorf(errs.Invalid, op, "%s cannot be matched at the %s level", path[0], q.Level)
	}
	q.Keys = append(q.Keys, placed)
	// A key is returned with its match (PS3.18 10.6.3.3).
	q.Return = append(q.Return, placed.Path[0])
	return nil
}

func (q *Query) include(op string, values []string) error {
	for _, list := range values {
		for name := range strings.SplitSeq(list, ",") {
			switch name = strings.TrimSpace(name); {
			case name == "":
			case strings.EqualFold(name, "all"):
				q.ReturnAll = true
			default:
				path, err := attributePath(op, name)
				if err != nil {
					return err
				}
				if len(q.Return) > maxKeys {
					return errs.Errorf(errs.Invalid, op, "more than %d attributes in includefield", maxKeys)
				}
				q.Return = append(q.Return, path[0])
			}
		}
	}
	return nil
}

// attributePath reads keywords or tags of eight hexadecimal digits, joined by dots.
func attributePath(op, name string) ([]tag.Tag, error) {
	if strings.Count(name, ".") >= maxDepth {
		return nil, errs.Errorf(errs.Invalid, op, "a path more than %d deep", maxDepth)
	}
	var path []tag.Tag
	for part := range strings.SplitSeq(name, ".") {
		t, ok := tag.ByKeyword(part)
		if !ok {
			if t, ok = tag.ParseHex(part); !ok {
				return nil, errs.Errorf(errs.Invalid, op, "unknown attribute or parameter %.64q", part)
			}
		}
		path = append(path, t)
	}
	return path, nil
}

// count reads a number that is not negative. One too large to be met is as good as the largest,
// which is what ParseUint returns for it.
func count(op, name string, values []string) (int, error) {
	n, err := strconv.ParseUint(values[len(values)-1], 10, 31)
	if len(values) > 1 || err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, errs.Errorf(errs.Invalid, op, "%s must be one number, zero or more", name)
	}
	return int(n), nil
}

func flag(op, name string, values []string) (bool, error) {
	switch v := values[len(values)-1]; {
	case len(values) == 1 && strings.EqualFold(v, "true"):
		return true, nil
	case len(values) == 1 && (v == "" || strings.EqualFold(v, "false")):
		return false, nil
	}
	return false, errs.Errorf(errs.Invalid, op, "%s must be true or false", name)
}

func formatInts(ns []int64) string {
	var out []byte
	for i, n := range ns {
		if i > 0 {
			out = append(out, '\\')
		}
		out = strconv.AppendInt(out, n, 10)
	}
	return string(out)
}

func formatFloats(fs []float64) string {
	var out []byte
	for i, f := range fs {
		if i > 0 {
			out = append(out, '\\')
		}
		out = strconv.AppendFloat(out, f, 'g', -1, 64)
	}
	return string(out)
}
