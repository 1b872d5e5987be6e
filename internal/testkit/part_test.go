package testkit_test

import (
	"net"
	"net/url"
	"testing"

	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// A part that was killed comes back where it was: tests of crashes stand on this.
func TestPart(t *testing.T) {
	t.Parallel()
	p := testkit.NewPart(t, "redis")
	before := p.URL
	p.Kill()
	u, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := net.Dial("tcp", u.Host); err == nil {
		c.Close()
		t.Fatal("it answers after Kill")
	}
	p.Restart()
	if p.URL != before {
		t.Errorf("now at %s, was at %s", p.URL, before)
	}
	c, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if a, b := testkit.Part(t, "redis"), testkit.Part(t, "redis"); a != b || a == p.URL {
		t.Errorf("shared instances %s and %s", a, b)
	}
}
