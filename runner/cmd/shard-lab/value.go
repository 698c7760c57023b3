package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// list is a flag whose values are separated by commas, or each given with a flag of its own.
type list []string

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *list) UnmarshalText(text []byte) error {
	*l = append(*l, strings.Split(string(text), ",")...)
	return nil
}

// sizes is a list of numbers.
type sizes []int

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *sizes) UnmarshalText(text []byte) error {
	for part := range strings.SplitSeq(string(text), ",") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return fmt.Errorf("%q is not a whole number: give some such as 1000,10000", part)
		}
		*s = append(*s, n)
	}
	return nil
}

// ids are arguments.
type ids []int64

// Take implements command.Words.
func (i *ids) Take(word string) error {
	id, err := strconv.ParseInt(word, 10, 64)
	if err != nil {
		return fmt.Errorf("%q is not an id: give a whole number", word)
	}
	*i = append(*i, id)
	return nil
}

// keyvals is a flag that is given once for each of them. A value may hold anything.
type keyvals map[string]string

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *keyvals) UnmarshalText(text []byte) error {
	key, value, ok := strings.Cut(string(text), "=")
	if !ok {
		return fmt.Errorf("give KEY=VALUE")
	}
	if *k == nil {
		*k = keyvals{}
	}
	(*k)[key] = value
	return nil
}

// fileContent is a flag with the name of a file, which is read.
type fileContent []byte

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *fileContent) UnmarshalText(path []byte) (err error) {
	*c, err = os.ReadFile(string(path))
	return err
}
