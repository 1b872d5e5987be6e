package archive

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"hash"
	"hash/crc32"
	"io"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// joiner puts frames that are no whole bytes one behind the other.
type joiner struct {
	last byte
	have int // bits of last
}

// add returns the whole bytes that are there with the frame, in the frame's memory.
func (j *joiner) add(frame []byte, bits int64) []byte {
	total := int64(j.have) + bits
	for i, b := range frame {
		frame[i] = j.last | b<<j.have
		j.last = b >> (8 - j.have) // 0 when nothing is left over
	}
	whole := int(total / 8)
	if whole < len(frame) { // the last byte is not full
		j.last = frame[whole]
	}
	j.have = int(total % 8)
	return frame[:whole]
}

func (j *joiner) rest() []byte {
	if j.have == 0 {
		return nil
	}
	return []byte{j.last}
}

// pixelSource reads the frames of an object in one go, and what lies behind them, so that the
// whole can be held against its checksum.
type pixelSource struct {
	a      *Archive
	ctx    context.Context
	frames *Frames
	stored io.ReadCloser
	value  *bufio.Reader // of the pixel data, in little endian
	sum    hash.Hash32   // nil: the object is deflated, and is verified by the engine
	begin  int64         // offset of the value in the object
	at     int64         // offset of its next byte
	number int           // of the last frame
	last   byte          // of it: packed frames share bytes
	bits   int64         // of a packed frame; 0: frames are whole bytes
}

func (a *Archive) openPixels(ctx context.Context, h *dicom.Header, f *Frames) (*pixelSource, error) {
	s := &pixelSource{a: a, ctx: ctx, frames: f, begin: h.Pixel.Offset, at: h.Pixel.Offset}
	if !h.Pixel.Encapsulated {
		bits, err := f.frameBits()
		if err != nil {
			return nil, err
		}
		if bits%8 != 0 {
			s.bits = bits
		}
	}
	if f.TransferSyntax.Deflated {
		o, err := a.openInflated(ctx, f.Entry, h.Pixel.Offset, h.Pixel.Length)
		if err != nil {
			return nil, err
		}
		s.stored, s.value = o, bufio.NewReaderSize(onlyReader{o}, 64<<10)
		return s, nil
	}
	stored, err := a.open(ctx, f.Entry.Location, h.Pixel.Offset, -1)
	if err != nil {
		return nil, err
	}
	s.stored, s.sum = stored, crc32.New(castagnoli)
	var value io.Reader = io.LimitReader(io.TeeReader(onlyReader{stored}, s.sum), h.Pixel.Length)
	if f.word > 1 {
		value = &swapper{ReadCloser: io.NopCloser(value), word: f.word}
	}
	s.value = bufio.NewReaderSize(value, 64<<10)
	return s, nil
}

// frame reads the next frame as OpenFrame would give it.
func (s *pixelSource) frame() ([]byte, error) {
	s.number++
	spans, bit, err := s.frames.Index.Frame(s.number)
	if err != nil {
		return nil, err
	}
	var size int64
	for _, span := range spans {
		size += span.Length
	}
	if size > maxEncoded {
		return nil, frameError(s.number, errs.Errorf(errs.Exhausted, "archive.Open", "%d bytes are more than is decoded here", size))
	}
	b := make([]byte, 0, size)
	for _, span := range spans {
		if span.Offset == s.at-1 && s.bits > 0 {
			b, span.Offset, span.Length = append(b, s.last), s.at, span.Length-1
		}
		if span.Offset < s.at {
			return nil, errs.Errorf(errs.Invalid, "archive.Open", "fragments overlap")
		}
		if _, err := io.CopyN(io.Discard, s.value, span.Offset-s.at); err != nil {
			return nil, s.short(err)
		}
		at := len(b)
		b = b[:at+int(span.Length)]
		if _, err := io.ReadFull(s.value, b[at:]); err != nil {
			return nil, s.short(err)
		}
		s.at = span.Offset + span.Length
	}
	if s.bits == 0 {
		return b, nil
	}
	s.last = b[len(b)-1]
	out := make([]byte, (s.bits+7)/8)
	_, err = io.ReadFull(newUnpacker(io.NopCloser(onlyReader{bytes.NewReader(b)}), bit, s.bits), out)
	return out, err
}

func (s *pixelSource) short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errs.E(errs.Internal, "archive.Open", io.ErrUnexpectedEOF)
	}
	return err
}

func (s *pixelSource) Close() error { return s.stored.Close() }

// verify reads to the end and holds the object against its checksum; head is the one of the data
// set before the value of the pixel data.
func (s *pixelSource) verify(head uint32) error {
	e := s.frames.Entry
	if s.sum == nil {
		if errs.Is(s.a.blobs.Verify(s.ctx, e.Location), errs.Invalid) {
			return s.a.mismatch(s.ctx, e)
		}
		return nil
	}
	if _, err := io.Copy(io.Discard, s.value); err != nil {
		return err
	}
	if _, err := io.Copy(s.sum, onlyReader{s.stored}); err != nil {
		return err
	}
	if crcBefore(head, e.Location.Length-s.begin)^s.sum.Sum32() != e.DatasetCRC {
		return s.a.mismatch(s.ctx, e)
	}
	return nil
}
