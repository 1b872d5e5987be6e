package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// peer is a process that takes commands by lines; nil is one that there is not.
type peer struct {
	name     string
	cmd      *exec.Cmd
	in       io.WriteCloser
	out      *bufio.Scanner
	versions string
	failed   map[string]bool // commands that it said it cannot
}

// startDCMTK builds and starts DCMTK's side.
func startDCMTK(dir string) *peer {
	program := filepath.Join(dir, "dcmtk")
	build := exec.Command("g++", "-O2", "-o", program, "bench/codec/peers/dcmtk.cc", "-ldcmjpeg", "-ldcmjpls", "-ldcmimage", "-ldcmimgle", "-ldcmdata",
		"-loflog", "-lofstd", "-lz", "-lpthread")
	if msg, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "without DCMTK (g++ and libdcmtk-dev build it): %v\n%.300s\n", err, msg)
		return nil
	}
	version := "DCMTK"
	if f := strings.Fields(output("dcmdrle", "--version")); len(f) > 2 { // $dcmtk: dcmdrle v3.6.7 ...
		version += " " + f[2]
	}
	return start("DCMTK", version, exec.Command(program))
}

// startCLib makes a Python environment with the libraries' bindings and starts it.
func startCLib(dir string) *peer {
	python := filepath.Join(dir, "venv", "bin", "python")
	if _, err := os.Stat(python); err != nil {
		if msg, err := exec.Command("python3", "-m", "venv", filepath.Join(dir, "venv")).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "without the C libraries: %v\n%.300s\n", err, msg)
			return nil
		}
	}
	if exec.Command(python, "-c", "import imagecodecs, _CharLS").Run() != nil {
		if msg, err := exec.Command(python, "-m", "pip", "install", "--quiet", "numpy", "imagecodecs", "pyjpegls").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "without the C libraries: %v\n%.300s\n", err, msg)
			return nil
		}
	}
	versions := strings.TrimSpace(output(python, "-c", `import imagecodecs, jpeg_ls, zlib
v = dict(e.rsplit("-", 1) for e in imagecodecs.version().replace("\n", ", ").split(", ") if "-" in e)
print("libjpeg-turbo", v["libjpeg_turbo"].split("/")[0], "/ libdeflate", v["libdeflate"], "/ CharLS", v["charls"], "(to encode: pyjpegls", jpeg_ls.__version__ + ") / zlib", zlib.ZLIB_RUNTIME_VERSION)`))
	return start("C libraries", versions, exec.Command(python, "bench/codec/peers/clib.py"))
}

func output(name string, arg ...string) string {
	b, err := exec.Command(name, arg...).Output()
	if err != nil {
		return ""
	}
	return string(b)
}

func start(name, versions string, cmd *exec.Cmd) *peer {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(os.Stderr, "without %s: %v\n", name, err)
		return nil
	}
	return &peer{name, cmd, in, bufio.NewScanner(out), versions, map[string]bool{}}
}

// ask sends a command and returns the answer; false, said once, when the peer cannot do it.
func (p *peer) ask(format string, a ...any) (string, bool) {
	command := fmt.Sprintf(format, a...)
	if p == nil || p.failed[command] {
		return "", false
	}
	if _, err := fmt.Fprintln(p.in, command); err != nil || !p.out.Scan() || strings.HasPrefix(p.out.Text(), "error") {
		fmt.Fprintf(os.Stderr, "%s: %s: %s\n", p.name, command, p.out.Text())
		p.failed[command] = true
		return "", false
	}
	return p.out.Text(), true
}

func (p *peer) make(source, uid, sub, to string) bool {
	_, ok := p.ask("make %s %s %s %s", source, uid, sub, to)
	return ok
}

// decode returns the time of a decode; samples other than ours are noted.
func (p *peer) decode(t *timing, want uint32, format string, a ...any) time.Duration {
	var ns, size int64
	var sum uint32
	answer, ok := p.ask(format, a...)
	if n, _ := fmt.Sscan(answer, &ns, &sum, &size); !ok || n != 3 {
		return 0
	}
	if sum != want && !slices.Contains(t.differs, p.name) {
		t.differs = append(t.differs, p.name)
	}
	return time.Duration(ns)
}

func (p *peer) encode(size *int, format string, a ...any) time.Duration {
	var ns, sum int64
	answer, ok := p.ask(format, a...)
	if n, _ := fmt.Sscan(answer, &ns, &sum, size); !ok || n != 3 {
		return 0
	}
	return time.Duration(ns)
}

func (p *peer) stop() {
	if p != nil {
		p.in.Close()
		_ = p.cmd.Wait()
	}
}
