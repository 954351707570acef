// Package importer delivers files to a running system: it reads rows, sends what they tell in batches through the HTTP
// API, and remembers how far it came.
//
// What it sends carries event ids made of its contents, so that sending it twice counts once. A file is known by what it
// begins with, wherever it lies: the same file a second time is skipped, and of one that grew the new rows are taken. A
// batch that the system is too busy for waits; a broken row costs that row alone and goes to the dead letter.
package importer
