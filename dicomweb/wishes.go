package dicomweb

import (
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/imaging"
	"github.com/aurelius-imaging/aurelius/imaging/render"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// wishes are the query parameters of a rendered resource: those of PS3.18 8.3.5.1, and ours.
type wishes struct {
	archive.Rendering
	warnings []string
	over     []string // SOP Instance UIDs of what is drawn over the image or applied to it
	sum      []byte   // identifies their bytes, once they are found
}

// parameters are what a resource reads from its query.
type parameters map[string]func(w *wishes, value string) error

var renderedParameters = parameters{
	"annotation": annotation, "quality": quality, "viewport": viewport, "window": window, "iccprofile": iccProfile,
	"windowname": windowName, "windowing": windowing, "invert": invert, "overlay": overlay, "presentation": presentation,
}

// thumbnailParameters are those of PS3.18 8.3.5.2.
var thumbnailParameters = parameters{"viewport": func(w *wishes, value string) error {
	if strings.Count(value, ",") != 1 {
		return wrong("viewport", "the viewport of a thumbnail is width,height")
	}
	return viewport(w, value)
}}

// wishesOf reads the query. What it does not know is ignored and said so in a Warning, as the
// parameters of PS3.18 that a server does not support are; beside lists those read elsewhere.
func (s *Service) wishesOf(c *gin.Context, known parameters, beside ...string) (*wishes, url.Values, error) {
	q, err := url.ParseQuery(c.Request.URL.RawQuery)
	if err != nil {
		return nil, nil, errs.Errorf(errs.Invalid, "dicomweb.rendered", "the query is not well-formed: escape semicolons and percent signs in values")
	}
	w := &wishes{}
	var unknown []string
	for key, values := range q {
		read, ok := known[key]
		switch {
		case !ok && key != "accept" && key != "charset" && !slices.Contains(beside, key):
			unknown = append(unknown, key)
		case len(values) > 1 && key != "accept":
			return nil, nil, wrong(key, "it is given more than once")
		case ok:
			if err := read(w, values[0]); err != nil {
				return nil, nil, err
			}
		}
	}
	if w.State != "" && w.Window != nil {
		return nil, nil, wrong("window", "a presentation state has its own") // PS3.18 8.3.5.1.6
	}
	for _, text := range w.warnings {
		warn(c, text)
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		warn(c, "The following query parameters are not supported: "+strings.Join(unknown, ", "))
	}
	return w, q, nil
}

// warn adds a warning in the form of PS3.18 8.5. Text may come from the request.
func warn(c *gin.Context, text string) {
	const most = 512
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '?'
		}
		return r
	}, text[:min(len(text), most)])
	c.Writer.Header().Add("Warning", `299 aurelius "`+text+`"`)
}

// wrong says which parameter has a wrong value. Keys are ours, as they are known ones.
func wrong(key, why string) error {
	return errs.Errorf(errs.Invalid, "dicomweb.rendered", "%s: %s", key, why)
}

// decimal reads a number as PS3.18 5.1.1 writes them.
func decimal(s string) (float64, bool) {
	if s == "" || strings.Trim(s, "0123456789.eE+-") != "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil && math.Abs(v) <= math.MaxFloat64
}

func annotation(w *wishes, value string) error {
	for word := range strings.SplitSeq(value, ",") {
		switch strings.TrimSpace(word) {
		case "patient":
			w.Annotation.Patient = true
		case "technique":
			w.Annotation.Technique = true
		case "":
			return wrong("annotation", "patient, technique or both")
		default: // PS3.18 8.3.5.1.1
			w.warnings = append(w.warnings, "The following annotation values are not supported: "+word)
		}
	}
	return nil
}

func quality(w *wishes, value string) (err error) {
	if w.Quality, err = strconv.Atoi(value); err != nil || w.Quality < 1 || w.Quality > 100 {
		return wrong("quality", "a number from 1 to 100")
	}
	return nil
}

// viewport reads "width,height[,x,y,width,height]" (PS3.18 8.3.5.1.3).
func viewport(w *wishes, value string) error {
	fields := strings.Split(value, ",")
	if len(fields) < 2 || len(fields) > 6 {
		return wrong("viewport", "width,height and up to four numbers of a region")
	}
	v := &render.Viewport{}
	for i, to := range []*int{&v.Width, &v.Height} {
		n, err := strconv.Atoi(strings.TrimSpace(fields[i]))
		if err != nil || n < 1 || n > math.MaxInt32 {
			return wrong("viewport", "its width and height are positive integers")
		}
		*to = n
	}
	if len(fields) > 2 {
		v.Region = &render.Region{}
		for i, to := range []*float64{&v.Region.X, &v.Region.Y, &v.Region.Width, &v.Region.Height}[:len(fields)-2] {
			text := strings.TrimSpace(fields[2+i])
			if text == "" {
				continue
			}
			var ok bool
			if *to, ok = decimal(text); !ok {
				return wrong("viewport", "its region is decimal numbers")
			}
		}
	}
	w.Viewport = v
	return nil
}

var functions = map[string]imaging.Function{"linear": imaging.Linear, "linear-exact": imaging.LinearExact, "sigmoid": imaging.Sigmoid}

// window reads "center,width,function" (PS3.18 8.3.5.1.4: all three are there).
func window(w *wishes, value string) error {
	fields := strings.Split(value, ",")
	if len(fields) != 3 {
		return wrong("window", "center,width,function with the function linear, linear-exact or sigmoid")
	}
	center, ok1 := decimal(strings.TrimSpace(fields[0]))
	width, ok2 := decimal(strings.TrimSpace(fields[1]))
	win := imaging.Window{Center: center, Width: width, Function: functions[strings.ToLower(strings.TrimSpace(fields[2]))]}
	if !ok1 || !ok2 || win.Function == "" || !win.Valid() {
		return wrong("window", "center and width are decimal numbers, the width positive (of linear at least 1), the function linear, linear-exact or sigmoid")
	}
	w.Window = &win
	return nil
}

func windowName(w *wishes, value string) error {
	if w.WindowName = strings.TrimSpace(value); w.WindowName == "" {
		return wrong("windowname", "the explanation of one of the image's windows")
	}
	return nil
}

func windowing(w *wishes, value string) error {
	switch w.Windowing = render.Windowing(value); w.Windowing {
	case render.MinMax, render.Percentile, render.Whole:
		return nil
	case "header":
		w.Windowing = render.Header
		return nil
	}
	return wrong("windowing", "header, min-max, percentile or whole")
}

func invert(w *wishes, value string) (err error) {
	switch value {
	case "yes", "true", "1":
		w.Invert = true
	case "no", "false", "0":
	default:
		return wrong("invert", "yes or no")
	}
	return nil
}

// iccProfile: the client that asks for none applies the object's own, and wants its colours
// (PS3.18 8.3.5.1.5, the note).
func iccProfile(w *wishes, value string) error {
	switch value {
	case "no":
		w.NoICC = true
	case "yes", "srgb":
	default:
		return wrong("iccprofile", "no, yes or srgb: colours are brought to sRGB or left as they are stored")
	}
	return nil
}

func presentation(w *wishes, value string) error {
	if w.State = strings.TrimSpace(value); w.State == "" {
		return wrong("presentation", "the SOP Instance UID of a presentation state")
	}
	return nil
}

// maxOver bounds what is drawn over one image.
const maxOver = 32

func overlay(w *wishes, value string) error {
	if strings.Count(value, ",") >= maxOver {
		return wrong("overlay", "at most 32 objects are drawn over an image")
	}
	for uid := range strings.SplitSeq(value, ",") {
		if uid = strings.TrimSpace(uid); uid == "" {
			return wrong("overlay", "the SOP Instance UIDs of segmentations or a presentation state")
		}
		w.over = append(w.over, uid)
	}
	return nil
}

// find finds what shall be drawn over images of the study and applied to them.
func (s *Service) find(c *gin.Context, study string, w *wishes) error {
	if w.sum != nil {
		return nil
	}
	over, sum := w.over, []byte{'.'}
	if w.State != "" {
		over = append([]string{w.State}, over...)
	}
	w.State, w.Segmentations = "", nil
	for _, uid := range over {
		ref := index.Ref{StudyInstanceUID: study, SOPInstanceUID: uid}
		entries, err := s.arch.Select(c.Request.Context(), s.tenant, ref)
		if errs.Is(err, errs.NotFound) {
			return wrong("overlay, presentation", "the study has no such object")
		}
		if err != nil {
			return err
		}
		h, err := s.header(c, ref)
		if err != nil {
			return err
		}
		switch h.Dataset.Text(tag.Modality) {
		case "SEG":
			w.Segmentations = append(w.Segmentations, uid)
		case "PR":
			if w.State != "" {
				return wrong("overlay, presentation", "one presentation state at a time")
			}
			w.State = uid
		case "SR", "KO":
			return wrong("overlay", "a structured report is not drawn over an image; it has a /rendered of its own")
		default:
			return wrong("overlay, presentation", "the object is neither a segmentation nor a presentation state")
		}
		sum = appendTag(append(sum, '.'), entries[0])
	}
	if w.State != "" && w.Window != nil {
		return wrong("window", "a presentation state has its own")
	}
	w.sum = sum
	return nil
}
