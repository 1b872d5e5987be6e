package dicomjson_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/dicomjson"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

type attribute struct {
	VR           string `json:"vr"`
	Value        []any
	InlineBinary string
	BulkDataURI  string
}

type object map[string]attribute

// difference says why an attribute may differ from pydicom's, "" when it may not.
type difference struct {
	why     string
	applies func(path string, t tag.Tag, ours, theirs attribute) bool
}

// differences are all that differs on the corpus.
var differences = []difference{
	{"pydicom writes an empty sequence as an empty Value; PS3.18 F.2.5 wants none", func(_ string, _ tag.Tag, ours, theirs attribute) bool {
		return ours.VR == "SQ" && len(ours.Value) == 0 && len(theirs.Value) == 0
	}},
	{"pydicom guesses the VR of private attributes from its own list; we keep UN", func(_ string, number tag.Tag, ours, theirs attribute) bool {
		return number.Private() && ours.VR == "UN" && theirs.VR != "UN"
	}},
	{"pydicom keeps padding of the values before the last", func(_ string, _ tag.Tag, ours, theirs attribute) bool {
		return ours.VR == theirs.VR && len(ours.Value) == len(theirs.Value) && len(ours.Value) > 1 &&
			slices.EqualFunc(ours.Value, theirs.Value, func(a, b any) bool {
				return a == strings.TrimSpace(fmt.Sprint(b)) || a == strings.TrimRight(fmt.Sprint(b), " ")
			})
	}},
	{"integers beyond 2^53 are strings (PS3.18 F.2.3)", func(_ string, _ tag.Tag, ours, theirs attribute) bool {
		return ours.VR == theirs.VR && (ours.VR == "SV" || ours.VR == "UV")
	}},
	{"pydicom writes a VR that it did not resolve", func(_ string, _ tag.Tag, ours, theirs attribute) bool {
		return theirs.VR == "OB or OW" && ours.VR == "OW"
	}},
	{"pydicom does not know ISO_IR 203, nor the escape sequence of ISO 2022 IR 58", func(path string, number tag.Tag, _, _ attribute) bool {
		return number == tag.PatientName && (path == "charsets/latin9-ir203.dcm" || path == "charsets/chinese-ir58.dcm")
	}},
	{"a sequence as UN of defined length is not parsed", func(_ string, _ tag.Tag, ours, theirs attribute) bool {
		return ours.VR == "UN" && theirs.VR == "SQ"
	}},
}

// TestCorpusEqualsPydicom compares the headers of all the corpus with pydicom's to_json_dict.
func TestCorpusEqualsPydicom(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs pydicom for ten seconds")
	}
	shared := testkit.Shared(t)
	tools := filepath.Join(shared, "parts", "dicom-tools")
	if _, err := os.Stat(tools); err != nil {
		testkit.Missing(t, tools)
	}
	root := filepath.Join(shared, "data")
	cmd := exec.Command(tools, "py", "-B", filepath.Join("testdata", "reference.py"), root)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("reference.py: %v", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 64<<20)
	files, used := 0, map[string]int{}
	for lines.Scan() {
		var want struct {
			Path string
			JSON object
		}
		if err := json.Unmarshal(lines.Bytes(), &want); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(want.Path, "malformed/") { // a matter of the readers
			continue
		}
		got, err := header(filepath.Join(root, want.Path))
		if err != nil {
			t.Errorf("%s: %v", want.Path, err)
			continue
		}
		files++
		compare(t, want.Path, got, want.JSON, used)
	}
	if files < 500 {
		t.Errorf("only %d files compared", files)
	}
	for _, d := range differences {
		if used[d.why] == 0 {
			t.Errorf("a difference that does not occur: %s", d.why)
		}
	}
	t.Logf("%d files; differences: %v", files, used)
}

// header returns what we make of a file: everything before the pixel data.
func header(path string) (object, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	h, err := dicom.ReadHeader(bytes.NewReader(b), dicom.Source{}, dicom.Limits{InlineText: 1 << 30, InlineBinary: 1 << 30})
	if err != nil {
		return nil, err
	}
	d := h.Dataset
	d.Elements = slices.DeleteFunc(d.Elements, func(e dicom.Element) bool { return e.Tag >= 0x7FE00000 })
	js := dicomjson.Append(nil, d, dicomjson.Options{
		InlineBinary: 768,
		BulkURI:      func(string, *dicom.Element) string { return "bulk" },
	})
	var o object
	if err := json.Unmarshal(js, &o); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	// What was written reads back to the same text.
	if back, err := dicomjson.Unmarshal(js); err != nil {
		return nil, fmt.Errorf("unmarshal: %w", err)
	} else if n := len(back.Dataset.Elements); n != len(o) && n != len(o)+1 { // one for a character set
		return nil, fmt.Errorf("%d attributes read back, not %d", len(back.Dataset.Elements), len(o))
	}
	return o, nil
}

func compare(t *testing.T, path string, ours, theirs object, used map[string]int) {
	t.Helper()
	for name, b := range theirs {
		number, ok := tag.ParseHex(name)
		if !ok || number.GroupLength() || number.Group() == 0xFFFE || number >= 0x7FE00000 {
			continue
		}
		a, ok := ours[name]
		if !ok {
			t.Errorf("%s: no %s", path, name)
			continue
		}
		if equalAttributes(t, path+"/"+name, a, b, used) {
			continue
		}
		i := slices.IndexFunc(differences, func(d difference) bool { return d.applies(path, number, a, b) })
		if i < 0 {
			t.Errorf("%s/%s:\n got %.300v\nwant %.300v", path, name, a, b)
			continue
		}
		used[differences[i].why]++
	}
	for name := range ours {
		if _, ok := theirs[name]; !ok {
			t.Errorf("%s: %s is not in pydicom's", path, name)
		}
	}
}

func equalAttributes(t *testing.T, path string, a, b attribute, used map[string]int) bool {
	t.Helper()
	if a.VR != b.VR || a.InlineBinary != b.InlineBinary || a.BulkDataURI != b.BulkDataURI || len(a.Value) != len(b.Value) {
		return false
	}
	if (a.Value == nil) != (b.Value == nil) {
		return false
	}
	for i := range a.Value {
		if a.VR == "SQ" {
			compare(t, fmt.Sprintf("%s/%d", path, i), asObject(a.Value[i]), asObject(b.Value[i]), used)
			continue
		}
		if !equalValues(a.VR, a.Value[i], b.Value[i]) {
			return false
		}
	}
	return true
}

func asObject(v any) object {
	b, _ := json.Marshal(v)
	var o object
	_ = json.Unmarshal(b, &o)
	return o
}

func equalValues(VR string, a, b any) bool {
	x, ok1 := a.(float64)
	y, ok2 := b.(float64)
	switch {
	case ok1 && ok2 && VR == "FL":
		return float32(x) == float32(y)
	case ok1 && ok2:
		return x == y || math.Abs(x-y) < 1e-15*math.Abs(x)
	case VR == "PN":
		return reflect.DeepEqual(groups(a), groups(b))
	case b == "" && a == nil:
		return true
	}
	return reflect.DeepEqual(a, b)
}

// groups leaves out what pydicom writes of empty component groups and padding.
func groups(v any) map[string]string {
	out := map[string]string{}
	m, _ := v.(map[string]any)
	for k, s := range m {
		if s := strings.TrimRight(fmt.Sprint(s), " "); s != "" {
			out[k] = s
		}
	}
	return out
}
