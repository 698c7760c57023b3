package flags

// Nearest returns the candidate that a mistyped name was most probably meant to be, the first of
// several; "": none comes near enough. A name may differ in a third of its letters, and in one at
// least. Letters that changed places count once.
func Nearest(name string, candidates []string) (nearest string) {
	least := max(1, len([]rune(name))/3) + 1
	for _, candidate := range candidates {
		if d := distance([]rune(name), []rune(candidate)); d < least {
			nearest, least = candidate, d
		}
	}
	return nearest
}

// distance is that of Damerau and Levenshtein in its restricted form: how many letters were put in,
// left out, mistaken, or exchanged with their neighbour. The libraries for it are as long, and most
// of them count an exchange as two.
func distance(a, b []rune) int {
	var before []int // the row above the last one
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range a {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range b {
			mistaken := 1
			if a[i] == b[j] {
				mistaken = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+mistaken)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
