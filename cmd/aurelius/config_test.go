package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func settings(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var out bytes.Buffer
	code := run(context.Background(), append([]string{}, args...), &out, &out)
	return code, out.String()
}

func TestPrecedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.yaml")
	if err := os.WriteFile(file, []byte("aet: FROMFILE\ndimse: 127.0.0.1:5001\nhttp: [127.0.0.1:5002, 127.0.0.1:5003]\npeer:\n  A: h:1\n  B: h:2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AURELIUS_DIMSE", "127.0.0.1:6001")
	code, out := settings(t, "--config", file, "serve", "--print-config", "--max-associations", "7")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, out)
	}
	for _, want := range []string{
		`aet: "FROMFILE"`,                  // file over default
		`dimse: "127.0.0.1:6001"`,          // environment over file
		"max-associations: 7",              // flag
		`"127.0.0.1:5003"`, `"A"`, `"h:2"`, // lists and maps of the file
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	if _, out = settings(t, "--config", file, "serve", "--print-config", "--dimse", "127.0.0.1:7001"); !strings.Contains(out, "127.0.0.1:7001") {
		t.Errorf("flag does not come over environment:\n%s", out)
	}
}

func TestUnknownKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.yaml")
	if err := os.WriteFile(file, []byte("aett: X\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out := settings(t, "--config", file, "serve", "--print-config"); code == 0 || !strings.Contains(out, "aett") {
		t.Errorf("exit %d: %s", code, out)
	}
}

func TestRefusesToListen(t *testing.T) {
	for address, refused := range map[string]bool{
		"127.0.0.1:4242": false, "localhost:4242": false, "[::1]:4242": false,
		"0.0.0.0:4242": true, ":4242": true, "10.1.2.3:4242": true, "pacs.example:4242": true, "nonsense": true,
	} {
		if err := checkListen(false, address); (err != nil) != refused {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := checkListen(true, "0.0.0.0:4242"); err != nil {
		t.Errorf("--insecure: %v", err)
	}
	if code, out := settings(t, "serve", "--data", t.TempDir(), "--dimse", "0.0.0.0:0"); code != 1 || !strings.Contains(out, "no identity") {
		t.Errorf("exit %d: %s", code, out)
	}
}

func TestRefusesSettings(t *testing.T) {
	for _, args := range [][]string{
		{"--peer", "FOO=bar"}, {"--peer", "ATITLETHATISTOOLONG=h:104"}, {"--max-associations", "0"}, {"--aet", "ATITLETHATISTOOLONG"},
	} {
		if code, out := settings(t, append([]string{"serve", "--print-config"}, args...)...); code != 2 {
			t.Errorf("%v: exit %d: %s", args, code, out)
		}
	}
	if code, out := settings(t, "fsck", "--data", t.TempDir()); code != 1 || !strings.Contains(out, "no data directory") {
		t.Errorf("exit %d: %s", code, out)
	}
}
