package dimse_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/aurelius-imaging/aurelius/dimse"
)

// BenchmarkStore sends 526 kB slices to a server that discards them; CPU is of both sides.
func BenchmarkStore(b *testing.B) {
	slice := bytes.Repeat([]byte{1, 2, 3, 4}, 525792/4)
	for _, maxPDU := range []uint32{16 << 10, 128 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("pdu=%d", maxPDU), func(b *testing.B) {
			ts := newServer(b, func(c *dimse.Config) { anyStorage(c); c.MaxPDU = maxPDU })
			a := dial(b, ts.addr)
			b.SetBytes(int64(len(slice)))
			start := cpu()
			for b.Loop() {
				cmd := &dimse.Command{Field: dimse.CStoreRQ, MessageID: a.NextMessageID(), AffectedSOPClassUID: ctImage, AffectedSOPInstanceUID: "1.2"}
				if err := a.Send(b.Context(), 3, cmd, bytes.NewReader(slice)); err != nil {
					b.Fatal(err)
				}
				if _, err := a.Receive(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric((cpu()-start)*1e3/float64(b.N), "cpu-ms/op")
		})
	}
}

// BenchmarkEcho is the price of a round trip.
func BenchmarkEcho(b *testing.B) {
	a := dial(b, newServer(b, nil).addr)
	for b.Loop() {
		if err := a.SendBytes(1, &dimse.Command{Field: dimse.CEchoRQ, MessageID: 1}, nil); err != nil {
			b.Fatal(err)
		}
		if _, err := a.Receive(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
