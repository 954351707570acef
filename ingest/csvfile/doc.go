// Package csvfile reads tables of calls or of any other object of the contract: CSV with or without a mapping, and JSON
// lines.
package csvfile
