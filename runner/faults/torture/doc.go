// Package torture breaks everything at once, by chance, and looks whether the promises hold.
//
// TestModel plays one step after the other, in one process, and looks after each step; TestTorture lets real programs run
// and be killed, and looks in the end. Both say the seed that plays the same again. It owns nothing else: the lab is
// runner/faults, and what happened on purpose is tested beside the rule that it concerns.
package torture
