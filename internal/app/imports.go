package app

import (
	"context"
	"fmt"

	"github.com/ringfence/ringfence/ingest/httpapi"
	"github.com/ringfence/ringfence/ingest/importer"
)

// importLetters puts rows an import could not read into the dead letter, with numbers masked.
type importLetters struct{ api *httpapi.API }

// Put implements importer.DeadLetter.
func (l importLetters) Put(ctx context.Context, rows []importer.Broken) error {
	letters := make([]httpapi.Letter, 0, len(rows))
	for _, r := range rows {
		letters = append(letters, httpapi.Letter{Source: "import:" + r.Source, Reason: fmt.Sprintf("%s line %d: %s", r.Path, r.Line, r.Detail), Raw: []byte(r.Raw)})
	}
	return l.api.Letters(ctx, letters)
}
