package query

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/value"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
)

// Match tells whether the data set (attributes of q.Level and all levels above) answers q.
func (q *Query) Match(d *dicom.Dataset) bool { return q.Compile().Match(d) }

// Matcher is a Query made ready for many data sets. It is safe for concurrent use.
type Matcher struct{ keys []matchKey }

type matchKey struct {
	Key
	fuzzy  bool
	one    bool       // only the first value counts
	canon  []string   // Values as they are compared
	words  [][]string // of PN, with fuzzy matching
	lo, hi string     // of a Range of DA or TM, "" is open
	span   span       // of a Range of DT
}

// Compile prepares q, or only the given keys of it, for matching.
func (q *Query) Compile(keys ...Key) *Matcher {
	if keys == nil {
		keys = q.Keys
	}
	m := &Matcher{keys: make([]matchKey, 0, len(keys))}
	for _, k := range keys {
		m.keys = append(m.keys, compile(k, q.Fuzzy))
	}
	return m
}

func compile(k Key, fuzzy bool) matchKey {
	m := matchKey{Key: k, fuzzy: fuzzy && k.VR == vr.PN}
	if len(k.Path) == 0 {
		return m
	}
	m.one = one(k.Path[len(k.Path)-1])
	if k.Kind == Range {
		m.lo, m.hi = k.Bounds()
		if from, to := k.ends(); k.VR == vr.DT { // what is "" is no moment, and open
			first, _ := moment(from)
			last, _ := moment(to)
			m.span = span{first.first, last.last}
		}
		return m
	}
	m.canon = k.Canon()
	if m.fuzzy {
		for _, c := range m.canon {
			m.words = append(m.words, Words(c))
		}
	}
	return m
}

// Canon returns the key's values as they are compared: in the form of Canon; those with a
// wildcard folded only, for a ^ before a * is not an empty component.
func (k *Key) Canon() []string {
	t := k.Path[len(k.Path)-1]
	out := make([]string, len(k.Values))
	for i, v := range k.Values {
		switch {
		case k.VR == vr.DA || k.VR == vr.TM:
			if out[i] = v; !k.Wild(i) {
				out[i] = Canon(t, k.VR, v)
			}
		case !k.Wild(i) || exact(t, k.VR):
			out[i] = Canon(t, k.VR, v)
		default:
			out[i] = fold(v)
		}
	}
	return out
}

// Wild reports whether value i is a pattern.
func (k *Key) Wild(i int) bool { return wildcards(k.VR) && wild(k.Values[i]) }

// Bounds returns the ends of a Range of DA or TM in the form of Canon; "" is open.
func (k *Key) Bounds() (lo, hi string) {
	from, to := k.ends()
	switch k.VR {
	case vr.DA:
		return date(from), date(to)
	case vr.TM:
		return clock(from), lastClock(to)
	}
	return "", ""
}

func (k *Key) ends() (from, to string) {
	if len(k.Values) > 0 {
		from = k.Values[0]
	}
	if len(k.Values) > 1 {
		to = k.Values[1]
	}
	return from, to
}

// Match tells whether the data set answers every key.
func (m *Matcher) Match(d *dicom.Dataset) bool {
	for i := range m.keys {
		if k := &m.keys[i]; len(k.Path) == 1 && !k.match(d, 0) {
			return false
		}
	}
	return matchSequences(d, m.keys, 0)
}

// matchSequences treats the keys that go into sequences: those with the same sequence must be
// answered by the same item (PS3.4 C.2.2.2.6).
func matchSequences(d *dicom.Dataset, keys []matchKey, depth int) bool {
	for i := range keys {
		if len(keys[i].Path) <= depth+1 {
			continue
		}
		seq := keys[i].Path[depth]
		same := func(k matchKey) bool { return len(k.Path) > depth+1 && k.Path[depth] == seq }
		if slices.IndexFunc(keys[:i], same) >= 0 {
			continue // seen with an earlier key
		}
		var group []matchKey
		for _, k := range keys[i:] {
			if same(k) {
				group = append(group, k)
			}
		}
		if !matchItems(d.Items(seq), group, depth+1) {
			return false
		}
	}
	return true
}

func matchItems(items []*dicom.Dataset, keys []matchKey, depth int) bool {
	if len(items) == 0 { // nothing there is what Empty asks for
		return !slices.ContainsFunc(keys, func(k matchKey) bool { return k.Kind != Empty })
	}
	return slices.ContainsFunc(items, func(item *dicom.Dataset) bool {
		for i := range keys {
			if k := &keys[i]; len(k.Path) == depth+1 && !k.match(item, depth) {
				return false
			}
		}
		return matchSequences(item, keys, depth)
	})
}

func (m *matchKey) match(d *dicom.Dataset, depth int) bool {
	t := m.Path[depth]
	e := d.Get(t)
	if m.Kind == Empty {
		return e == nil || e.IsEmpty() || e.VR.Text() && !slices.ContainsFunc(d.Texts(t), func(s string) bool { return s != "" })
	}
	if e == nil {
		return false
	}
	v := m.VR
	if v == vr.UN || v == 0 {
		v = e.VR
	}
	if !e.VR.Text() && e.VR != vr.UN {
		return m.matchNumbers(e)
	}
	var values []string
	if e.VR == vr.UN {
		values = strings.Split(strings.Trim(string(e.Value), " \x00"), `\`)
	} else {
		values = d.Texts(t)
	}
	if m.one && len(values) > 1 {
		values = values[:1]
	}
	for _, s := range values {
		if s != "" && m.matchText(t, v, s) {
			return true
		}
	}
	return false
}

func (m *matchKey) matchText(t tag.Tag, v vr.VR, s string) bool {
	if m.Kind == Range {
		return m.inRange(s)
	}
	canon := m.canon
	if v != m.VR { // asked for without a known VR: compared by the one it came with
		as := Key{Path: []tag.Tag{t}, VR: v, Values: m.Values}
		canon = as.Canon()
	}
	switch v {
	case vr.PN:
		return m.matchName(canon, foldName(s))
	case vr.IS, vr.DS:
		for _, k := range canon {
			if k == s || sameNumber(k, s) {
				return true
			}
		}
		return false
	case vr.DT:
		have, ok := moment(s)
		for _, k := range canon {
			if asked, valid := moment(k); ok && valid && have.equal(asked) || k == s {
				return true
			}
		}
		return false
	}
	c := Canon(t, v, s)
	if c == "" {
		return false
	}
	for i, k := range canon {
		if k == c || m.Wild(i) && glob(k, c) {
			return true
		}
	}
	return false
}

// matchName compares a key without = with each component group, one with = with the whole name
// (PS3.5 6.2.1.2); fuzzy matching also takes a name in which every word asked for begins some
// word.
func (m *matchKey) matchName(canon []string, name string) bool {
	for i, k := range canon {
		is := func(s string) bool {
			return s != "" && (k == s || m.Wild(i) && glob(k, s))
		}
		if strings.Contains(k, "=") {
			if is(name) {
				return true
			}
		} else if slices.ContainsFunc(NameGroups(name), is) {
			return true
		}
		if m.fuzzy && beginWords(m.words[i], name) {
			return true
		}
	}
	return false
}

// NameGroups returns the three component groups of a folded name; the third keeps what a
// broken name has behind it.
func NameGroups(name string) []string { return strings.SplitN(name, "=", 3) }

func beginWords(asked []string, name string) bool {
	have := Words(name)
	for _, w := range asked {
		if !slices.ContainsFunc(have, func(h string) bool { return strings.HasPrefix(h, w) }) {
			return false
		}
	}
	return len(asked) > 0
}

func (m *matchKey) inRange(s string) bool {
	switch m.VR {
	case vr.DA:
		d := date(s)
		return d != "" && d >= m.lo && (m.hi == "" || d <= m.hi)
	case vr.TM:
		c := clock(s)
		return c != "" && c >= m.lo && (m.hi == "" || c <= m.hi)
	case vr.DT:
		have, ok := moment(s)
		return ok && m.span.overlaps(have)
	}
	return false
}

// matchNumbers compares with a binary number or tag.
func (m *matchKey) matchNumbers(e *dicom.Element) bool {
	for _, k := range m.Values {
		switch e.VR {
		case vr.FL, vr.FD:
			f, err := strconv.ParseFloat(k, 64)
			if err != nil {
				continue
			}
			if e.VR == vr.FL {
				f = float64(float32(f))
			}
			if slices.Contains(e.Floats(), f) {
				return true
			}
		case vr.AT:
			if t, err := tag.Parse(k); err == nil && slices.Contains(e.Ints(), int64(t)) {
				return true
			}
		case vr.US, vr.SS, vr.UL, vr.SL, vr.UV, vr.SV:
			if n, err := strconv.ParseInt(k, 10, 64); err == nil && slices.Contains(e.Ints(), n) {
				return true
			}
		}
	}
	return false
}

// sameNumber compares values of IS or DS: 1.80 is 1.8.
func sameNumber(a, b string) bool {
	x, err := value.ParseDS(a)
	if err != nil {
		return false
	}
	y, err := value.ParseDS(b)
	return err == nil && x == y
}

func wild(s string) bool { return strings.ContainsAny(s, "*?") }

// glob matches * (any run) and ? (any one character) over the whole of s. It goes back to the
// last star only, so its time is bounded by the product of the lengths.
func glob(pattern, s string) bool {
	p, i := 0, 0
	star, mark := -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && pattern[p] == '?':
			_, n := utf8.DecodeRuneInString(s[i:])
			p++
			i += n
		case p < len(pattern) && pattern[p] == s[i]:
			p++
			i++
		case star >= 0:
			_, n := utf8.DecodeRuneInString(s[mark:])
			mark += n
			p, i = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
