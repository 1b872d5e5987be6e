package dicomweb

import (
	"bytes"
	"context"
	"io"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// asStream returns the transfer syntax of frames with the media type of the stream that they
// are. PS3.18 8.7.3.3.2 goes by the transfer syntax alone and calls every H.264 stream video/mp4,
// but PS3.5 8.2.7 leaves the container open, and a player believes the type.
func (s *Service) asStream(ctx context.Context, f *archive.Frames) (dicom.TransferSyntax, error) {
	ts := f.TransferSyntax
	if !ts.Video() {
		return ts, nil
	}
	obj, err := s.arch.OpenFrame(ctx, s.tenant, f, 1)
	if err != nil {
		return ts, err
	}
	defer obj.Close()
	head := make([]byte, 3*packet)
	n, err := io.ReadFull(obj, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return ts, errs.E(errs.KindOf(err), "dicomweb.asStream", err)
	}
	ts.MediaType = streamType(head[:n], ts.MediaType)
	return ts, nil
}

// packet is the size of an MPEG-2 transport stream's packets (ISO/IEC 13818-1 2.4.3.2).
const packet = 188

// streamType returns the media type of a stream by what it begins with; declared is that of its
// transfer syntax. DICOM's own name for MPEG-2, video/mpeg2, names no container, and stays.
func streamType(head []byte, declared string) string {
	switch {
	case len(head) >= 8 && string(head[4:8]) == "ftyp": // ISO/IEC 14496-12 4.3
		return "video/mp4"
	case declared == "video/mpeg2":
		return declared
	case len(head) == 3*packet && head[0] == 0x47 && head[packet] == 0x47 && head[2*packet] == 0x47:
		return "video/MP2T" // RFC 3555 4.2
	case declared != "video/mp4":
		return declared // of a bare elementary stream
	case bytes.HasPrefix(head, []byte{0, 0, 1}), bytes.HasPrefix(head, []byte{0, 0, 0, 1}): // ITU H.264 Annex B
		return "video/H264"
	}
	return mediaOctets
}
