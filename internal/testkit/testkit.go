// Package testkit helps tests find what lies beside the code: the repository's own testdata,
// the shared folder with the corpus, and peers. What is missing is a skip on a laptop and a
// failure in CI.
package testkit

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// Root returns the repository's root.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// Shared returns the folder with corpus, standard tables and parts ($AURELIUS_SHARED, or
// ../shared beside the repository).
func Shared(t testing.TB) string {
	t.Helper()
	dir := sharedDir()
	if _, err := os.Stat(filepath.Join(dir, "data", "MANIFEST.json")); err != nil {
		Missing(t, "shared folder "+dir)
	}
	return dir
}

func sharedDir() string {
	if dir := os.Getenv("AURELIUS_SHARED"); dir != "" {
		return dir
	}
	return filepath.Join(Root(), "..", "shared")
}

// Testdata returns the path of a fixture in the repository's testdata.
func Testdata(elem ...string) string {
	return filepath.Join(append([]string{Root(), "testdata"}, elem...)...)
}

// Tool returns the path of a peer's program.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, "program "+name)
	}
	return path
}

// Missing ends the test: skipped on a laptop, failed in CI.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing, and CI may not skip", what)
	}
	t.Skipf("%s is missing", what)
}
