package main

import (
	"strings"
	"testing"
)

func TestPrintHidesSecrets(t *testing.T) {
	for _, c := range []struct{ flag, value, want string }{
		{"--database", "postgres://h/db?user=u&password=hush", "user=u&password=xxxxx"},
		{"--database", "postgres://u:hush@h/db?sslPassword=hush&sslmode=require", "u:xxxxx@h/db?sslPassword=xxxxx&sslmode=require"},
		{"--database", "postgres://h/db?pass%77ord=hush", "password=xxxxx"},
		{"--database", "postgres://h/db?a=1;password=hush", "a=xxxxx"},
		{"--redis", "redis://h?password=hush", "redis://h?password=xxxxx"},
		{"--redis", "redis://u:hush%@h", `redis: "xxxxx"`},
		{"--kafka", "u:hush@h:1", `"xxxxx@h:1"`},
		{"--kafka", "h:9092", `"h:9092"`},
	} {
		code, out := settings(t, "serve", "--print-config", c.flag, c.value)
		if code != 0 || strings.Contains(out, "hush") || !strings.Contains(out, c.want) {
			t.Errorf("%s %s: exit %d, no %s in\n%s", c.flag, c.value, code, c.want, out)
		}
	}
}
