// Package s3test gives tests an object store in process, and a proxy before any object store that
// does what networks and overloaded servers do.
package s3test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// Fake starts an object store in memory and returns its URL. It takes any credentials, and
// verifies CRC-32C checksums as a real one does.
func Fake(t testing.TB) string {
	t.Helper()
	srv := httptest.NewUnstartedServer(checked(gofakes3.New(s3mem.New(), gofakes3.WithTimeSkewLimit(0)).Server()))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.URL
}

func checked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if want := r.Header.Get("x-amz-checksum-crc32c"); want != "" {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			var sum [4]byte
			binary.BigEndian.PutUint32(sum[:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
			if base64.StdEncoding.EncodeToString(sum[:]) != want {
				refuse(w, http.StatusBadRequest, "XAmzContentChecksumMismatch")
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(b))
		}
		next.ServeHTTP(w, r)
	})
}

// refuse answers as S3 words errors.
func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>by the test</Message></Error>`, code)
}
