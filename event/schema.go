package event

import "embed"

// Schema holds the messages' .proto files, which import one another: for programs that read the topics with other means.
//
//go:embed *.proto
var Schema embed.FS
