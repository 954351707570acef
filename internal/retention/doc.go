// Package retention decides how long a recording must be kept (RET-02 to RET-05): on line for some months, off line for a
// year from the call at least; that of a sale for as long as what was sold is in use and 12 months after; none while a
// complaint of its customer is open.
package retention
