package main

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/archive/archivetest"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/dimse/scp"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// startDIMSE serves a fresh archive and returns its address.
func startDIMSE(t *testing.T, aet string, peers scp.Peers) string {
	t.Helper()
	var contexts dimse.Contexts
	var mux dimse.Mux
	scp.New(scp.Config{AETitle: aet}, archivetest.New(t), peers).Register(&contexts, &mux)
	server, err := dimse.NewServer(dimse.Config{AETitle: aet, StrictCalledAE: true, Contexts: &contexts, Handler: &mux, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// command runs the program and returns its exit code and what it printed.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, complaints bytes.Buffer
	code = run(t.Context(), args, &out, &complaints)
	return code, out.String(), complaints.String()
}

func TestClientCommands(t *testing.T) {
	t.Parallel()
	second := startDIMSE(t, "SECOND", nil)
	first := "FIRST@" + startDIMSE(t, "FIRST", scp.Peers{"SECOND": second})
	folder := testkit.Testdata("first")
	object, err := readObject(filepath.Join(folder, "1.dcm"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(object.path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := dicom.Read(bytes.NewReader(b), dicom.Source{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	study := "StudyInstanceUID=" + file.Dataset.UID(0x0020000D)

	for _, c := range []struct {
		args []string
		code int
		want string // in stdout, or in stderr when the code is not 0
	}{
		{[]string{"echo", first}, 0, "FIRST at "},
		{[]string{"find", first, "-k", study}, 0, "StudyInstanceUID"},
		{[]string{"get", first, "--out", t.TempDir(), "-k", study}, 0, "received 0, failed 0"},
		{[]string{"send", first, folder, testkit.Testdata("README.md")}, 0, "sent 5 of 5 objects"},
		{[]string{"send", first, folder, "--parallel", "3"}, 0, "sent 5 of 5 objects"},
		{[]string{"send", first, testkit.Testdata("README.md")}, 1, "nothing to send"},
		{[]string{"send", first, filepath.Join(folder, "missing")}, 1, "no such file"},
		{[]string{"find", first}, 0, file.Dataset.UID(0x0020000D)},
		{[]string{"find", first, "-l", "image", "-k", study, "--json", "--limit", "2"}, 0, `"00080018":{"vr":"UI"`},
		{[]string{"find", first, "-k", "PatientNme=x"}, 1, `no attribute has the keyword or tag "PatientNme"`},
		{[]string{"move", first, "--to", "SECOND", "-k", study}, 0, "moved 5, failed 0"},
		{[]string{"move", first, "--to", "THIRD", "-k", study}, 1, "does not know the move destination"},
		{[]string{"move", first, "--to", "SECOND"}, 1, "say which: --key StudyInstanceUID="},
		{[]string{"find", "SECOND@" + second}, 0, file.Dataset.UID(0x0020000D)},
		{[]string{"echo", "OTHER@" + second}, 1, "does not go by the AE title"},
		{[]string{"echo", "X@127.0.0.1:1"}, 1, "connection refused"},
		{[]string{"echo", "127.0.0.1:104"}, 2, "want AET@HOST:PORT"},
		{[]string{"echo", "SEVENTEENLETTERS1@127.0.0.1:104"}, 2, "1 to 16 characters"},
	} {
		code, stdout, stderr := command(t, c.args...)
		got := stdout
		if c.code != 0 {
			got = stderr
		}
		if code != c.code || !strings.Contains(got, c.want) {
			t.Errorf("aurelius %s: exit %d\n%s%s\nwant %d with %q", strings.Join(c.args, " "), code, stdout, stderr, c.code, c.want)
		}
	}

	dir := t.TempDir()
	if code, stdout, stderr := command(t, "get", first, "--out", dir, "-k", study); code != 0 || !strings.Contains(stdout, "received 5, failed 0") {
		t.Fatalf("get: exit %d\n%s%s", code, stdout, stderr)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(files) != 5 {
		t.Errorf("get wrote %v", files)
	}
	got, err := os.ReadFile(filepath.Join(dir, object.SOPInstanceUID+".dcm"))
	if err != nil {
		t.Fatal(err)
	}
	h, err := dicom.ReadHeader(bytes.NewReader(got), dicom.Source{}, dicom.Limits{})
	if err != nil || !bytes.Equal(got[h.DatasetOffset:], b[object.offset:]) {
		t.Errorf("get wrote another data set than was sent (%v)", err)
	}
}

func TestFileNameStaysInItsFolder(t *testing.T) {
	t.Parallel()
	for _, uid := range []string{"1.2.3", "../../etc/passwd", "", ".", "1..2", "a/b", strings.Repeat("1", 300)} {
		got := fileName(uid)
		if filepath.Base(got) != got || strings.HasPrefix(got, ".") || !strings.HasSuffix(got, ".dcm") || len(got) > 100 {
			t.Errorf("fileName(%q) = %q", uid, got)
		}
	}
	if got := fileName("1.2.3"); got != "1.2.3.dcm" {
		t.Errorf("fileName = %q", got)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		flags    keyFlags
		retrieve bool
		level    string
		wrong    string
	}{
		{keyFlags{}, false, "study", ""},
		{keyFlags{Key: []string{"PatientID=1"}}, false, "study", ""},
		{keyFlags{Key: []string{"PatientID=1"}}, true, "patient", ""},
		{keyFlags{Key: []string{"StudyInstanceUID=1.2", "SeriesInstanceUID=1.3"}}, true, "series", ""},
		{keyFlags{Level: "image", Key: []string{"StudyInstanceUID=1.2"}}, false, "image", ""},
		{keyFlags{Level: "image", Key: []string{"StudyInstanceUID=1.2"}}, true, "", "SOPInstanceUID"},
		{keyFlags{Key: []string{"0020,000D=1.2"}}, true, "study", ""},
		{keyFlags{Key: []string{"RequestAttributesSequence.ScheduledProcedureStepID=7"}}, false, "study", ""},
		{keyFlags{Key: []string{"Rows=many"}}, false, "", "no number"},
	} {
		level, d, err := c.flags.identifier(c.retrieve)
		switch {
		case c.wrong != "":
			if err == nil || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("%+v: %v, want an error about %q", c.flags, err, c.wrong)
			}
		case err != nil || level != c.level || d.Text(0x00080052) != queryLevels[level]:
			t.Errorf("%+v: level %q (%q), %v; want %q", c.flags, level, d.Text(0x00080052), err, c.level)
		}
	}
}

func TestTableCannotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	d := &dicom.Dataset{}
	d.SetText(0x00100010, "EVIL\x1b[2J\nNAME\t")
	var out bytes.Buffer
	table := newTable(&out, false, columns("patient", &dicom.Dataset{}))
	if err := table.row(d); err != nil {
		t.Fatal(err)
	}
	if err := table.flush(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || strings.Contains(out.String(), "\x1b") {
		t.Errorf("%q", out.String())
	}
}
