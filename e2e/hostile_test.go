package e2e

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a connection may last that does nothing but hold on: the longest of the
// server's timeouts (a data set that stands still: one minute), and room for a slow machine.
const patience = 100 * time.Second

// dropped reports an error unless the server ends the connection within the time.
func dropped(t *testing.T, what string, conn net.Conn, within time.Duration) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(within))
	_, err := io.Copy(io.Discard, conn)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("%s: the connection is still open after %v", what, within)
	}
}

// refused reports an error unless the server says at once that this was the last: by A-ABORT or
// A-ASSOCIATE-RJ, behind which it waits for the peer to hang up (PS3.8 9.2.3, Sta13), or by
// hanging up itself. fine are types of PDU that may come instead.
func refused(t *testing.T, what string, conn net.Conn, fine ...byte) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(15 * time.Second))
	var kind [1]byte
	_, err := io.ReadFull(conn, kind[:])
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		t.Errorf("%s: no answer", what)
	case err == nil && kind[0] != 3 && kind[0] != 7 && !bytes.Contains(fine, kind[:]):
		t.Errorf("%s: answered with PDU type %d", what, kind[0])
	}
	conn.Close()
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// pduOf is a PDU with a length that need not be true.
func pduOf(kind byte, length uint32, body ...byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{kind, 0}, length), body...)
}

// TestBrokenPDUs sends what no peer should on the DICOM port. Each connection is ended at once,
// and the server goes on.
func TestBrokenPDUs(t *testing.T) {
	t.Parallel()
	s := start(t)
	noise := make([]byte, 64<<10)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	noise[0] = 0xEE // no PDU type
	rq := associateRQ("AURELIUS", ctStorage, explicitLE)
	reversed := bytes.Clone(rq)
	for i := 74; i < len(reversed); i++ {
		reversed[i] ^= 0xFF
	}
	long := bytes.Clone(rq)
	binary.BigEndian.PutUint16(long[74+2:], 0xFFFF) // application context longer than the PDU
	big := func(n int) []byte { return make([]byte, n) }
	for name, c := range map[string]struct {
		associated bool
		bytes      []byte
	}{
		"noise":                         {false, noise},
		"HTTP":                          {false, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")},
		"TLS":                           {false, []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")},
		"A-ASSOCIATE-RQ of 4 GB":        {false, pduOf(1, 0xFFFFFFFF, big(4096)...)},
		"A-ASSOCIATE-RQ without items":  {false, pduOf(1, 68, big(68)...)},
		"A-ASSOCIATE-RQ too short":      {false, pduOf(1, 4, 0, 1, 0, 0)},
		"items of noise":                {false, reversed},
		"item beyond its PDU":           {false, long},
		"P-DATA first":                  {false, pduOf(4, 6, 0, 0, 0, 2, 1, 3)},
		"A-RELEASE-RQ first":            {false, pduOf(5, 4, 0, 0, 0, 0)},
		"a second A-ASSOCIATE-RQ":       {true, rq},
		"unknown PDU":                   {true, pduOf(0x42, 4, 0, 0, 0, 0)},
		"P-DATA of 4 GB":                {true, pduOf(4, 0xFFFFFFFF, big(4096)...)},
		"P-DATA over the limit":         {true, pduOf(4, 16<<20, big(4096)...)},
		"PDV longer than its PDU":       {true, pduOf(4, 6, 0, 0, 0xFF, 0xFF, 1, 3)},
		"PDV of no length":              {true, pduOf(4, 4, 0, 0, 0, 0)},
		"PDV on an unknown context":     {true, pduOf(4, 6, 0, 0, 0, 2, 99, 3)},
		"data set before a command":     {true, pduOf(4, 8, 0, 0, 0, 4, 1, 2, 7, 7)},
		"command set of noise":          {true, append(pduOf(4, 1006, 0, 0, 3, 0xEA, 1, 3), noise[:1000]...)},
		"command element of 4 GB":       {true, pduOf(4, 14, 0, 0, 0, 10, 1, 3, 0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF)},
		"command set without an end":    {true, bytes.Repeat(pduOf(4, 1006, append([]byte{0, 0, 3, 0xEA, 1, 1}, big(1000)...)...), 2000)},
		"A-ASSOCIATE-AC from the asker": {true, pduOf(2, 68, big(68)...)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, s.dimse)
			if c.associated {
				w, err := dialWire(s.dimse, ctStorage, explicitLE, time.Minute)
				if err != nil {
					t.Fatal(err)
				}
				defer w.conn.Close()
				conn = w.conn
			}
			_, _ = conn.Write(c.bytes)
			refused(t, name, conn)
		})
	}
	t.Cleanup(func() {
		if o := ct(1, 1, 1).object(); s.cstore(t, o).status != 0 {
			t.Error("a good sender is refused afterwards")
		}
	})
}

// TestSilentPeers leaves connections open that say nothing, or too little, on both ports. The
// server answers others meanwhile, and drops each within its timeouts.
func TestSilentPeers(t *testing.T) {
	t.Parallel()
	s := start(t)
	stored := ct(1, 1, 1).object()
	if rsp := s.cstore(t, stored); rsp.status != 0 {
		t.Fatal(rsp)
	}
	var group sync.WaitGroup
	hold := func(what string, conn net.Conn) {
		group.Go(func() { dropped(t, what, conn, patience) })
	}
	rq := associateRQ("AURELIUS", ctStorage, explicitLE)
	for range 20 {
		hold("DICOM: says nothing", dial(t, s.dimse))
		half := dial(t, s.dimse)
		_, _ = half.Write(rq[:50])
		hold("DICOM: half a request", half)
		hold("HTTP: says nothing", dial(t, s.http))
		lines := dial(t, s.http)
		_, _ = lines.Write([]byte("GET /dicom-web/studies HTTP/1.1\r\nHost: x\r\nX-More: "))
		hold("HTTP: half a header", lines)
	}
	w, err := dialWire(s.dimse, ctStorage, explicitLE, patience)
	if err != nil {
		t.Fatal(err)
	}
	o := slice(1, 1, 2).object()
	w.message++
	_, _ = w.conn.Write(w.pdv(3, w.storeRQ(o.SOPInstanceUID)))
	_ = w.sendData(bytes.NewReader(o.file[o.begin:o.begin+100_000]), false)
	hold("DICOM: data set stands still", w.conn)
	post := dial(t, s.http)
	fmt.Fprintf(post, "POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 1000000\r\n\r\n--%s\r\nContent-Type: application/dicom\r\n\r\n",
		stowHeader[1], boundary)
	_, _ = post.Write(o.file[:50_000])
	hold("HTTP: body stands still", post)

	// Slow loris: a byte at a time.
	for name, c := range map[string]struct {
		address string
		bytes   []byte
	}{
		"DICOM: a byte at a time": {s.dimse, rq},
		"HTTP: a byte at a time":  {s.http, []byte("GET /dicom-web/studies HTTP/1.1\r\nHost: x\r\nX-More: " + strings.Repeat("x", 200))},
	} {
		conn := dial(t, c.address)
		group.Go(func() {
			tick := time.NewTicker(700 * time.Millisecond)
			defer tick.Stop()
			for _, b := range c.bytes {
				<-tick.C
				if _, err := conn.Write([]byte{b}); err != nil {
					return
				}
			}
		})
		hold(name, conn)
	}

	// While all these hold on, others are served.
	began := time.Now()
	for i := range 50 {
		if rsp := s.cstore(t, ct(2, 1, i).object()); rsp.status != 0 {
			t.Errorf("C-STORE meanwhile: %v", rsp)
		}
		if found := s.search(t, stored.path()); len(found) != 1 {
			t.Errorf("QIDO meanwhile finds %d", len(found))
		}
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("50 stores and searches took %v", took)
	}
	group.Wait()
	if found := s.search(t, o.path()); len(found) != 0 {
		t.Error("half an instance is there")
	}
}

// TestAbortedMidDataset ends associations in the middle of a data set in every way there is.
// Nothing stays of it, neither in the index nor on the disk.
func TestAbortedMidDataset(t *testing.T) {
	t.Parallel()
	s := start(t)
	whole := ct(1, 1, 100).object()
	if rsp := s.cstore(t, whole); rsp.status != 0 {
		t.Fatal(rsp)
	}
	for i, end := range []func(*wire){
		(*wire).abort,
		func(w *wire) { w.conn.Close() },
		func(w *wire) { // a reset
			_ = w.conn.(*net.TCPConn).SetLinger(0)
			w.conn.Close()
		},
		func(w *wire) { _ = w.conn.(*net.TCPConn).CloseWrite() },
		func(w *wire) { // release where it may not be
			_, _ = w.conn.Write(pduOf(5, 4, 0, 0, 0, 0))
		},
		func(w *wire) { // a command in the middle of the data set
			_, _ = w.conn.Write(w.pdv(3, w.storeRQ("1.2.3")))
		},
	} {
		for _, sent := range []int64{0, 20, 5000, 300_000} {
			w, err := dialWire(s.dimse, ctStorage, explicitLE, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			o := slice(2, 1, i).object()
			w.message++
			if _, err := w.conn.Write(w.pdv(3, w.storeRQ(o.SOPInstanceUID))); err != nil {
				t.Fatal(err)
			}
			if sent > 0 {
				if err := w.sendData(io.LimitReader(o.dataset(), sent), false); err != nil {
					t.Fatal(err)
				}
			}
			end(w)
			refused(t, fmt.Sprintf("way %d", i), w.conn, 4) // or a failure of the C-STORE
		}
	}
	// The same by STOW: bodies that break off.
	for _, sent := range []int{100, 5000, 300_000} {
		conn := dial(t, s.http)
		o := slice(2, 2, sent).object()
		fmt.Fprintf(conn, "POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n--%s\r\nContent-Type: application/dicom\r\n\r\n",
			stowHeader[1], len(o.file)+500, boundary)
		_, _ = conn.Write(o.file[:sent])
		_ = conn.(*net.TCPConn).CloseWrite()
		dropped(t, "STOW", conn, 40*time.Second)
	}
	if found := s.search(t, "/instances"); len(found) != 1 {
		t.Errorf("%d instances are there, want the whole one alone", len(found))
	}
	s.stop(t)
	s.fsck(t)
	s.run(t)
	resource, _ := s.find(t, whole.SOPInstanceUID)
	whole.same(t, "WADO", s.wado(t, resource))
}

// TestBrokenMultiparts sends store requests that are not what they say. Each is answered with a
// client's error, or with what could be stored of it, in bounded time.
func TestBrokenMultiparts(t *testing.T) {
	t.Parallel()
	s := start(t)
	good := ct(1, 1, 1).object()
	open := "--" + boundary + "\r\nContent-Type: application/dicom\r\n\r\n"
	part := func(body string) string { return open + body + "\r\n" }
	done := "--" + boundary + "--\r\n"
	for _, c := range []struct {
		name, contentType string
		body              io.Reader
		stored            bool // the good object may be kept
	}{
		{"no end", stowHeader[1], io.MultiReader(strings.NewReader(open), bytes.NewReader(good.file), strings.NewReader("\r\n")), true},
		{"no end in mid object", stowHeader[1], io.MultiReader(strings.NewReader(open), bytes.NewReader(good.file[:600])), false},
		{"another boundary", `multipart/related; type="application/dicom"; boundary=other`, stowBody(good.file), false},
		{"no boundary", `multipart/related; type="application/dicom"`, stowBody(good.file), true},
		{"boundary of 10,000", `multipart/related; type="application/dicom"; boundary=` + strings.Repeat("x", 10_000), stowBody(good.file), false},
		{"nothing", stowHeader[1], strings.NewReader(""), false},
		{"no parts", stowHeader[1], strings.NewReader(done), false},
		{"empty parts", stowHeader[1], strings.NewReader(part("") + part("") + done), false},
		{"100,000 parts", stowHeader[1], repeated(part("x"), 100_000, done), false},
		{"a header of 10 MB", stowHeader[1], io.MultiReader(strings.NewReader("--"+boundary+"\r\nX: "), zeros(10<<20), strings.NewReader("\r\n\r\n"+done)), false},
		{"a part of 200 MB of nothing", stowHeader[1], io.MultiReader(strings.NewReader(open), zeros(200<<20), strings.NewReader("\r\n"+done)), false},
		{"JSON", "application/dicom+json", strings.NewReader(`[{}]`), false},
		{"text", "text/plain", strings.NewReader("hello"), false},
		{"a type of noise", "\x7f;;;===", strings.NewReader("hello"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, err := post(s.web("/studies"), c.contentType, c.body)
			if err != nil {
				return // the server may hang up on what it will not read
			}
			if status >= 500 || status < 400 && !c.stored {
				t.Errorf("status %d", status)
			}
			if !c.stored {
				if resource, _ := s.find(t, good.SOPInstanceUID); resource != "" {
					t.Error("the object is there")
				}
			}
			s.clear(t)
		})
	}
	if peak := s.peakRSS(t); peak > 256<<20 {
		t.Errorf("peak memory %d MiB", peak>>20)
	}
	if answer := s.stow(t, good); answer.status != http.StatusOK {
		t.Errorf("a good sender gets %d afterwards", answer.status)
	}
}

func post(url, contentType string, body io.Reader) (status int, err error) {
	request, err := http.NewRequest(http.MethodPost, url, body)
	if err != nil {
		return 0, err
	}
	request.Header["Content-Type"] = []string{contentType}
	client := &http.Client{Timeout: time.Minute}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

func zeros(n int64) io.Reader { return io.LimitReader(zero{}, n) }

type zero struct{}

func (zero) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// repeated is a body of n times the same without holding it.
func repeated(s string, n int, end string) io.Reader {
	r, w := io.Pipe()
	go func() {
		b := bufio.NewWriterSize(w, 64<<10)
		for range n {
			if _, err := b.WriteString(s); err != nil {
				return
			}
		}
		_, _ = b.WriteString(end)
		_ = b.Flush()
		_ = w.Close()
	}()
	return r
}

// TestBrokenHTTP sends what is no request, and requests for what is not there.
func TestBrokenHTTP(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, bytes := range map[string]string{
		"noise":           "\x00\x01\x02\x03\xff\xfe\r\n\r\n",
		"a DICOM request": string(associateRQ("AURELIUS", ctStorage, explicitLE)),
		"a long line":     "GET /" + strings.Repeat("a", 1<<20) + " HTTP/1.1\r\n\r\n",
		"many headers":    "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-A: b\r\n", 200_000) + "\r\n",
		"chunks of noise": "POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nContent-Type: " + stowHeader[1] + "\r\nTransfer-Encoding: chunked\r\n\r\nzzzz\r\nboo",
	} {
		conn := dial(t, s.http)
		_, _ = conn.Write([]byte(bytes))
		_ = conn.(*net.TCPConn).CloseWrite()
		dropped(t, name, conn, 40*time.Second)
	}
	for _, path := range []string{
		"/studies/../../etc/passwd", "/studies/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/studies/1.2'%20OR%20'1'='1", "/studies/%00",
		"/studies/1.2/series/1.3/instances/1.4/frames/0", "/studies/1.2/series/1.3/instances/1.4/frames/999999999999999999999",
		"/studies/1.2/series/1.3/instances/1.4/frames/1,1,1,,", "/instances?limit=-1", "/instances?limit=99999999999999999999",
		"/instances?offset=x", "/studies?PatientName=%00", "/studies?PatientName=%27%3B%20DROP%20TABLE%20studies%3B--",
		"/studies?StudyDate=2026-2025-2024", "/studies?0000", "/studies?=", "/studies?" + strings.Repeat("PatientID=x&", 500),
		"/studies?PatientName=" + strings.Repeat("*", 2000), "/studies/" + strings.Repeat("1.", 2000), "/bulkdata/none",
	} {
		if status, _, body := s.get(t, path); status >= 500 {
			t.Errorf("%.60s: status %d: %s", path, status, tail(string(body), 200))
		}
	}
	// What cannot be understood is refused: an answer without the filter would be other patients'.
	for _, query := range []string{"PatientID=NOPE%", "PatientID=A;B", "StudyDate=2026-2025-2024", "limit=-1", "offset=x"} {
		if status, _, body := s.get(t, "/studies?"+query); status != http.StatusBadRequest {
			t.Errorf("?%s: status %d, want 400: %s", query, status, tail(string(body), 200))
		}
	}
	if !s.answers() {
		t.Error("the server does not answer any more")
	}
}
