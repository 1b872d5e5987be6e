package main

import (
	"fmt"
	"io"
	"net/url"

	"github.com/alecthomas/kong"
)

// printConfig writes the flags of a command in the form of a configuration file, without
// passwords.
func printConfig(out io.Writer, command *kong.Node) error {
	for _, flag := range command.Flags {
		if flag.Name == "print-config" {
			continue
		}
		if _, err := fmt.Fprintf(out, "%s: %s\n", flag.Name, shown(flag)); err != nil {
			return err
		}
	}
	return nil
}

func shown(flag *kong.Flag) string {
	switch v := flag.Target.Interface().(type) {
	case string:
		if flag.Name == "s3-secret-key" && v != "" {
			return `"***"`
		}
		if u, err := url.Parse(v); err == nil && u.User != nil {
			v = u.Redacted()
		}
		return fmt.Sprintf("%q", v)
	case []string, map[string]string:
		return fmt.Sprintf("%q", v)
	default:
		return fmt.Sprint(v)
	}
}
