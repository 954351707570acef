// Package rows is what the readers of files have in common: the item a reader yields, the lines of a damaged file
// and their positions, and the mapping a user writes for columns ringfence does not know.
//
// A broken row costs that row alone. Positions are byte offsets, so that an import can go on where it stopped.
package rows
