package dicomweb_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// TestDICOMwebClient runs the Python client through all transactions.
func TestDICOMwebClient(t *testing.T) {
	t.Parallel()
	tools := filepath.Join(testkit.Shared(t), "parts", "dicom-tools")
	if _, err := os.Stat(tools); err != nil {
		testkit.Missing(t, tools)
	}
	s := newServer(t)
	out, err := exec.Command(tools, "py", "testdata/client.py", s.URL, testkit.Testdata("first")).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
