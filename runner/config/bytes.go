package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Bytes is a size in bytes, read from a whole number with an optional unit: 1024, 64KiB, 16MiB,
// 16MB, 1GiB.
//
// It is not parsed by a library because those at hand read "1,5GiB" as 15 GiB and print 1500000 as
// "1.4 MiB".
type Bytes int64

// units maps a unit in lower case to its bytes: powers of 1024 with an i, powers of 1000 without
// (IEC 80000-13).
var units = map[string]int64{
	"": 1, "b": 1,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
	"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
}

// UnmarshalText reads a size. It accepts a space before the unit and any case of its letters, but
// no fractions and signs, and no bare K, M or G, which mean 1000 to one reader and 1024 to the
// next.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := string(text)
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	unit, known := units[strings.ToLower(strings.TrimSpace(s[digits:]))]
	if digits == 0 || !known {
		return errors.New("give whole bytes (1024), or add B, KiB, MiB, GiB, TiB, kB, MB, GB or TB (16MiB)")
	}
	if digits > 1 && s[0] == '0' {
		return errors.New("give it without the leading zero: to some programs 010 is eight, to others ten")
	}
	n, err := strconv.ParseInt(s[:digits], 10, 64)
	if err != nil || n > math.MaxInt64/unit {
		return errors.New("it is larger than any number of bytes here")
	}
	*b = Bytes(n * unit)
	return nil
}

// String returns the size in the largest binary unit that divides it, such as 16MiB: UnmarshalText
// reads the same number from it.
func (b Bytes) String() string {
	n := int64(b)
	for _, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if size := units[strings.ToLower(unit)]; n != 0 && n%size == 0 {
			return strconv.FormatInt(n/size, 10) + unit
		}
	}
	return strconv.FormatInt(n, 10)
}
