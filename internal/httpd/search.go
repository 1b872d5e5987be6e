package httpd

import "bytes"

// searcher finds one byte string in many windows, by Horspool's method: pixel data is full of
// bytes that begin a delimiter, which stops bytes.Index every few bytes, while a search from the
// delimiter's end looks at one byte in as many as the delimiter is long.
type searcher struct {
	needle []byte
	skip   [256]int // how far the window may move on when it ends on this byte
}

func (s *searcher) init(needle []byte) {
	s.needle = needle
	last := len(needle) - 1
	for i := range s.skip {
		s.skip[i] = len(needle)
	}
	for i, c := range needle[:last] {
		s.skip[c] = last - i
	}
}

// index returns where the needle first occurs in b, -1 if it does not.
func (s *searcher) index(b []byte) int {
	last := len(s.needle) - 1
	end := s.needle[last]
	for i := last; i < len(b); {
		c := b[i]
		if c == end && bytes.Equal(b[i-last:i+1], s.needle) {
			return i - last
		}
		i += s.skip[c]
	}
	return -1
}
