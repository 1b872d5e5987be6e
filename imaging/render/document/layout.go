package document

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom/iod"
	"github.com/aurelius-imaging/aurelius/dicom/iod/sr"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
)

const deepestHeading = 6

// container lays out what is in one: its containers as sections, runs of others as rows or text.
func (l *layouter) container(it *sr.Item, level int) {
	if level > 2 || l.targets[it] {
		name := l.label(it)
		if name.Text == "" && l.targets[it] {
			name.Text = "Section " + number(it.Number)
		}
		if level > 2 && name.Text != "" || name.ID != "" {
			l.Blocks = append(l.Blocks, block{Kind: heading, Level: min(max(level-1, 2), deepestHeading), Spans: []span{name}})
		}
	}
	flow := narrative(it)
	for at := 0; at < len(it.Children); {
		c := it.Children[at]
		if c.ValueType == sr.Container {
			l.container(c, level+1)
			at++
			continue
		}
		end := at + 1
		for ; end < len(it.Children) && it.Children[end].ValueType != sr.Container; end++ {
			if flow && flowing(it.Children[end]) != flowing(c) {
				break
			}
		}
		if flow && flowing(c) {
			l.flow(it.Children[at:end])
		} else {
			l.run(it.Children[at:end])
		}
		at = end
	}
}

// narrative reports whether a container is to be read as text. CONTINUOUS alone does not say so:
// many writers put it on lists of measurements. Two texts in one are a text.
func narrative(it *sr.Item) bool {
	texts := 0
	for _, c := range it.Children {
		if c.ValueType == sr.Text && c.Relationship == "CONTAINS" {
			texts++
		}
	}
	return it.Continuous && texts > 1
}

// flowing reports whether an item can stand in a text.
func flowing(it *sr.Item) bool {
	switch it.ValueType {
	case sr.Text, sr.Coded, sr.Num, sr.PName, sr.Date, sr.Time, sr.DateTime:
		return it.Relationship == "CONTAINS"
	}
	return false
}

// flow makes a paragraph; what modifies its items follows them in brackets.
func (l *layouter) flow(items []*sr.Item) {
	b := block{Kind: paragraph}
	for _, it := range items {
		values, unit, _ := l.value(it)
		values[0].ID = l.id(it)
		values[0].Title = join(it.Label(), values[0].Title)
		b.Spans = append(b.Spans, values...)
		if unit.Text != "" {
			b.Spans = append(b.Spans, unit)
		}
		var notes []span
		l.notes(it, &notes)
		if notes != nil {
			notes[0].Text = "(" + notes[0].Text
			notes[len(notes)-1].Text += ")"
			b.Spans = append(b.Spans, notes...)
		}
	}
	l.Blocks = append(l.Blocks, b)
}

// notes collects what stands below an item of a text.
func (l *layouter) notes(it *sr.Item, out *[]span) {
	for _, c := range it.Children {
		if len(*out) > 0 {
			(*out)[len(*out)-1].Text += ";"
		}
		values, unit, _ := l.value(c)
		if label := l.label(c); label.Text != "" {
			label.Text += ":"
			*out = append(*out, label)
		} else {
			values[0].ID = label.ID
		}
		*out = append(*out, values...)
		if unit.Text != "" {
			*out = append(*out, unit)
		}
		l.notes(c, out)
	}
}

// run makes rows of items and of everything below them. Tables are blocks of their own.
func (l *layouter) run(items []*sr.Item) {
	b := block{Kind: rows}
	flush := func() {
		if b.Rows != nil {
			l.Blocks = append(l.Blocks, b)
			b = block{Kind: rows}
		}
	}
	var last *sr.Item // of the run itself
	var add func(it *sr.Item, indent int)
	add = func(it *sr.Item, indent int) {
		if n := len(b.Rows); n > 0 && indent == 0 && l.joins(it, last) {
			values, _, _ := l.value(it)
			row := &b.Rows[n-1]
			if values[0].Text == row.Value[0].Text { // the name once, then numbers
				values[0].Text = fmt.Sprintf("(%d)", len(row.Value)+1)
			}
			row.Value = append(row.Value, values...)
			return
		}
		r := row{Label: l.label(it), Indent: indent}
		if indent > 0 {
			r.Label.Text = strings.TrimSpace(relation(it.Relationship) + r.Label.Text)
		}
		r.Value, r.Unit, r.Number = l.value(it)
		b.Units = b.Units || r.Unit.Text != ""
		b.Rows = append(b.Rows, r)
		if it.Table != nil {
			flush()
			l.table(it.Table)
		}
		for _, c := range it.Children {
			add(c, indent+1)
		}
	}
	for _, it := range items {
		add(it, 0)
		last = it
	}
	flush()
}

// joins reports whether an item can share the row of the one before: images without more to say,
// of which there are hundreds in a library.
func (l *layouter) joins(it, before *sr.Item) bool {
	plain := func(it *sr.Item) bool { return it != nil && it.ValueType == sr.Image && len(it.Children) == 0 }
	return plain(it) && plain(before) && !l.targets[it] && it.Label() == before.Label()
}

// relation names relationships that do not go without saying.
func relation(r string) string {
	switch r {
	case "INFERRED FROM":
		return "inferred from "
	case "SELECTED FROM":
		return "selected from "
	}
	return ""
}

// label names an item, with its code for who wants to know.
func (l *layouter) label(it *sr.Item) span {
	return span{Text: clean(it.Label()), Title: join(code(it.Concept), prefix("observed ", clean(dateTime(it.Observed)))), ID: l.id(it)}
}

func (l *layouter) id(it *sr.Item) string {
	if l.targets[it] {
		return "i" + number(it.Number)
	}
	return ""
}

func number(place []int) string {
	parts := make([]string, len(place))
	for i, n := range place {
		parts[i] = strconv.Itoa(n)
	}
	return strings.Join(parts, ".")
}

// code writes a code as it stands in the standard: (value, scheme).
func code(c iod.Code) string {
	if c.Value == "" {
		return ""
	}
	return clean("(" + c.Value + ", " + c.Scheme + prefix(" ", c.Version) + ")")
}

// meaning is how a code is shown.
func meaning(c iod.Code) span {
	if c.Meaning == "" {
		return span{Text: clean(c.Value), Title: code(c)}
	}
	return span{Text: clean(c.Meaning), Title: code(c)}
}

// value returns what an item says, at least one span; a number has its unit apart.
func (l *layouter) value(it *sr.Item) (values []span, unit span, isNumber bool) {
	text := func(s string) ([]span, span, bool) { return []span{{Text: clean(s)}}, span{}, false }
	if it.Path != nil {
		if it.Target == nil {
			return text("item " + number(it.Path) + ", which is not there")
		}
		s := span{Text: strings.TrimSpace("see " + clean(it.Target.Label())), Title: "item " + number(it.Path), Href: "#i" + number(it.Target.Number)}
		return []span{s}, span{}, false
	}
	switch it.ValueType {
	case sr.PName:
		return text(personName(it.Text))
	case sr.Date:
		return text(date(it.Text))
	case sr.Time:
		return text(clock(it.Text))
	case sr.DateTime:
		return text(dateTime(it.Text))
	case sr.UIDRef:
		if name := uid.Name(it.Text); name != "" {
			return []span{{Text: name, Title: clean(it.Text)}}, span{}, false
		}
	case sr.Coded:
		return []span{meaning(it.Code)}, span{}, false
	case sr.Num:
		return measured(it.Measured)
	case sr.Image, sr.Waveform, sr.Composite:
		if it.Reference == nil {
			return text("(no reference)")
		}
		return l.instance(it.Reference), span{}, false
	case sr.SCoord, sr.SCoord3D:
		return text(region(it.Region))
	case sr.TCoord:
		return text(moments(it.Moments))
	}
	return text(it.Text)
}

func measured(m *sr.Measurement) ([]span, span, bool) {
	if m.Value == "" {
		q := meaning(m.Qualifier)
		if q.Text == "" {
			q.Text = "no value"
		}
		return []span{q}, span{}, false
	}
	values := []span{{Text: clean(m.Value)}}
	if !m.Qualifier.IsZero() {
		q := meaning(m.Qualifier)
		q.Text = "(" + q.Text + ")"
		values = append(values, q)
	}
	return values, unitOf(m.Unit), true
}

var powers = strings.NewReplacer("m2", "m²", "m3", "m³")

// unitLetters are what a symbol is made of that is called by its name in any scheme: cm, mL/s, %.
const unitLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/%"

// unitOf writes a unit as short as it is known: UCUM's own symbols where they are not made up.
func unitOf(c iod.Code) span {
	ucum := c.Scheme == "UCUM"
	switch {
	case ucum && c.Value == "1":
		return span{}
	case c.Value != "" && (ucum && !strings.ContainsAny(c.Value, "[]{}") || len(c.Value) < 6 && strings.Trim(c.Value, unitLetters) == ""):
		return span{Text: clean(powers.Replace(c.Value)), Title: clean(c.Meaning)}
	}
	return meaning(c)
}

// instance writes a reference and how to show it.
func (l *layouter) instance(r *sr.Reference) []span {
	out := l.reference(r.Reference)
	if len(r.Channels) > 1 {
		var channels []string
		for i := 0; i+1 < len(r.Channels); i += 2 {
			channels = append(channels, fmt.Sprintf("%d/%d", r.Channels[i], r.Channels[i+1]))
		}
		out = append(out, span{Text: "channels " + strings.Join(channels, ", ")})
	}
	if r.Presentation != nil {
		out = append(append(out, span{Text: "shown by"}), l.reference(*r.Presentation)...)
	}
	return out
}

func (l *layouter) reference(r iod.Reference) []span {
	if w, ok := l.where[r.SOPInstanceUID]; ok && r.SeriesInstanceUID == "" {
		r.StudyInstanceUID, r.SeriesInstanceUID = w.StudyInstanceUID, w.SeriesInstanceUID
	}
	name := strings.TrimSuffix(uid.Name(r.SOPClassUID), " Storage")
	if name == "" {
		name = "instance"
	}
	for _, list := range [...]struct {
		name    string
		numbers []int
	}{{"frame", r.Frames}, {"segment", r.Segments}} {
		if n := len(list.numbers); n == 1 {
			name += fmt.Sprintf(", %s %d", list.name, list.numbers[0])
		} else if n > 1 {
			name += fmt.Sprintf(", %d %ss from %d", n, list.name, list.numbers[0])
		}
	}
	s := span{Text: name, Title: clean(r.SOPInstanceUID)}
	if l.link != nil && r.SOPInstanceUID != "" {
		s.Href = l.link(r)
	}
	return []span{s}
}

// mostPoints of a region are written; of more only their number.
const mostPoints = 6

func region(g *sr.Region) string {
	name := strings.ToLower(g.GraphicType)
	n := len(g.Points) / g.Dimensions
	unit := ""
	if g.Dimensions == 3 {
		unit = " mm"
	}
	if n > mostPoints {
		return fmt.Sprintf("%s of %d points", name, n)
	}
	var b strings.Builder
	b.WriteString(name)
	for i := range n {
		b.WriteString(" (")
		for k := range g.Dimensions {
			if k > 0 {
				b.WriteString(", ")
			}
			b.WriteString(strconv.FormatFloat(g.Points[i*g.Dimensions+k], 'g', 7, 64))
		}
		b.WriteString(")" + unit)
	}
	return b.String()
}

func moments(m *sr.Moments) string {
	name := strings.ToLower(m.RangeType)
	var values []string
	for _, p := range m.Positions[:min(len(m.Positions), mostPoints)] {
		values = append(values, fmt.Sprintf("sample %d", p))
	}
	for _, o := range m.Offsets[:min(len(m.Offsets), mostPoints)] {
		values = append(values, strconv.FormatFloat(o, 'g', 9, 64)+" s")
	}
	for _, t := range m.DateTimes[:min(len(m.DateTimes), mostPoints)] {
		values = append(values, dateTime(t))
	}
	if n := max(len(m.Positions), len(m.Offsets), len(m.DateTimes)); n > mostPoints {
		return fmt.Sprintf("%s of %d points in time", name, n)
	}
	return name + " " + strings.Join(values, ", ")
}

// table makes a grid of the rows and columns that have cells.
func (l *layouter) table(t *sr.Table) {
	rowNumbers, columnNumbers := map[int]bool{}, map[int]bool{}
	for at := range t.Cells {
		rowNumbers[at[0]], columnNumbers[at[1]] = true, true
	}
	columns := slices.Sorted(maps.Keys(columnNumbers))
	b := block{Kind: grid, Grid: [][]span{{{}}}}
	if len(rowNumbers)*len(columns) > 4*len(t.Cells)+100 { // mostly holes: no table at all
		b.Grid[0] = []span{{Text: fmt.Sprintf("a sparse table of %d cells", len(t.Cells))}}
		l.Blocks = append(l.Blocks, b)
		return
	}
	name := func(names []iod.Code, n int) span {
		if n <= len(names) {
			return meaning(names[n-1])
		}
		return span{}
	}
	for _, c := range columns {
		s := name(t.Columns, c)
		if u := name(t.Units, c); u.Text != "" {
			s.Text += " [" + unitOf(t.Units[c-1]).Text + "]"
		}
		b.Grid[0] = append(b.Grid[0], s)
	}
	for _, r := range slices.Sorted(maps.Keys(rowNumbers)) {
		line := []span{name(t.Rows, r)}
		for _, c := range columns {
			line = append(line, span{Text: clean(t.Cells[[2]int{r, c}])})
		}
		b.Grid = append(b.Grid, line)
	}
	l.Blocks = append(l.Blocks, b)
}

func join(a, b string) string {
	return strings.TrimSpace(clean(a) + " " + b)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
