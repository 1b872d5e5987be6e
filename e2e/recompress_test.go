package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/platform/jobs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

const transcodedFrames = `aurelius_archive_transcoded_frames_total{result="transcoded"}`

// eachEngine runs a test on an archive on files and on one of two nodes on PostgreSQL and MinIO.
func eachEngine(t *testing.T, test func(t *testing.T, c *cluster), args ...string) {
	t.Run("files", func(t *testing.T) {
		t.Parallel()
		test(t, &cluster{nodes: []*server{start(t, args...)}})
	})
	t.Run("PostgreSQL and MinIO", func(t *testing.T) {
		t.Parallel()
		test(t, newArchive(t, 2, args...))
	})
}

// at are the flags of commands that open the archive's engines.
func (c *cluster) at(t testing.TB) []string {
	if c.flags == nil {
		return []string{"--data", c.nodes[0].data}
	}
	return append([]string{"--data", t.TempDir()}, c.flags[:10]...)
}

// checked stops the nodes and checks every object of the archive.
func (c *cluster) checked(t testing.TB, how string) {
	t.Helper()
	for _, s := range c.nodes {
		s.stop(t)
	}
	if out, err := runFor(t, 2*time.Minute, built(t), append([]string{"fsck", "--verify"}, c.at(t)...)...); err != nil {
		t.Errorf("fsck %s: %v\n%s", how, err, tail(out, 2000))
	}
}

// repaired is checked after a kill, which may have left a record whose row still names the old one:
// on engines that nodes share it is looked for after an hour, or by fsck, which knows it.
func (c *cluster) repaired(t testing.TB, how string) {
	t.Helper()
	for _, s := range c.nodes {
		s.stop(t)
	}
	_, _ = runFor(t, 2*time.Minute, built(t), append([]string{"fsck", "--repair"}, c.at(t)...)...) // says what was not clean
	c.checked(t, how)
}

// rebuilt makes the index of the archive, whose nodes have ended, anew from the objects alone,
// and starts nodes on it.
func (c *cluster) rebuilt(t testing.TB) *cluster {
	t.Helper()
	if c.flags != nil {
		c = &cluster{flags: append([]string{"--database", database(t)}, c.flags[2:]...), nodes: c.nodes}
	}
	out, err := runFor(t, 2*time.Minute, built(t), append([]string{"fsck", "--rebuild", "--verify"}, c.at(t)...)...)
	if err != nil {
		t.Fatalf("fsck --rebuild: %v\n%s", err, tail(out, 2000))
	}
	if c.flags == nil {
		c.nodes[0].run(t)
		return c
	}
	return &cluster{flags: c.flags, nodes: []*server{start(t, c.flags...), start(t, c.flags...)}}
}

// press has the job run now that otherwise comes once an hour, and returns how to await its end.
func (c *cluster) press(t testing.TB) (finished func() archive.RecompressReport) {
	t.Helper()
	queue, err := jobs.Open(t.Context(), c.platform(t), jobs.Config{})
	if err != nil {
		t.Fatal(err)
	}
	id, err := queue.Enqueue(t.Context(), jobs.Request{Tenant: storage.DefaultTenant, Kind: "recompress"})
	if err != nil {
		t.Fatal(err)
	}
	return func() (report archive.RecompressReport) {
		t.Helper()
		for deadline := time.Now().Add(eventually); ; time.Sleep(20 * time.Millisecond) {
			_, body := c.nodes[0].api(t, http.MethodGet, "/jobs/"+id, "")
			var job struct{ State, Note, Error string }
			if err := json.Unmarshal(body, &job); err != nil || time.Now().After(deadline) || job.State == string(jobs.Dead) {
				t.Fatalf("the job: %v, %s", err, body)
			}
			if job.State != string(jobs.Done) {
				continue
			}
			if err := json.Unmarshal([]byte(job.Note), &report); err != nil || !report.Finished {
				t.Fatalf("the job reports %q: %v", job.Note, err)
			}
			return report
		}
	}
}

// platform opens the database that the nodes keep their jobs in.
func (c *cluster) platform(t testing.TB) sqldb.SQL {
	t.Helper()
	if c.flags == nil {
		db, err := sqldb.OpenSQL(filepath.Join(c.nodes[0].data, "platform.sqlite"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
	db, err := sqldb.OpenPostgres(t.Context(), sqldb.PostgresConfig{URL: c.flags[1], MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db.SQL()
}

// natives sends native images by C-STORE and returns them with their samples.
func (c *cluster) natives(t *testing.T, folders ...string) (objects []object, samples map[string][]byte) {
	t.Helper()
	objects = corpus(t, func(path string) bool {
		for _, folder := range folders {
			if strings.HasPrefix(path, folder+"/") {
				return true
			}
		}
		return false
	})
	if len(objects) == 0 {
		t.Fatal("the corpus has no such images")
	}
	samples = map[string][]byte{}
	for i, o := range objects {
		if rsp := c.nodes[i%len(c.nodes)].cstore(t, o); rsp.status != 0 {
			t.Fatalf("%s: %v", o.name, rsp)
		}
		samples[o.SOPInstanceUID] = nativePixels(t, o.file)
	}
	return objects, samples
}

// unbroken is get, again when the answer is broken off: a study whose length was promised is when
// the job, which another node or a later life takes up after a kill, compresses a part of it at
// that moment (docs/decisions/0019-transcoding.md).
func (s *server) unbroken(t *testing.T, path, accept string) (int, http.Header, []byte) {
	t.Helper()
	for deadline := time.Now().Add(eventually); ; {
		request, err := http.NewRequest(http.MethodGet, s.web(path), nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept", accept)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err == nil {
			return response.StatusCode, response.Header, body
		}
		if time.Now().After(deadline) {
			t.Fatal(path, err)
		}
	}
}

// keepsSamples demands of every node all samples, in native form by WADO-RS.
func (c *cluster) keepsSamples(t *testing.T, when string, objects []object, samples map[string][]byte) {
	t.Helper()
	resources := map[string]bool{}
	for _, o := range objects {
		resources["/studies/"+o.StudyInstanceUID] = true
	}
	for n, s := range c.nodes {
		came := map[string]bool{}
		for resource := range resources {
			status, header, body := s.unbroken(t, resource, `multipart/related; type="application/dicom"; transfer-syntax=`+explicitLE)
			if status != http.StatusOK {
				t.Errorf("%s: node %d: status %d: %s", when, n, status, tail(string(body), 300))
				continue
			}
			for _, p := range parts(t, header, body) {
				f, err := dicom.Read(bytes.NewReader(p.body), dicom.Source{}, 0)
				if err != nil {
					t.Errorf("%s: %v", when, err)
					continue
				}
				uid := f.Dataset.UID(tag.SOPInstanceUID)
				came[uid] = true
				if e := f.Dataset.Get(tag.PixelData); f.TransferSyntax.UID != explicitLE || e == nil || !bytes.Equal(e.Value, samples[uid]) {
					t.Errorf("%s: node %d: %s came in %s and with other samples", when, n, uid, f.TransferSyntax.Name)
				}
			}
		}
		if len(came) != len(samples) {
			t.Errorf("%s: node %d has %d instances, want %d", when, n, len(came), len(samples))
		}
	}
}

// stored returns every instance as it is stored.
func (s *server) stored(t *testing.T, objects []object) map[string][]byte {
	t.Helper()
	out, seen := map[string][]byte{}, map[string]bool{}
	for _, o := range objects {
		if seen[o.StudyInstanceUID] {
			continue
		}
		seen[o.StudyInstanceUID] = true
		for uid, file := range s.study(t, o.StudyInstanceUID) {
			out[uid] = file
		}
	}
	return out
}

// sentAgain demands that the objects as they came first are duplicates, and change nothing.
func (c *cluster) sentAgain(t *testing.T, objects []object) {
	t.Helper()
	counts := func(result string) float64 {
		return c.metric(t, `aurelius_archive_store_seconds_count{result="`+result+`"}`)
	}
	before, stored := c.nodes[0].stored(t, objects), counts("stored")
	duplicates := counts("duplicate")
	for i, o := range objects {
		if rsp := c.nodes[i%len(c.nodes)].cstore(t, o); rsp.status != 0 {
			t.Errorf("%s sent again: %v", o.name, rsp)
		}
	}
	if n := counts("duplicate") - duplicates; counts("stored") != stored || n != float64(len(objects)) {
		t.Errorf("%v of %d were duplicates, %v were stored", n, len(objects), counts("stored")-stored)
	}
	for uid, file := range c.nodes[0].stored(t, objects) {
		if !bytes.Equal(file, before[uid]) {
			t.Errorf("%s is not stored as before", uid)
		}
	}
}

// records reads everything that lies where the instances are.
func (c *cluster) records(t testing.TB) (all [][]byte) {
	t.Helper()
	if c.flags == nil {
		root := filepath.Join(c.nodes[0].data, studies)
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil
			}
			if b, err := os.ReadFile(path); err == nil {
				all = append(all, b)
			}
			return nil
		})
		return all
	}
	for _, r := range c.lying(t) {
		if b, err := io.ReadAll(r); err == nil { // it may have been erased meanwhile
			all = append(all, b)
		}
	}
	return all
}

// erased waits until none of the secrets lies where the instances are: bytes are erased behind
// the change that makes them useless.
func (c *cluster) erased(t *testing.T, what string, secrets [][]byte) {
	t.Helper()
	for deadline := time.Now().Add(eventually); ; time.Sleep(50 * time.Millisecond) {
		left := 0
		all := c.records(t)
		for _, secret := range secrets {
			for _, b := range all {
				if bytes.Contains(b, secret) {
					left++
					break
				}
			}
		}
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: the bytes of %d are still there", what, left)
		}
	}
}

// TestRecompress: native images that came by C-STORE become JPEG-LS where they lie. Their samples
// stay and DCMTK reads them, the same images sent again are known, the bytes that they took are
// gone, and a new index made of the objects alone says the same.
func TestRecompress(t *testing.T) {
	t.Parallel()
	args := []string{"--recompress", "jpegls", "--recompress-after", "1ms", "--trash", "1h"}
	eachEngine(t, func(t *testing.T, c *cluster) {
		objects, samples := c.natives(t, "ct-series/liver-3", "ct-series/head-108-original")
		var native [][]byte
		for _, o := range objects {
			native = append(native, pixels(o))
		}
		c.keepsSamples(t, "before", objects, samples) // in the caches of all

		report := c.press(t)()
		if report.Instances != len(objects) || report.After >= report.Before*2/3 {
			t.Errorf("the job says %+v", report)
		}
		t.Logf("%d images: %d bytes became %d", report.Instances, report.Before, report.After)
		c.keepsSamples(t, "after", objects, samples)
		compressed := c.nodes[0].stored(t, objects)
		for uid, file := range compressed {
			f, err := dicom.Read(bytes.NewReader(file), dicom.Source{}, 0)
			if err != nil || f.TransferSyntax.UID != dicom.JPEGLSLossless.UID {
				t.Errorf("%s is stored in %s: %v", uid, f.TransferSyntax, err)
			} else if !bytes.Equal(nativePixels(t, file), samples[uid]) {
				t.Errorf("DCMTK reads other samples out of %s", uid)
			}
		}
		c.erased(t, "after compression", native)
		c.sentAgain(t, objects)
		c.checked(t, "after compression")

		c = c.rebuilt(t)
		for uid, file := range c.nodes[0].stored(t, objects) {
			if !bytes.Equal(file, compressed[uid]) {
				t.Errorf("%s is another one after the rebuild", uid)
			}
		}
		c.keepsSamples(t, "after the rebuild", objects, samples)
		c.sentAgain(t, objects)

		var secrets [][]byte // of the compressed form
		gone := map[string]bool{}
		for uid, file := range compressed {
			secrets = append(secrets, file[len(file)/2:len(file)/2+4<<10])
			for _, o := range objects {
				if o.SOPInstanceUID == uid && !gone[o.StudyInstanceUID] {
					gone[o.StudyInstanceUID] = true
					c.remove(t, c.nodes[0], "/studies/"+o.StudyInstanceUID)
				}
			}
		}
		if left := len(c.nodes[0].search(t, "/instances?limit=10")); left != 0 {
			t.Errorf("%d instances are found in the trash", left)
		}
		for uid := range gone {
			if status, body := c.nodes[0].api(t, http.MethodDelete, "/trash/"+uid, ""); status != http.StatusNoContent {
				t.Errorf("purge: status %d: %s", status, body)
			}
		}
		c.erased(t, "after the purge", secrets)
		c.checked(t, "after the purge")
	}, args...)
}

// TestKillWhileRecompressing kills the node that compresses at a random moment of it, again and
// again, until all is compressed. Nothing is lost, and no byte too many stays.
func TestKillWhileRecompressing(t *testing.T) {
	t.Parallel()
	args := []string{"--recompress", "jpegls", "--recompress-after", "1ms"}
	eachEngine(t, func(t *testing.T, c *cluster) {
		s := c.nodes[0]
		for _, other := range c.nodes[1:] {
			other.stop(t) // so that the one that works is the one that is killed
		}
		c.nodes = c.nodes[:1]
		objects, samples := c.natives(t, "mr-series/epi-150", "mr-series/brain-16")
		var native [][]byte
		for _, o := range objects {
			native = append(native, pixels(o))
		}
		n := rounds(t)
		for round := range n {
			c.press(t)
			// Frames of this life of the node; what was compressed before is not made again.
			enough := float64(1 + rand.IntN(len(objects)/n))
			for deadline := time.Now().Add(eventually); c.metric(t, transcodedFrames) < enough; {
				if time.Now().After(deadline) {
					t.Fatalf("round %d: the job does not come to %v frames", round, enough)
				}
			}
			time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
			frames := c.metric(t, transcodedFrames)
			s.kill(t)
			if round%2 == 0 {
				c.repaired(t, fmt.Sprintf("after kill %d at %v frames", round, frames))
			}
			s.run(t)
			c.keepsSamples(t, fmt.Sprintf("after kill %d at %v frames", round, frames), objects, samples)
		}
		c.press(t)()
		for uid, file := range s.stored(t, objects) {
			if f, err := dicom.Read(bytes.NewReader(file), dicom.Source{}, 0); err != nil || f.TransferSyntax.UID != dicom.JPEGLSLossless.UID {
				t.Errorf("%s is stored in %s: %v", uid, f.TransferSyntax, err)
			}
		}
		c.keepsSamples(t, "at the end", objects, samples)
		c.erased(t, "at the end", native)
		c.sentAgain(t, objects)
		c.repaired(t, "at the end")
		s.run(t)
		c.keepsSamples(t, "after the repair", objects, samples)
	}, args...)
}
