package archive

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"iter"
	"strconv"
	"time"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/iod/pr"
	"github.com/aurelius-imaging/aurelius/dicom/iod/seg"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/imaging"
	"github.com/aurelius-imaging/aurelius/imaging/render"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/platform/cache"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// The media types of pictures.
const (
	JPEG = "image/jpeg"
	PNG  = "image/png"
	GIF  = "image/gif" // of several frames an animation
)

// Rendering asks for a picture (PS3.18 8.3.5).
type Rendering struct {
	render.Options
	MediaType string
	Quality   int // of JPEG, 1 to 100; 0: the renderer's default

	// State is the SOP Instance UID of a presentation state to apply, Segmentations those of
	// segmentations to draw over the frame. Both are of the same study.
	State         string
	Segmentations []string
}

// Rendered is a picture in its media type.
type Rendered struct {
	Data    []byte
	Applied render.Applied
	Of      index.Ref
}

// Shown is a frame (1-based) of an instance.
type Shown struct {
	*Frames
	Number int
}

// picturesAhead is how many pictures of one reader are made before their turn: there may be many
// readers, and pictures of slides are large.
const picturesAhead = 4

// RenderAll makes pictures of frames and yields them in their order, a few made side by side
// before their turn: memory does not grow with their number. It ends with the first error.
func (a *Archive) RenderAll(ctx context.Context, t storage.TenantID, frames iter.Seq2[Shown, error], r Rendering) iter.Seq2[Rendered, error] {
	return inOrder(ctx, picturesAhead, frames, func(ctx context.Context, s Shown) (Rendered, error) {
		return a.Render(ctx, t, s.Frames, s.Number, r)
	})
}

// renderedFor is how long a picture is kept when nothing pushes it out.
const renderedFor = time.Hour

// Render makes the picture of frame n (1-based). What was made is kept for a while; concurrent
// calls make it once. Frames that cannot be decoded, and wishes that cannot be met, are
// errs.Invalid or errs.Unsupported; a state that is not for the frame is errs.Mismatch.
func (a *Archive) Render(ctx context.Context, t storage.TenantID, f *Frames, n int, r Rendering) (Rendered, error) {
	if n < 1 || n > f.Index.Frames() {
		return Rendered{}, errs.Errorf(errs.NotFound, "archive.Render", "the instance has %d frames", f.Index.Frames())
	}
	others, err := a.companions(ctx, t, f, r)
	if err != nil {
		return Rendered{}, err
	}
	key, err := others.key(t, f, n, r)
	if err != nil {
		return Rendered{}, err
	}
	b, err := a.recoded.Do(ctx, key, renderedFor, func() ([]byte, error) {
		return a.render(ctx, t, f, n, r, others)
	})
	if err != nil {
		return Rendered{}, err
	}
	out, err := unpackRendered(b)
	out.Of = f.Entry.Ref
	return out, err
}

// Placeholder draws a page that stands for an instance that has no pixels; of the wishes those for
// its size and form count.
func (a *Archive) Placeholder(ctx context.Context, t storage.TenantID, title, kind string, r Rendering) (Rendered, error) {
	size := 256
	if v := r.Viewport; v != nil {
		size = min(v.Width, v.Height, size)
	}
	key := cache.KeyOf(t, "placeholder", title, kind, strconv.Itoa(size), r.MediaType, strconv.Itoa(r.Quality))
	b, err := a.recoded.Do(ctx, key, renderedFor, func() (b []byte, err error) {
		err = a.Work(ctx, 0, func() error {
			b, err = packRendered(render.Placeholder(title, kind, size), r)
			return err
		})
		return b, err
	})
	if err != nil {
		return Rendered{}, err
	}
	return unpackRendered(b)
}

// packRendered and unpackRendered are the form in which a picture is kept: the length of what was
// applied, that, the picture.
func packRendered(p *render.Picture, r Rendering) ([]byte, error) {
	applied := p.Applied.JSON()
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, uint32(len(applied)))
	b.Write(applied)
	var err error
	switch r.MediaType {
	case JPEG:
		err = p.WriteJPEG(&b, r.Quality)
	case PNG:
		err = p.WritePNG(&b)
	case GIF:
		err = p.WriteGIF(&b)
	default:
		err = errs.Errorf(errs.Unsupported, "archive.Render", "pictures are JPEG, PNG or GIF")
	}
	return b.Bytes(), err
}

func unpackRendered(b []byte) (out Rendered, err error) {
	n := 4 + int(binary.LittleEndian.Uint32(b))
	out.Data = b[n:]
	return out, errs.E(errs.Internal, "archive.Render", json.Unmarshal(b[4:n], &out.Applied))
}

// companions are the other objects that a picture needs.
type companions struct {
	state         *index.Entry
	segmentations []index.Entry
}

func (a *Archive) companions(ctx context.Context, t storage.TenantID, f *Frames, r Rendering) (c companions, err error) {
	find := func(SOPInstanceUID string) (index.Entry, error) {
		ref := index.Ref{StudyInstanceUID: f.Entry.StudyInstanceUID, SOPInstanceUID: SOPInstanceUID}
		e, err := a.one(ctx, t, ref, 0)
		if err == nil {
			a.audit(ctx, Access{Tenant: t, Action: Retrieved, Ref: e.Ref})
		}
		return e, err
	}
	if r.State != "" {
		e, err := find(r.State)
		if err != nil {
			return c, err
		}
		c.state = &e
	}
	for _, uid := range r.Segmentations {
		e, err := find(uid)
		if err != nil {
			return c, err
		}
		c.segmentations = append(c.segmentations, e)
	}
	return c, nil
}

// companion reads a companion's header, which may be long: when a picture is made, and not when it
// is there.
func (a *Archive) companion(ctx context.Context, t storage.TenantID, e index.Entry) (*dicom.Header, error) {
	e, err := a.one(ctx, t, e.Ref, index.WithHeader)
	if err != nil {
		return nil, err
	}
	return a.whole(ctx, e)
}

// key names a picture by the objects it is made of, as they are now, and by what was asked for.
func (c companions) key(t storage.TenantID, f *Frames, n int, r Rendering) (cache.Key, error) {
	wishes, err := json.Marshal(r)
	if err != nil { // numbers that are none
		return "", errs.Errorf(errs.Invalid, "archive.Render", "what is asked for is no number")
	}
	parts := []string{strconv.Itoa(n), string(wishes)}
	add := func(e index.Entry) {
		parts = append(parts, string(e.Location.Object), strconv.FormatInt(e.Location.Offset, 10))
	}
	add(f.Entry)
	if c.state != nil {
		add(*c.state)
	}
	for _, e := range c.segmentations {
		add(e)
	}
	return cache.KeyOf(t, "picture", parts...), nil
}

func (a *Archive) render(ctx context.Context, t storage.TenantID, f *Frames, n int, r Rendering, c companions) ([]byte, error) {
	m, err := a.look(ctx, t, f)
	if err != nil {
		return nil, err
	}
	left, err := a.applyCompanions(ctx, t, f, m, n, &r, c)
	if err != nil {
		return nil, err
	}
	var out []byte
	var refused error // which is no fault of the object: withFrame would look for one
	err = a.withFrame(ctx, t, f, n, func(frame codec.Frame) error {
		p, err := a.renderer.Render(m.image, n, frame, r.Options)
		if render.Wish(err) {
			refused = err
			return nil
		}
		if err != nil {
			return err
		}
		p.Applied.Notes = append(p.Applied.Notes, left...)
		out, err = packRendered(p, r)
		return err
	})
	if err == nil {
		err = refused
	}
	a.metrics.rendered(err)
	return out, err
}

// WriteCine writes frames as an animation, each as long as the image shows it. Memory is that of
// one frame and one picture.
func (a *Archive) WriteCine(ctx context.Context, dst io.Writer, t storage.TenantID, f *Frames, list []int, r Rendering) error {
	if r.State != "" || len(r.Segmentations) > 0 {
		return errs.Errorf(errs.Unsupported, "archive.WriteCine", "an animation is of the image alone")
	}
	m, err := a.look(ctx, t, f)
	if err != nil {
		return err
	}
	decode := func(n int) (codec.Frame, error) { return a.DecodeFrame(ctx, t, f, n) }
	return render.WriteAnimation(dst, a.renderer.Cine(m.image, list, decode, r.Options))
}

// applyCompanions turns the presentation state and the segmentations into what the renderer
// takes. It returns what of them cannot be done.
func (a *Archive) applyCompanions(ctx context.Context, t storage.TenantID, f *Frames, m *look, n int, r *Rendering, c companions) (notes []string, err error) {
	if c.state != nil {
		h, err := a.companion(ctx, t, *c.state)
		if err != nil {
			return nil, err
		}
		s, err := pr.Read(h.Dataset)
		if err != nil {
			return nil, err
		}
		d, err := a.describe(ctx, t, f)
		if err != nil {
			return nil, err
		}
		p, left, err := render.PresentationOf(s, f.Entry.SOPInstanceUID, n, d, nil)
		if err != nil {
			return nil, err
		}
		r.Presentation = p
		for _, e := range left {
			notes = append(notes, errs.Safe(e))
		}
	}
	for _, e := range c.segmentations {
		layers, err := a.layers(ctx, t, e, seg.SourceOf(m.header, n))
		if err != nil {
			return nil, err
		}
		r.Layers = append(r.Layers, layers...)
	}
	return notes, nil
}

// layers returns the segments of a segmentation over a frame.
func (a *Archive) layers(ctx context.Context, t storage.TenantID, e index.Entry, src seg.Source) ([]render.Layer, error) {
	h, err := a.companion(ctx, t, e)
	if err != nil {
		return nil, err
	}
	s, err := seg.Read(h.Dataset)
	if err != nil {
		return nil, err
	}
	f, err := a.Frames(ctx, t, e.Ref)
	if err != nil {
		return nil, err
	}
	var palette *imaging.Palette
	if h.Dataset.Text(tag.PhotometricInterpretation) == "PALETTE COLOR" {
		if palette, err = imaging.ReadPalette(h.Dataset, nil, false); err != nil {
			return nil, err
		}
	}
	return render.LayersOf(s, src, palette, func(n int) (codec.Frame, error) { return a.DecodeFrame(ctx, t, f, n) })
}

// look is what an image's header says for its display.
type look struct {
	image  *imaging.Image
	header *dicom.Dataset
}

// look reads an image's header, or remembers it: that of a large enhanced image takes longer to
// read than a frame.
func (a *Archive) look(ctx context.Context, t storage.TenantID, f *Frames) (*look, error) {
	if m, ok := a.looks.get(f.Entry.Location); ok {
		return m, nil
	}
	e, h, err := a.headerOf(ctx, t, f)
	if err != nil {
		return nil, err
	}
	// The values that were left in the object are read when the frame needs them, by whichever
	// request it is then.
	image, err := imaging.Read(h.Dataset, h.Pixel.Tag, f.Index.Frames(), a.bulkOf(context.WithoutCancel(ctx), e))
	if err != nil {
		return nil, err
	}
	f.describe(h) // it is at hand, and the frame will need it
	m := &look{image, h.Dataset}
	a.looks.put(f.Entry.Location, m, int64(4*len(e.Header)+1024))
	return m, nil
}
