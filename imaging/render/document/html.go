package document

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"

	"github.com/aurelius-imaging/aurelius/dicom/iod/sr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

//go:embed page.css
var style string

//go:embed page.tmpl
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"style":  func() template.CSS { return template.CSS(style) },
	"indent": func(n int) int { return min(n, 6) },
}).Parse(pageText))

// Policy returns the Content-Security-Policy under which a page works: its one style sheet and
// nothing else.
func Policy() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
}

// HTML writes a document as a page.
func HTML(w io.Writer, d *sr.Document, o Options) error {
	return errs.E(errs.Internal, "document.HTML", pageTemplate.Execute(w, layout(d, o)))
}
