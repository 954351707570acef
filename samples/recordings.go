package samples

import "embed"

// Recordings are short dialogues in spoken English and Chinese, made with espeak-ng: what a simulated centre's calls
// sound like.
//
//go:embed recordings
var Recordings embed.FS
