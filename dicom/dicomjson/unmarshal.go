package dicomjson

import (
	"encoding/base64"
	"encoding/json"
	"strconv"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// What Unmarshal accepts. The size of the text is the caller's to bound.
const (
	maxDepth = 128     // nested sequences, as the reader of data sets
	maxNodes = 4 << 20 // elements and items: each takes far more memory than its text
	maxSkip  = 4       // how often the text may be passed over to find a vr that comes last
)

// Object is a data set read from JSON.
type Object struct {
	Dataset  *dicom.Dataset
	BulkData []BulkData // the values that are elsewhere; their elements are there, and empty
}

// BulkData is a value that the JSON names by its URI.
type BulkData struct {
	Path string // as Options.BulkURI has it
	URI  string
}

// Unmarshal reads one data set. Errors are errs.Invalid and errs.Exhausted. Text is encoded in
// the Specific Character Set that the data set names, or as ISO_IR 192 where that cannot say it
// or none is named.
func Unmarshal(b []byte) (Object, error) {
	all, err := UnmarshalAll(b)
	if err != nil {
		return Object{}, err
	}
	if len(all) != 1 {
		return Object{}, errs.Errorf(errs.Invalid, "dicomjson.Unmarshal", "want one data set, not %d", len(all))
	}
	return all[0], nil
}

// UnmarshalAll reads an array of data sets, or one alone (PS3.18 8.7.3.3, 10.5).
func UnmarshalAll(b []byte) ([]Object, error) {
	if !json.Valid(b) {
		return nil, errs.Errorf(errs.Invalid, "dicomjson.Unmarshal", "not valid JSON")
	}
	p := parser{b: b}
	var out []Object
	one := func() error {
		d, err := p.dataset(0)
		if err != nil {
			return err
		}
		encodeText(d, nil)
		out = append(out, Object{Dataset: d, BulkData: p.bulk})
		p.bulk = nil
		return nil
	}
	var err error
	if p.peek() == '[' {
		err = p.list(one)
	} else {
		err = one()
	}
	return out, err
}

// parser walks over text that is known to be valid JSON.
type parser struct {
	b       []byte
	i       int
	path    []byte
	nodes   int
	skipped int
	bulk    []BulkData
}

func (p *parser) fail(what string) error {
	if len(p.path) == 0 {
		return errs.Errorf(errs.Invalid, "dicomjson.Unmarshal", "%s", what)
	}
	return errs.Errorf(errs.Invalid, "dicomjson.Unmarshal", "%s: %s", p.path, what)
}

func (p *parser) count() error {
	if p.nodes++; p.nodes > maxNodes {
		return errs.Errorf(errs.Exhausted, "dicomjson.Unmarshal", "too many elements")
	}
	return nil
}

func (p *parser) dataset(depth int) (*dicom.Dataset, error) {
	if depth > maxDepth {
		return nil, errs.Errorf(errs.Exhausted, "dicomjson.Unmarshal", "sequences nested too deeply")
	}
	if p.peek() != '{' {
		return nil, p.fail("not a data set")
	}
	d := &dicom.Dataset{}
	base := len(p.path)
	err := p.object(func(name []byte) error {
		t, ok := tag.ParseHex(name)
		if !ok {
			return p.fail("attribute name is not a tag")
		}
		p.path = t.AppendHex(p.path[:base])
		e, err := p.element(t, depth)
		if err != nil {
			return err
		}
		if !t.GroupLength() && t.Group() != 0xFFFE {
			d.Elements = append(d.Elements, e)
		}
		return p.count()
	})
	p.path = p.path[:base]
	if err != nil {
		return nil, err
	}
	d.Sort()
	for i := range d.Elements {
		if i > 0 && d.Elements[i-1].Tag == d.Elements[i].Tag {
			return nil, p.fail(d.Elements[i].Tag.Hex() + " occurs twice")
		}
		if d.Elements[i].Items != nil {
			d.SetElement(d.Elements[i]) // makes d the parent of the items
		}
	}
	return d, nil
}

func (p *parser) element(t tag.Tag, depth int) (dicom.Element, error) {
	e := dicom.Element{Tag: t}
	if p.peek() != '{' {
		return e, p.fail("attribute is not an object")
	}
	later := -1 // where a Value stands whose VR was not known yet
	err := p.object(func(name []byte) error {
		switch string(name) {
		case "vr":
			s, ok := p.string()
			if !ok || len(s) != 2 {
				return p.fail("vr is not a value representation")
			}
			e.VR = vr.VR(s[0])<<8 | vr.VR(s[1])
			if !e.VR.Known() {
				return p.fail("vr is not a value representation")
			}
		case "Value":
			if e.VR != 0 {
				return p.value(&e, depth)
			}
			later = p.i
			return p.skip()
		case "InlineBinary":
			return p.inline(&e)
		case "BulkDataURI":
			uri, ok := p.string()
			if !ok {
				return p.fail("BulkDataURI is not a string")
			}
			p.bulk = append(p.bulk, BulkData{Path: string(p.path), URI: string(uri)})
		default:
			return p.skip()
		}
		return nil
	})
	if err != nil {
		return e, err
	}
	if e.VR == 0 { // required (PS3.18 F.2.2), forgotten by some
		e.VR = t.VR()
	}
	if later >= 0 {
		end := p.i
		p.i = later
		if err := p.value(&e, depth); err != nil {
			return e, err
		}
		p.i = end
	}
	return e, nil
}

func (p *parser) inline(e *dicom.Element) error {
	s, ok := p.string()
	if !ok {
		return p.fail("InlineBinary is not a string")
	}
	if len(s) == 0 {
		return nil
	}
	b, err := base64.StdEncoding.AppendDecode(nil, s)
	if err != nil {
		return p.fail("InlineBinary is not base64")
	}
	if len(b)%2 != 0 {
		b = append(b, 0) // PS3.5 8.1.1
	}
	e.Value = b
	return nil
}

func (p *parser) value(e *dicom.Element, depth int) error {
	if p.peek() == 'n' { // null for an empty value
		return p.skip()
	}
	if p.peek() != '[' {
		return p.fail("Value is not an array")
	}
	switch {
	case e.VR == vr.SQ:
		return p.items(e, depth)
	case e.VR.Text():
		return p.texts(e)
	case e.VR == vr.AT || e.VR == vr.FL || e.VR == vr.FD || e.VR == vr.US || e.VR == vr.SS ||
		e.VR == vr.UL || e.VR == vr.SL || e.VR == vr.UV || e.VR == vr.SV:
		return p.list(func() error { return p.number(e) })
	}
	empty := true
	if err := p.list(func() error { empty = false; return p.skip() }); err != nil || empty {
		return err
	}
	return p.fail("Value in an attribute that is binary")
}

func (p *parser) items(e *dicom.Element, depth int) error {
	base := len(p.path)
	e.Items = []*dicom.Dataset{}
	err := p.list(func() error {
		if err := p.count(); err != nil {
			return err
		}
		if p.peek() == 'n' {
			e.Items = append(e.Items, &dicom.Dataset{})
			return p.skip()
		}
		p.path = append(p.path[:base], '/')
		p.path = strconv.AppendInt(p.path, int64(len(e.Items)), 10)
		p.path = append(p.path, '/')
		item, err := p.dataset(depth + 1)
		if err != nil {
			return err
		}
		e.Items = append(e.Items, item)
		return nil
	})
	p.path = p.path[:base]
	if len(e.Items) == 0 {
		e.Items = nil
	}
	return err
}
