package e2e

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
)

// TestDamagedInBucket: an object that went bad in the bucket is not given out as if it were good,
// fsck names it, and sent again it is whole. Frames are ranges, which only a scrub checks
// (docs/decisions/0014-care.md).
func TestDamagedInBucket(t *testing.T) {
	t.Parallel()
	c := newArchive(t, 2)
	a, b := c.nodes[0], c.nodes[1]
	var objects []object
	for i := range 3 {
		objects = append(objects, slice(1, 1, i).object())
		if rsp := a.cstore(t, objects[i]); rsp.status != 0 {
			t.Fatalf("C-STORE: %v", rsp)
		}
	}
	bad := objects[1]
	c.damage(t, bad)
	resource, _ := b.find(t, bad.SOPInstanceUID)
	for _, path := range []string{resource, "/studies/" + uidOf(1, 1)} {
		if _, whole := b.tryGet(t, path, "*/*"); whole {
			t.Errorf("%s is given out damaged", path)
		}
	}
	for _, o := range []object{objects[0], objects[2]} {
		a.holds(t, []object{o})
	}
	out, err := runFor(t, 2*time.Minute, built(t), append([]string{"fsck", "--data", t.TempDir(), "--verify"}, c.flags[:10]...)...)
	if err == nil || !strings.Contains(out, "damaged 1") {
		t.Errorf("fsck: %v\n%s", err, out)
	}
	if rsp := b.cstore(t, bad); rsp.status != 0 {
		t.Errorf("the same object again: %v", rsp)
	}
	for _, s := range c.nodes {
		s.holds(t, objects)
		s.stop(t)
	}
}

// tryGet reads an answer; whole is false when it is no success, or ends before its end.
func (s *server) tryGet(t testing.TB, path, accept string) (body []byte, whole bool) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, s.web(path), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", accept)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, false
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	return body, err == nil && response.StatusCode == http.StatusOK
}

// damage flips a bit among the object's pixels, where it lies in the bucket.
func (c *cluster) damage(t testing.TB, o object) {
	t.Helper()
	client, _ := c.bucket(t)
	for key, r := range c.lying(t) {
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(b, pixels(o))
		if at < 0 {
			continue
		}
		there, err := r.Stat()
		if err != nil {
			t.Fatal(err)
		}
		b[at+100] ^= 1
		if _, err := client.PutObject(context.Background(), studies, key, bytes.NewReader(b), int64(len(b)),
			minio.PutObjectOptions{UserMetadata: there.UserMetadata}); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatal("the object lies nowhere in the bucket")
}
