package afe

// maxDepth is how deep a value may be. The JSON library takes 10,000 levels; one
// value beyond that would fail the whole answer (P6).
const maxDepth = 9000

// tooDeep stands for a value beyond maxDepth. A string that is no UTF-8 passes as
// raw text, and no object can be used that holds it. It is short, because the
// answer may hold many such values of two characters.
var tooDeep = []byte("\"\xfe\xff\"")

// shallow puts tooDeep in the place of values beyond maxDepth. It is no parser:
// what it leaves of a text that is no JSON is still none.
func shallow(body []byte) (cut []byte) {
	depth, kept, text := 0, 0, false
	for i := 0; i < len(body); i++ {
		switch b := body[i]; {
		case b == '"':
			text = !text
		case text && b == '\\':
			i++
		case text:
		case b == '[' || b == '{':
			if depth++; depth == maxDepth {
				cut, kept = append(append(cut, body[kept:i]...), tooDeep...), i
			}
		case b == ']' || b == '}':
			if depth--; depth == maxDepth-1 {
				kept = i + 1
			}
		}
	}
	return append(cut, body[kept:]...)
}
