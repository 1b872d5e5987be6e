package e2e

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// wire is a bare DIMSE client that shares no code with the server, so that both cannot be wrong
// in the same way: one presentation context per association, bytes as PS3.8 9.3 lays them out.
type wire struct {
	conn     net.Conn
	in       *bufio.Reader
	maxPDU   int // the server's
	SOPClass string
	message  uint16
	pdu      []byte
}

// The Implementation Class UID of this client.
const wireImplementation = "2.25.302043790172249692526321623266752743501"

// dialWire opens an association with one context. wait bounds every later read and write.
func dialWire(address, SOPClassUID, transferSyntax string, wait time.Duration) (*wire, error) {
	conn, err := net.DialTimeout("tcp", address, wait)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(wait))
	w := &wire{conn: conn, in: bufio.NewReaderSize(conn, 64<<10), SOPClass: SOPClassUID}
	if _, err := conn.Write(associateRQ("AURELIUS", SOPClassUID, transferSyntax)); err != nil {
		conn.Close()
		return nil, err
	}
	if err := w.accepted(); err != nil {
		conn.Close()
		return nil, err
	}
	return w, nil
}

// associateRQ is an A-ASSOCIATE-RQ with presentation context 1 (PS3.8 9.3.2).
func associateRQ(called, SOPClassUID string, transferSyntaxes ...string) []byte {
	item := func(kind byte, body ...byte) []byte {
		return append([]byte{kind, 0, byte(len(body) >> 8), byte(len(body))}, body...)
	}
	context := append([]byte{1, 0, 0, 0}, item(0x30, []byte(SOPClassUID)...)...)
	for _, uid := range transferSyntaxes {
		context = append(context, item(0x40, []byte(uid)...)...)
	}
	user := append(item(0x51, 0, 2, 0, 0), item(0x52, []byte(wireImplementation)...)...)
	body := []byte{0, 1, 0, 0}
	body = append(body, fmt.Sprintf("%-16s%-16s", called, "E2E")...)
	body = append(body, make([]byte, 32)...)
	body = append(body, item(0x10, []byte("1.2.840.10008.3.1.1.1")...)...)
	body = append(body, item(0x20, context...)...)
	body = append(body, item(0x50, user...)...)
	return append(binary.BigEndian.AppendUint32([]byte{1, 0}, uint32(len(body))), body...)
}

var errNoContext = errors.New("presentation context refused")

func (w *wire) accepted() error {
	kind, body, err := w.readPDU()
	switch {
	case err != nil:
		return err
	case kind == 3 && len(body) >= 4:
		return fmt.Errorf("rejected: result %d, source %d, reason %d", body[1], body[2], body[3])
	case kind != 2 || len(body) < 68:
		return fmt.Errorf("PDU type %d instead of an A-ASSOCIATE-AC", kind)
	}
	result := byte(255)
	for b := body[68:]; len(b) >= 4; {
		n := int(binary.BigEndian.Uint16(b[2:]))
		if len(b) < 4+n {
			return errors.New("item beyond its PDU")
		}
		switch v := b[4 : 4+n]; b[0] {
		case 0x21:
			result = v[2]
		case 0x50:
			for len(v) >= 8 {
				if v[0] == 0x51 {
					w.maxPDU = int(binary.BigEndian.Uint32(v[4:]))
				}
				v = v[min(len(v), 4+int(binary.BigEndian.Uint16(v[2:]))):]
			}
		}
		b = b[4+n:]
	}
	if result != 0 {
		return fmt.Errorf("%w: result %d", errNoContext, result)
	}
	if w.maxPDU == 0 || w.maxPDU > 128<<10 {
		w.maxPDU = 128 << 10
	}
	return nil
}

func (w *wire) readPDU() (kind byte, body []byte, err error) {
	var head [6]byte
	if _, err := io.ReadFull(w.in, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[2:])
	if n > 1<<20 {
		return 0, nil, fmt.Errorf("PDU of %d bytes", n)
	}
	body = make([]byte, n)
	_, err = io.ReadFull(w.in, body)
	return head[0], body, err
}

// storeRSP is what the server said to a C-STORE.
type storeRSP struct {
	status  uint16
	comment string
}

func (r storeRSP) stored() bool { return r.status == 0 || r.status&0xF000 == 0xB000 }

func (r storeRSP) String() string { return fmt.Sprintf("%04X %s", r.status, r.comment) }

// store sends one instance and waits for the response.
func (w *wire) store(SOPInstanceUID string, data io.Reader) (storeRSP, error) {
	if err := w.sendStore(SOPInstanceUID, data); err != nil {
		return storeRSP{}, err
	}
	return w.response()
}

func (w *wire) sendStore(SOPInstanceUID string, data io.Reader) error {
	w.message++
	command := w.storeRQ(SOPInstanceUID)
	if _, err := w.conn.Write(w.pdv(3, command)); err != nil {
		return err
	}
	return w.sendData(data, true)
}

// storeRQ is the command set of a C-STORE request (PS3.7 9.3.1), in Implicit VR Little Endian.
func (w *wire) storeRQ(SOPInstanceUID string) []byte {
	var b []byte
	add := func(element uint16, value []byte) {
		b = binary.LittleEndian.AppendUint16(b, 0)
		b = binary.LittleEndian.AppendUint16(b, element)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(value)))
		b = append(b, value...)
	}
	uid := func(s string) []byte {
		if len(s)%2 == 1 {
			s += "\x00"
		}
		return []byte(s)
	}
	us := func(v uint16) []byte { return binary.LittleEndian.AppendUint16(nil, v) }
	add(0x0002, uid(w.SOPClass))
	add(0x0100, us(1))
	add(0x0110, us(w.message))
	add(0x0700, us(0))
	add(0x0800, us(1))
	add(0x1000, uid(SOPInstanceUID))
	length := binary.LittleEndian.AppendUint32(nil, uint32(len(b)))
	return append(append([]byte{0, 0, 0, 0, 4, 0, 0, 0}, length...), b...)
}

// pdv wraps bytes in a P-DATA-TF with one PDV; control is 1 for command, 2 for last.
func (w *wire) pdv(control byte, b []byte) []byte {
	out := append(w.pdu[:0], 4, 0)
	out = binary.BigEndian.AppendUint32(out, uint32(len(b)+6))
	out = binary.BigEndian.AppendUint32(out, uint32(len(b)+2))
	out = append(out, 1, control)
	w.pdu = append(out, b...)
	return w.pdu
}

// sendData sends a data set in PDVs of the largest size; end says whether the last is marked so.
func (w *wire) sendData(data io.Reader, end bool) error {
	size := w.maxPDU - 6
	now, next := make([]byte, size), make([]byte, size)
	n, err := io.ReadFull(data, now)
	for {
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		m := 0
		if err == nil {
			m, err = io.ReadFull(data, next)
		}
		var control byte
		if m == 0 && end {
			control = 2
		}
		if _, err := w.conn.Write(w.pdv(control, now[:n])); err != nil {
			return err
		}
		if m == 0 {
			return nil
		}
		now, next, n = next, now, m
	}
}

// response reads a response's command set.
func (w *wire) response() (storeRSP, error) {
	var command []byte
	for {
		kind, body, err := w.readPDU()
		if err != nil {
			return storeRSP{}, err
		}
		if kind != 4 || len(body) < 6 {
			return storeRSP{}, fmt.Errorf("PDU type %d instead of a response", kind)
		}
		command = append(command, body[6:]...)
		if body[5]&2 != 0 {
			break
		}
	}
	rsp := storeRSP{status: 0xFFFF}
	for b := command; len(b) >= 8; {
		n := int(binary.LittleEndian.Uint32(b[4:]))
		if len(b) < 8+n {
			return rsp, errors.New("element beyond the command set")
		}
		switch v := b[8 : 8+n]; binary.LittleEndian.Uint16(b[2:]) {
		case 0x0900:
			rsp.status = binary.LittleEndian.Uint16(v)
		case 0x0902:
			rsp.comment = strings.TrimSpace(string(v))
		}
		b = b[8+n:]
	}
	return rsp, nil
}

// release ends the association in order.
func (w *wire) release() error {
	defer w.conn.Close()
	if _, err := w.conn.Write([]byte{5, 0, 0, 0, 0, 4, 0, 0, 0, 0}); err != nil {
		return err
	}
	kind, _, err := w.readPDU()
	if err == nil && kind != 6 {
		err = fmt.Errorf("PDU type %d instead of an A-RELEASE-RP", kind)
	}
	return err
}

// abort ends it at once.
func (w *wire) abort() {
	_, _ = w.conn.Write([]byte{7, 0, 0, 0, 0, 4, 0, 0, 0, 0})
	w.conn.Close()
}

// cstore sends one object on an association of its own.
func (s *server) cstore(t testing.TB, o object) storeRSP {
	t.Helper()
	w, err := dialWire(s.dimse, o.SOPClassUID, o.transferSyntax, time.Minute)
	if err != nil {
		t.Fatalf("%s: %v", o.name, err)
	}
	rsp, err := w.store(o.SOPInstanceUID, o.dataset())
	if err != nil {
		w.conn.Close()
		t.Fatalf("%s: %v", o.name, err)
	}
	if err := w.release(); err != nil {
		t.Errorf("%s: release: %v", o.name, err)
	}
	return rsp
}
