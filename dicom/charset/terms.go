package charset

import "strings"

// term is what a defined term of Specific Character Set stands for.
type term struct {
	scheme scheme
	g0, g1 graphic
}

// lookup finds a defined term (PS3.3 Tables C.12-2 to C.12-5). Case and separators do not
// count: "ISO-IR 100", "ISO_IR_192" and "iso 8859-1" occur in the field. "ISO_IR 100" and
// "ISO 2022 IR 100" mean the same set; whether escapes may follow is not enforced.
func lookup(value string) (term, bool) {
	key := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return -1
	}, value)
	if rest, ok := strings.CutPrefix(key, "ISO2022IR"); ok {
		key = "ISOIR" + rest
	}
	if key == "" && strings.Trim(value, " \x00") != "" { // only punctuation
		return term{}, false
	}
	t, ok := terms[key]
	return t, ok
}

var terms = map[string]term{
	"":         {g0: ascii}, // an empty first value: ISO-IR 6
	"ISOIR6":   {g0: ascii},
	"ISOIR13":  {g0: romaji, g1: katakana},
	"ISOIR58":  {g1: gb2312},
	"ISOIR87":  {g0: jis0208},
	"ISOIR100": {g1: latin1},
	"ISOIR101": {g1: latin2},
	"ISOIR109": {g1: latin3},
	"ISOIR110": {g1: latin4},
	"ISOIR126": {g1: greek},
	"ISOIR127": {g1: arabic},
	"ISOIR138": {g1: hebrew},
	"ISOIR144": {g1: cyrillic},
	"ISOIR148": {g1: latin5},
	"ISOIR149": {g1: ksx1001},
	"ISOIR159": {g0: jis0212},
	"ISOIR166": {g1: thai},
	"ISOIR192": {scheme: utf8Scheme},
	"ISOIR203": {g1: latin9},
	"GB18030":  {scheme: gb18030},
	"GBK":      {scheme: gbk},

	// Not defined, but met.
	"ASCII":         {g0: ascii},
	"USASCII":       {g0: ascii},
	"ISO646":        {g0: ascii},
	"UTF8":          {scheme: utf8Scheme},
	"UNICODE11UTF8": {scheme: utf8Scheme},
	"GB2312":        {scheme: gbk},
	"ISOIR14":       {g0: romaji, g1: katakana},
	"ISOIR165":      {g1: gb2312},
	"ISO88591":      {g1: latin1},
	"LATIN1":        {g1: latin1},
	"ISO88592":      {g1: latin2},
	"ISO88593":      {g1: latin3},
	"ISO88594":      {g1: latin4},
	"ISO88595":      {g1: cyrillic},
	"ISO88596":      {g1: arabic},
	"ISO88597":      {g1: greek},
	"ISO88598":      {g1: hebrew},
	"ISO88599":      {g1: latin5},
	"ISO885911":     {g1: thai},
	"TIS620":        {g1: thai},
	"ISO885915":     {g1: latin9},
}
