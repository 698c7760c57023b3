// Package page opens the status pages in a real browser. It is a module of its own because it is no
// part of the program, and what drives a browser would be a third of its go.sum. `make page` builds
// the programs, fetches the browser and the rules of accessibility, and runs it.
package page
