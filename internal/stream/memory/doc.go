// Package memory runs a stream.Definition with no broker and no disk: feed records, move the clock, read
// outputs and states. States go through the codec at every Put and Get, as they do in the runtime at the worst,
// so a forgotten Put or a field the codec loses shows up here.
package memory
