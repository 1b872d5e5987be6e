package render

import "image/draw"

// annotate writes about the patient into the upper left corner and about the technique into the
// lower left one (PS3.18 8.3.5.1.1).
func (w *work) annotate() {
	a := w.o.Annotation
	if !a.Patient && !a.Technique {
		return
	}
	var to draw.Image = w.gray
	if w.gray == nil {
		to = w.rgba
	}
	size := to.Bounds().Size()
	pen := newWriting(float64(min(size.X, size.Y))/36, false)
	patient, technique := w.m.Texts()
	write := func(lines []string, y int) {
		for i, line := range lines {
			pen.Draw(to, pen.LineHeight/2, y+i*pen.LineHeight, line, white)
		}
	}
	if a.Patient {
		w.applied.Annotation = append(w.applied.Annotation, "patient")
		write(patient, pen.LineHeight/4)
	}
	if a.Technique {
		w.applied.Annotation = append(w.applied.Annotation, "technique")
		write(technique, size.Y-len(technique)*pen.LineHeight-pen.LineHeight/4)
	}
}
