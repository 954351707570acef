// Package carrier is the narrow interface between the dialer and whatever places telephone calls: the simulated
// centre, or a PBX. An adapter reports what happened on the line; everything else is the dialer's.
package carrier
