// Package layers holds the table of import layers (docs/ARCHITECTURE.md) as data, and its test
// holds the code to it: imports point down, or stay in the family; heavy dependencies live
// behind one fence. It checks packages, not design: that two packages of one layer talk to each
// other through a third is for the reader to see.
package layers

import "strings"

// rank of each top-level folder or package prefix; the longest prefix counts.
var rank = map[string]int{
	"internal": 0,
	"dicom":    1,
	"imaging":  2, "storage": 2, "dimse": 2, "dicomweb/client": 2, "inference/kserve": 2,
	"platform":  3,
	"archive":   4,
	"inference": 5,
	"dimse/scp": 6, "dicomweb": 6, "fhir": 6, "gateway": 6, "web": 6,
	"cmd": 7, "e2e": 7, "bench": 7,
}

// engines are named by cmd alone (and by test helpers of their own layer).
var engines = []string{"storage/blob/fs", "storage/blob/s3", "storage/index/sqlite",
	"storage/index/postgres", "platform/events/kafka", "platform/cache/redis", "platform/search/opensearch"}

// fences: who may import a heavy dependency.
var fences = map[string][]string{
	"modernc.org/sqlite":           {"storage/sqldb", "storage/index/sqlite"},
	"database/sql":                 {"storage/sqldb", "storage/index", "platform"},
	"github.com/jackc/pgx":         {"storage/sqldb", "storage/index/postgres"},
	"github.com/minio/minio-go":    {"storage/blob/s3"},
	"github.com/johannesboyne":     {"storage/blob/s3"},
	"google.golang.org/grpc":       {"inference/kserve"},
	"github.com/twmb/franz-go":     {"platform/events/kafka"},
	"github.com/redis/go-redis":    {"platform/cache/redis"},
	"github.com/coreos/go-oidc":    {"platform/auth"},
	"go.opentelemetry.io/otel":     {"internal/obs"},
	"github.com/gin-gonic/gin":     {"internal/httpd", "dicomweb", "fhir", "gateway", "web", "cmd", "e2e"},
	"github.com/alecthomas/kong":   {"cmd"},
	"github.com/knadh/koanf":       {"cmd"},
	"github.com/suyashkumar/dicom": {}, // tests only
	"github.com/grailbio/go-dicom": {}, // tests only
}

// Layer returns the layer of a package path relative to the module, and the prefix that gave it.
func Layer(pkg string) (layer int, family string, ok bool) {
	for p := pkg; p != "" && p != "."; {
		if r, found := rank[p]; found {
			return r, p, true
		}
		i := strings.LastIndexByte(p, '/')
		if i < 0 {
			break
		}
		p = p[:i]
	}
	return 0, "", false
}

// Violation returns why from may not import to, or "". Both are relative to the module.
// testSupport packages (names ending in "test") may name the engines of their layer.
func Violation(from, to string) string {
	fl, ff, ok := Layer(from)
	if !ok {
		return from + " is in no layer"
	}
	tl, tf, ok := Layer(to)
	if !ok {
		return to + " is in no layer"
	}
	if isEngine(to) && fl != 7 && !strings.HasSuffix(from, "test") && !within(from, to) {
		return "only cmd names engines"
	}
	if fl == 6 && within(to, "storage") && to != "storage" && to != "storage/index" && to != "storage/blob" {
		return "doors ask archive, not storage"
	}
	if tl < fl || tl == fl && ff == tf {
		return ""
	}
	return "imports point down"
}

func isEngine(pkg string) bool {
	for _, e := range engines {
		if within(pkg, e) {
			return true
		}
	}
	return false
}

// Fenced returns why from may not import the outside package, or "".
func Fenced(from, dependency string) string {
	for prefix, allowed := range fences {
		if dependency != prefix && !strings.HasPrefix(dependency, prefix+"/") {
			continue
		}
		for _, a := range allowed {
			if within(from, a) {
				return ""
			}
		}
		return dependency + " lives behind its fence only"
	}
	return ""
}

func within(pkg, folder string) bool {
	return pkg == folder || strings.HasPrefix(pkg, folder+"/")
}
