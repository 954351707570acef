package kpi_test

import (
	"os"
	"testing"

	"github.com/ringfence/ringfence/processors/kpi"
)

func TestDocsAreCurrent(t *testing.T) {
	b, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != kpi.Markdown() {
		t.Error("docs/metrics.md is not what the catalogue says: run make generate")
	}
}
