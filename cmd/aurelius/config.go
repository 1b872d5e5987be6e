package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/knadh/koanf/parsers/yaml"
)

// fileResolver gives flags their value from the configuration file: keys are flag names. A flag
// on the command line and an environment variable come over the file.
type fileResolver map[string]any

// loadYAML is kong's loader for --config.
func loadYAML(r io.Reader) (kong.Resolver, error) {
	b, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return nil, err
	}
	values, err := yaml.Parser().Unmarshal(b)
	if err != nil {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	return fileResolver(values), nil
}

// Validate refuses keys that no flag of any command has: a misspelt key must not be a silent
// default.
func (f fileResolver) Validate(app *kong.Application) error {
	known := map[string]bool{}
	for _, group := range app.AllFlags(false) {
		for _, flag := range group {
			known[flag.Name] = true
		}
	}
	for _, command := range app.Children {
		for _, flag := range command.Flags {
			known[flag.Name] = true
		}
	}
	for key := range f {
		if !known[key] {
			return fmt.Errorf("configuration file: unknown key %q", key)
		}
	}
	return nil
}

// Resolve implements kong.Resolver.
func (f fileResolver) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	value, ok := f[flag.Name]
	if !ok || slices.ContainsFunc(flag.Envs, func(e string) bool { _, set := os.LookupEnv(e); return set }) {
		return nil, nil
	}
	switch v := value.(type) {
	case []any:
		parts := make([]string, len(v))
		for i, p := range v {
			parts[i] = fmt.Sprint(p)
		}
		return strings.Join(parts, ","), nil
	case map[string]any:
		parts := make([]string, 0, len(v))
		for k, p := range v {
			parts = append(parts, k+"="+fmt.Sprint(p))
		}
		slices.Sort(parts)
		return strings.Join(parts, ";"), nil
	}
	return fmt.Sprint(value), nil
}

// checkListen refuses addresses beyond loopback: no identity can be configured yet, so whoever
// reaches such a port could read and delete everything.
func checkListen(insecure bool, addresses ...string) error {
	for _, a := range addresses {
		host, _, err := net.SplitHostPort(a)
		if err != nil {
			return fmt.Errorf("address %q: want HOST:PORT", a)
		}
		if insecure || host == "localhost" {
			continue
		}
		if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
			return fmt.Errorf("refusing to listen on %s: no identity is configured, so everyone who reaches it could "+
				"read and delete patients' images; listen on 127.0.0.1, or say --insecure if the network itself is guarded", a)
		}
	}
	return nil
}

// checkData makes the data directory, readable to its owner only.
func checkData(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return abs, os.MkdirAll(abs, 0o700)
}
