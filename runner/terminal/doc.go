// Package terminal asks a person at a terminal, and shows there how far a long work is.
package terminal
