package scp_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// orthancREST talks to the REST interface of a peer Orthanc.
type orthancREST struct {
	t    *testing.T
	base string
}

func (o orthancREST) ready() bool {
	rsp, err := http.Get(o.base + "/system")
	if err == nil {
		_ = rsp.Body.Close()
	}
	return err == nil
}

func (o orthancREST) read(rsp *http.Response, err error, into any) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
	defer rsp.Body.Close()
	b, err := io.ReadAll(rsp.Body)
	if err != nil || rsp.StatusCode != http.StatusOK {
		o.t.Fatalf("Orthanc: %s %v: %s", rsp.Status, err, b)
	}
	if err := json.Unmarshal(b, into); err != nil {
		o.t.Fatalf("Orthanc: %v: %s", err, b)
	}
}

func (o orthancREST) post(path, body string) map[string]any {
	o.t.Helper()
	var out map[string]any
	rsp, err := http.Post(o.base+path, "application/json", strings.NewReader(body))
	o.read(rsp, err, &out)
	return out
}

func (o orthancREST) list(path string) []any {
	o.t.Helper()
	var out []any
	rsp, err := http.Get(o.base + path)
	o.read(rsp, err, &out)
	return out
}
