package main

import (
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"

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
		return fmt.Sprintf("%q", redacted(v))
	case []string:
		list := make([]string, 0, len(v))
		for _, entry := range v {
			if at := strings.LastIndexByte(entry, '@'); at >= 0 { // host:port has none by right
				entry = hidden + entry[at:]
			}
			list = append(list, redacted(entry))
		}
		return fmt.Sprintf("%q", list)
	case map[string]string:
		return fmt.Sprintf("%q", v)
	default:
		return fmt.Sprint(v)
	}
}

// hidden stands for a secret, as in url.URL.Redacted.
const hidden = "xxxxx"

// secret matches the query parameters of a URL that must not be shown.
var secret = regexp.MustCompile(`(?i)password|secret|token`)

// redacted hides the passwords of a URL, and all of what looks like one but cannot be understood.
func redacted(v string) string {
	u, err := url.Parse(v)
	if err != nil && strings.Contains(v, "://") {
		return hidden
	}
	if err != nil || u.User == nil && u.RawQuery == "" {
		return v
	}
	pairs := strings.Split(u.RawQuery, "&")
	for i, pair := range pairs {
		plain, err := url.QueryUnescape(pair)
		if name, _, _ := strings.Cut(plain, "="); err != nil || secret.MatchString(plain) {
			pairs[i] = url.QueryEscape(name) + "=" + hidden
		}
	}
	u.RawQuery = strings.Join(pairs, "&")
	return u.Redacted()
}
