// Package torture breaks everything at once, at random, and checks whether the promises hold.
//
// TestModel plays one step after the other, in one process, and checks after each. TestTorture lets
// real programs run and kills them, and checks in the end. Both print the seed that plays the same
// again. The package owns nothing else: the lab is runner/faults, and a fault that happens on
// purpose is tested beside the rule that it concerns.
package torture
