package vr_test

import (
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/vr"
)

func TestProperties(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		vr                                vr.VR
		name                              string
		long, known, charset, text, multi bool
		size                              int
		padding                           byte
	}{
		{vr.PN, "PN", false, true, true, true, true, 0, ' '},
		{vr.UI, "UI", false, true, false, true, true, 0, 0},
		{vr.DS, "DS", false, true, false, true, true, 0, ' '},
		{vr.UT, "UT", true, true, true, true, false, 0, ' '},
		{vr.UR, "UR", true, true, false, true, false, 0, ' '},
		{vr.UC, "UC", true, true, true, true, true, 0, ' '},
		{vr.LT, "LT", false, true, true, true, false, 0, ' '},
		{vr.OW, "OW", true, true, false, false, false, 2, 0},
		{vr.AT, "AT", false, true, false, false, false, 2, 0},
		{vr.SV, "SV", true, true, false, false, false, 8, 0},
		{vr.SQ, "SQ", true, true, false, false, false, 0, 0},
		{vr.UN, "UN", true, true, false, false, false, 1, 0},
		{'?'<<8 | '?', "??", false, false, false, false, false, 0, 0},
	} {
		v := c.vr
		if v.String() != c.name || v.Long() != c.long || v.Known() != c.known || v.Charset() != c.charset || v.Text() != c.text ||
			v.Multi() != c.multi || v.Size() != c.size || v.Padding() != c.padding {
			t.Errorf("%s: long %v known %v charset %v text %v multi %v size %d padding %d", v, v.Long(), v.Known(), v.Charset(), v.Text(), v.Multi(), v.Size(), v.Padding())
		}
	}
}
