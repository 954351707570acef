// Package nearest finds the known word somebody probably meant.
package nearest
