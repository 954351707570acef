// Package qadesk is the way to the QA queue: a Desk keeps every task that is not closed in memory, fed from the compacted
// topic ringfence.qa-queue, offers raters what they may hear in the order it is to be heard, and carries commands to the
// processor (processors/qa) and its answers back. What an answer says is in the view at once; what others do arrives
// within the broker's delay. A claim is decided by the processor alone: a desk that is behind is refused and tries the
// next task, so that any number of desks in any number of processes hand out a task once.
//
// States that a Desk returns are shared and must not be changed.
package qadesk
