package scheduler

// VariantOf and Fails tell tests what a seed has drawn.
func VariantOf(seed uint64, jobID int64) string {
	return string((&Scheduler{o: Options{Seed: seed}}).variantOf(jobID))
}

// Variants are all that can be drawn.
func Variants() []string {
	var names []string
	for _, v := range variants {
		names = append(names, string(v))
	}
	return names
}

// Fails reports whether an entry fails, and whether it does so before it runs.
func Fails(seed uint64, failShare float64, entryID int64) (fails, early bool) {
	s := &Scheduler{o: Options{Seed: seed, FailShare: failShare}}
	return s.fails(entryID), s.failsEarly(entryID)
}

// Remembered counts what a scheduler keeps in memory.
func Remembered(s *Scheduler) int { return len(s.cache) + len(s.open) + len(s.leases) }
