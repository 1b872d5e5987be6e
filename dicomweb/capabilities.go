package dicomweb

import (
	"encoding/json"
	"strings"

	"github.com/gin-gonic/gin"
)

// route is one resource: what is mounted is what is advertised.
type route struct {
	method, path string
	name         string   // of the transaction
	media        []string // that it answers with
	handle       gin.HandlerFunc
}

// capabilities describes the routes (PS3.18 8.9, as JSON; the WADL form is not offered).
func capabilities(routes []route) []byte {
	type resource struct {
		Transaction string   `json:"transaction"`
		Method      string   `json:"method"`
		Path        string   `json:"path"`
		MediaTypes  []string `json:"media_types,omitempty"`
	}
	out := make([]resource, 0, len(routes))
	for _, r := range routes {
		var path []string
		for segment := range strings.SplitSeq(r.path, "/") {
			if segment != "" && (segment[0] == ':' || segment[0] == '*') {
				segment = "{" + segment[1:] + "}"
			}
			path = append(path, segment)
		}
		out = append(out, resource{r.name, r.method, Root + strings.Join(path, "/"), r.media})
	}
	body, _ := json.Marshal(map[string]any{"resources": out}) // strings always marshal
	return body
}

func (s *Service) capabilities(c *gin.Context) {
	s.cut(c, sendBytes(c, "application/json", s.capability))
}
