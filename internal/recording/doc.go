// Package recording reads recordings of calls from where the centre keeps them, a directory or an S3-compatible bucket:
// nothing outside of it can be named, what a file is is told from its contents (WAV, MP3, Opus in Ogg), parts of it can
// be read, and its waveform is computed once and kept.
package recording
