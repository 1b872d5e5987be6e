package dicomweb_test

import (
	"bytes"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/archive/archivetest"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/all"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicomweb"
)

const (
	rleUID     = "1.2.840.10008.1.2.5"
	sv1UID     = "1.2.840.10008.1.2.4.70"
	jlsUID     = "1.2.840.10008.1.2.4.80"
	j2kUID     = "1.2.840.10008.1.2.4.90"
	frameRows  = 16
	frameBytes = 4 * frameRows
)

var codecs = all.Codecs()

func newTranscoder(t *testing.T) *server {
	t.Helper()
	return newServerOn(t, dicomweb.Config{}, archivetest.NewWith(t, archive.Config{Codecs: codecs}))
}

// grey describes the frames of a spec.
var grey = codec.Description{
	Rows: frameRows, Columns: 4, SamplesPerPixel: 1, BitsAllocated: 8, BitsStored: 8, HighBit: 7, PhotometricInterpretation: "MONOCHROME2",
}

// encoded returns frames in a transfer syntax.
func encoded(t *testing.T, uid string, frames [][]byte) (out [][]byte) {
	t.Helper()
	e, err := codecs.Encoder(uid)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		b, err := e.Encode(nil, codec.Frame{Description: grey, Data: f}, codec.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(b)%2 == 1 {
			b = append(b, 0)
		}
		out = append(out, b)
	}
	return out
}

func decoded(t *testing.T, uid string, b []byte) []byte {
	t.Helper()
	c, err := codecs.Decoder(uid)
	if err != nil {
		t.Fatal(err)
	}
	f, err := c.Decode(b, grey, nil)
	if err != nil {
		t.Fatalf("%s: %v", uid, err)
	}
	return f.Data
}

// transferSyntax returns the parameter of a Content-Type.
func transferSyntax(contentType string) string {
	_, params, _ := mime.ParseMediaType(contentType)
	return params["transfer-syntax"]
}

// pieces takes an answer apart that need not say its length.
func (a answer) pieces(t *testing.T) (types []string, bodies [][]byte) {
	t.Helper()
	if media, params, _ := mime.ParseMediaType(a.Header.Get("Content-Type")); media == "multipart/related" {
		r := multipart.NewReader(bytes.NewReader(a.body), params["boundary"])
		for {
			p, err := r.NextRawPart()
			if err != nil {
				return types, bodies
			}
			var b bytes.Buffer
			if _, err := b.ReadFrom(p); err != nil {
				t.Fatal(err)
			}
			types, bodies = append(types, p.Header.Get("Content-Type")), append(bodies, b.Bytes())
		}
	}
	return []string{a.Header.Get("Content-Type")}, [][]byte{a.body}
}

// storeTwo stores an instance of three frames in a native syntax, and one of the same in RLE.
func (s *server) storeTwo(t *testing.T, syntax dicom.TransferSyntax) (frames [][]byte, native, rle spec) {
	t.Helper()
	frames = someFrames(3, frameBytes, 0)
	native = spec{study: "2.25.1", series: "2.25.1.1", instance: "2.25.1.1.1", syntax: syntax, frames: frames}
	rle = spec{study: "2.25.1", series: "2.25.1.1", instance: "2.25.1.1.2", syntax: dicom.RLELossless, frames: encoded(t, rleUID, frames),
		set: func(d *dicom.Dataset) { d.SetInts(tag.Rows, frameRows) }}
	s.store(native.make(t), rle.make(t))
	return frames, native, rle
}

// TestTranscodedFrames: want is the transfer syntax that comes, of frames stored natively and in
// RLE; "" is 406.
func TestTranscodedFrames(t *testing.T) {
	t.Parallel()
	s := newTranscoder(t)
	frames, native, rle := s.storeTwo(t, dicom.ImplicitVRLittleEndian)
	for accept, want := range map[string][2]string{
		"*/*": {explicitLE, rleUID},
		`multipart/related; type="application/octet-stream"; transfer-syntax=*`: {explicitLE, rleUID},
		`multipart/related; type="application/octet-stream"`:                    {explicitLE, explicitLE},
		`application/octet-stream`:                                              {explicitLE, explicitLE},
		`application/octet-stream; transfer-syntax=` + implicitLE:               {explicitLE, explicitLE},
		`image/dicom-rle`:                     {rleUID, rleUID},
		`image/jls`:                           {jlsUID, jlsUID},
		`multipart/related; type="image/jls"`: {jlsUID, jlsUID},
		`multipart/related; type="image/jls"; transfer-syntax=` + jlsUID: {jlsUID, jlsUID},
		`image/jpeg`:                             {sv1UID, sv1UID},
		`image/jpeg; transfer-syntax=` + sv1UID:  {sv1UID, sv1UID},
		`image/jpeg; transfer-syntax=` + jpegUID: {jpegUID, jpegUID},
		`image/jls; transfer-syntax=*`:           {"", ""},
		`image/*`:                                {"", rleUID},
		`image/png`:                              {"", ""},
		`image/jp2; transfer-syntax=1.2.3`:       {"", ""},
		`image/jls; transfer-syntax=` + jpegUID:  {"", ""},
		`application/octet-stream; transfer-syntax=1.2.840.10008.1.2.2`: {"", ""},
		// What is stored before what would have to be made, but for what was asked for by name.
		`image/jls, application/octet-stream;q=0.5`:                                           {explicitLE, jlsUID},
		`image/jls;transfer-syntax=` + jlsUID + `, application/octet-stream;q=0.5`:            {jlsUID, jlsUID},
		`image/jls;transfer-syntax=` + jlsUID + `, application/octet-stream, image/dicom-rle`: {explicitLE, rleUID},
		`image/jpeg;transfer-syntax=` + jpegUID + `, image/jls;transfer-syntax=` + jlsUID:     {jlsUID, jlsUID},
		`image/jpeg;transfer-syntax=` + jpegUID + `, image/jls;q=0.9`:                         {jpegUID, jpegUID},
	} {
		for i, o := range []spec{native, rle} {
			a := s.accept(o.path()+"/frames/2", accept)
			if want[i] == "" {
				if a.StatusCode != http.StatusNotAcceptable || !strings.Contains(string(a.body), jlsUID) {
					t.Errorf("%q of %s: status %d, %.200s", accept, o.syntax, a.StatusCode, a.body)
				}
				continue
			}
			types, bodies := a.pieces(t)
			if a.StatusCode != 200 || len(bodies) != 1 || transferSyntax(types[0]) != want[i] {
				t.Errorf("%q of %s: status %d, %v, want %s", accept, o.syntax, a.StatusCode, types, want[i])
				continue
			}
			if got := decoded(t, want[i], bodies[0]); want[i] != jpegUID && !bytes.Equal(got, frames[1]) {
				t.Errorf("%q of %s: other samples", accept, o.syntax)
			}
		}
	}
	for _, o := range []spec{native, rle} {
		a := s.accept(o.path()+"/frames/3,1,3", `multipart/related; type="image/jls"`)
		types, bodies := a.pieces(t)
		if a.StatusCode != 200 || len(bodies) != 3 {
			t.Fatalf("%s: a list: status %d, %v", o.syntax, a.StatusCode, types)
		}
		for i, n := range []int{3, 1, 3} {
			if !bytes.Equal(decoded(t, jlsUID, bodies[i]), frames[n-1]) {
				t.Errorf("%s: part %d is not frame %d", o.syntax, i, n)
			}
		}
		one := s.accept(o.path()+"/frames/1", `image/jls`)
		part := s.get(o.path()+"/frames/1", "Accept", "image/jls", "Range", "bytes=4-9")
		if head := s.do(http.MethodHead, o.path()+"/frames/1", nil, "Accept", "image/jls"); head.ContentLength != int64(len(one.body)) ||
			part.StatusCode != 206 && part.StatusCode != 200 || part.StatusCode == 206 && !bytes.Equal(part.body, one.body[4:10]) {
			t.Errorf("%s: HEAD %d, range %d of %d", o.syntax, head.ContentLength, part.StatusCode, len(one.body))
		}
		if again := s.get(o.path()+"/frames/1", "Accept", "image/jls", "If-None-Match", one.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
			t.Errorf("%s: If-None-Match: %d", o.syntax, again.StatusCode)
		}
		if other := s.accept(o.path()+"/frames/1", "image/dicom-rle"); other.Header.Get("ETag") == one.Header.Get("ETag") {
			t.Errorf("%s: two forms have one ETag", o.syntax)
		}
	}
}

func TestTranscodedObjects(t *testing.T) {
	t.Parallel()
	s := newTranscoder(t)
	frames, native, rle := s.storeTwo(t, dicom.ExplicitVRLittleEndian)
	for accept, want := range map[string][2]string{
		`application/dicom`:                                                                                {explicitLE, rleUID},
		`application/dicom; transfer-syntax=*`:                                                             {explicitLE, rleUID},
		`application/dicom; transfer-syntax=` + explicitLE:                                                 {explicitLE, explicitLE},
		`application/dicom; transfer-syntax=` + implicitLE:                                                 {implicitLE, implicitLE},
		`application/dicom; transfer-syntax=` + jlsUID:                                                     {jlsUID, jlsUID},
		`application/dicom; transfer-syntax=` + jpegUID:                                                    {jpegUID, jpegUID},
		`application/dicom; transfer-syntax=1.2.3`:                                                         {"", ""},
		`application/dicom; transfer-syntax=1.2.840.10008.1.2.7.1`:                                         {"", ""},
		`application/dicom; transfer-syntax=` + jpegUID + `, application/dicom; transfer-syntax=` + sv1UID: {sv1UID, sv1UID},
	} {
		for i, o := range []spec{native, rle} {
			a := s.accept(o.path(), accept)
			if want[i] == "" {
				if a.StatusCode != http.StatusNotAcceptable || !strings.Contains(string(a.body), implicitLE+", ") || !strings.Contains(string(a.body), sv1UID) {
					t.Errorf("%q of %s: status %d, %s", accept, o.syntax, a.StatusCode, a.body)
				}
				continue
			}
			if a.StatusCode != 200 || transferSyntax(a.Header.Get("Content-Type")) != want[i] {
				t.Errorf("%q of %s: status %d, %s, want %s", accept, o.syntax, a.StatusCode, a.Header.Get("Content-Type"), want[i])
				continue
			}
			f, err := dicom.Read(bytes.NewReader(a.body), dicom.Source{}, 0)
			if err != nil || f.TransferSyntax.UID != want[i] {
				t.Errorf("%q of %s: %s, %v", accept, o.syntax, f.TransferSyntax, err)
				continue
			}
			instance := f.Dataset.UID(tag.SOPInstanceUID)
			lossy := f.Dataset.Text(tag.LossyImageCompression) == "01"
			if want[i] == jpegUID {
				if again := s.accept(o.path(), accept); instance == o.instance || !lossy || !bytes.Equal(a.body, again.body) ||
					f.Meta.UID(tag.MediaStorageSOPInstanceUID) != instance || !slices.Contains(f.Dataset.Texts(tag.ImageType), "DERIVED") ||
					f.Dataset.Text(tag.LossyImageCompressionMethod) != "ISO_10918_1" || len(f.Dataset.Floats(tag.LossyImageCompressionRatio)) != 1 ||
					f.Dataset.Lookup(tag.SourceImageSequence, tag.ReferencedSOPInstanceUID) == nil {
					t.Errorf("%q of %s: a lossy object that does not say so, or is not the same again: %s", accept, o.syntax, instance)
				}
				continue
			}
			if instance != o.instance || lossy {
				t.Errorf("%q of %s: instance %s, lossy %v", accept, o.syntax, instance, lossy)
			}
			e := f.Dataset.Get(tag.PixelData)
			for n := range frames {
				var got []byte
				if e.Fragments != nil {
					got = decoded(t, want[i], e.Fragments[n+1])
				} else {
					got = e.Value[n*frameBytes:][:frameBytes]
				}
				if !bytes.Equal(got, frames[n]) {
					t.Errorf("%q of %s: frame %d has other samples", accept, o.syntax, n+1)
				}
			}
		}
	}
	// A series, of which each instance comes in the form asked for.
	types, bodies := s.accept("/studies/2.25.1", `multipart/related; type="application/dicom"; transfer-syntax=`+jlsUID).pieces(t)
	if len(bodies) != 2 || transferSyntax(types[0]) != jlsUID || transferSyntax(types[1]) != jlsUID {
		t.Errorf("a study as JPEG-LS: %v", types)
	}
}

// TestDamagedFrame: the frame that is damaged cannot be had in another form, the others can, and
// it comes as it is stored.
func TestDamagedFrame(t *testing.T) {
	t.Parallel()
	s := newTranscoder(t)
	frames := someFrames(3, frameBytes, 0)
	packed := encoded(t, jlsUID, frames)
	packed[1] = packed[1][:len(packed[1])/4*2] // cut in the middle
	o := spec{study: "2.25.1", series: "2.25.1.1", instance: "2.25.1.1.2", syntax: dicom.JPEGLSLossless, frames: packed,
		set: func(d *dicom.Dataset) { d.SetInts(tag.Rows, frameRows) }}
	s.store(o.make(t))
	for path, want := range map[string]int{"1": 200, "2": 406, "3": 200, "2,1": 406} {
		a := s.accept(o.path()+"/frames/"+path, `multipart/related; type="application/octet-stream"`)
		if a.StatusCode != want || want == 406 && !strings.Contains(string(a.body), "frame 2") {
			t.Errorf("frame %s: status %d, %s", path, a.StatusCode, a.body)
		}
	}
	if _, err := s.try(http.MethodGet, o.path()+"/frames/1,2", nil, "Accept", `multipart/related; type="application/octet-stream"`); err == nil {
		t.Error("an answer without its second frame is not broken off")
	}
	if _, got := s.accept(o.path()+"/frames/2", `multipart/related; type="application/octet-stream"; transfer-syntax=*`).parts(t); !bytes.Equal(got[0], packed[1]) {
		t.Error("the damaged frame does not come as it is stored")
	}
	if a := s.accept(o.path(), "application/dicom; transfer-syntax="+explicitLE); a.StatusCode != 406 || !strings.Contains(string(a.body), "frame 2") {
		t.Errorf("the object: status %d, %s", a.StatusCode, a.body)
	}
	if a := s.accept(o.path(), "application/dicom; transfer-syntax=*"); a.StatusCode != 200 {
		t.Errorf("the object as stored: status %d", a.StatusCode)
	}
}
