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

// Resource is one line of what the door offers: the capabilities and the conformance statement
// are made from it.
type Resource struct {
	Transaction string   `json:"transaction"`
	Method      string   `json:"method"`
	Path        string   `json:"path"`
	MediaTypes  []string `json:"media_types,omitempty"`
	// TransferSyntaxes that pixels are brought to, beside the one they are stored in.
	TransferSyntaxes []string `json:"transfer_syntaxes,omitempty"`
}

// pixels names the transactions that answer in the transfer syntax asked for.
var pixels = map[string]bool{"RetrieveStudy": true, "RetrieveSeries": true, "RetrieveInstance": true, "RetrieveFrames": true}

// Resources lists what is mounted, with templates for what varies in a path.
func (s *Service) Resources() []Resource {
	var out []Resource
	var made []string
	for _, ts := range s.arch.Encodes() {
		made = append(made, ts.UID)
	}
	for _, r := range s.routes() {
		var path []string
		for segment := range strings.SplitSeq(r.path, "/") {
			if segment != "" && (segment[0] == ':' || segment[0] == '*') {
				segment = "{" + segment[1:] + "}"
			}
			path = append(path, segment)
		}
		offered := Resource{Transaction: r.name, Method: r.method, Path: Root + strings.Join(path, "/"), MediaTypes: r.media}
		if pixels[r.name] {
			offered.TransferSyntaxes = made
		}
		out = append(out, offered)
	}
	return out
}

// capabilities describes the resources (PS3.18 8.9, as JSON; the WADL form is not offered).
func capabilities(resources []Resource) []byte {
	body, _ := json.Marshal(map[string]any{"resources": resources}) // strings always marshal
	return body
}

func (s *Service) capabilities(c *gin.Context) {
	s.cut(c, sendBytes(c, "application/json", s.capability))
}
