package app

import (
	"context"
	"fmt"
	"strings"

	"github.com/ringfence/ringfence/ingest/httpapi"
	"github.com/ringfence/ringfence/ingest/importer"
)

// importLetters puts rows an import could not read into the dead letter, with numbers masked.
type importLetters struct{ api *httpapi.API }

// Put implements importer.DeadLetter.
func (l importLetters) Put(ctx context.Context, rows []importer.Broken) error {
	letters := make([]httpapi.Letter, 0, len(rows))
	for _, r := range rows {
		letters = append(letters, letterOf(r))
	}
	return l.api.Letters(ctx, letters)
}

// letterOf is a broken row as the dead letter keeps it. Its source is that of an import, whatever the sender called it.
func letterOf(r importer.Broken) httpapi.Letter {
	return httpapi.Letter{Source: "import:" + strings.TrimPrefix(r.Source, "import:"), Reason: fmt.Sprintf("%s line %d: %s", r.Path, r.Line, r.Detail), Raw: []byte(r.Raw)}
}
