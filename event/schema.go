package event

import _ "embed"

// Schema is event.proto: for programs that read the topics with other means.
//
//go:embed event.proto
var Schema []byte
