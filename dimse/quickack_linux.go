package dimse

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// quickAck returns a function that makes the kernel acknowledge what arrived at once. The
// option falls back by itself, so it is set again after every read. Peers on DCMTK leave
// Nagle's algorithm on and write a message in several pieces: without this each message waits
// 40 ms for our delayed acknowledgement. It is nil when the connection is not TCP.
func quickAck(conn net.Conn) func() {
	if wrapped, ok := conn.(interface{ NetConn() net.Conn }); ok { // TLS
		conn = wrapped.NetConn()
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	set := func(fd uintptr) {
		// A failure costs speed, not correctness.
		_ = unix.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	}
	return func() { _ = raw.Control(set) }
}
