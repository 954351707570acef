package app

import (
	"testing"

	"github.com/ringfence/ringfence/ingest/importer"
)

func TestABrokenRowNamesItsImportOnce(t *testing.T) {
	for _, source := range []string{"import:jsonl", "jsonl"} {
		l := letterOf(importer.Broken{Source: source, Path: "f.jsonl", Line: 7, Detail: "not a JSON object", Raw: "{"})
		if l.Source != "import:jsonl" || l.Reason != "f.jsonl line 7: not a JSON object" || string(l.Raw) != "{" {
			t.Errorf("%+v", l)
		}
	}
}
