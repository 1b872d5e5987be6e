// Command gen writes the tables of PS3.6 as Go: dicom/tag/tag_gen.go (data dictionary) and
// dicom/uid/uid_gen.go (storage SOP Classes). Its input is shared/standard (extracted from the
// published standard) and the small hand-kept table in extra.go for what that lacks.
//
//	go run ./internal/gen -standard ../shared/standard
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aurelius-imaging/aurelius/internal/gen/table"
)

func main() {
	standard := flag.String("standard", "../shared/standard", "folder with attributes.json and sops.json")
	root := flag.String("root", ".", "root of the repository")
	flag.Parse()
	if err := run(*standard, *root); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(standard, root string) error {
	var attributes []table.Attribute
	if err := read(filepath.Join(standard, "attributes.json"), &attributes); err != nil {
		return err
	}
	var classes []table.SOPClass
	if err := read(filepath.Join(standard, "sops.json"), &classes); err != nil {
		return err
	}
	tags, err := table.Tags(attributes)
	if err != nil {
		return err
	}
	uids, err := table.UIDs(classes)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, "dicom/tag/tag_gen.go"), tags, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, "dicom/uid/uid_gen.go"), uids, 0o644)
}

func read(path string, into any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
