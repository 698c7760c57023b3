package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// mutateQueries returns the mutants of a file that sqlc has generated.
func mutateQueries(root, path string, content []byte) ([]mutant, error) {
	_, source, found := strings.Cut(string(content), "// source: ")
	if !found {
		return nil, nil // has no queries
	}
	source, _, _ = strings.Cut(source, "\n")
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, content, 0)
	if err != nil {
		return nil, err
	}
	var mutants []mutant
	ast.Inspect(file, func(node ast.Node) bool {
		literal, ok := node.(*ast.BasicLit)
		if !ok || err != nil || literal.Kind != token.STRING || !strings.HasPrefix(literal.Value, "`-- name: ") {
			return true
		}
		var sql string
		if sql, err = strconv.Unquote(literal.Value); err != nil {
			return false
		}
		name := strings.Fields(sql)[2]
		var packages []string
		if packages, err = callers(root, name); err != nil {
			return false
		}
		begin := files.Position(literal.Pos()).Offset + 1 // after the quote
		for _, c := range changes(sql) {
			mutants = append(mutants, mutant{
				id:       fmt.Sprintf("%s/%s %s: %s", queries, source, name, c.what),
				file:     path,
				content:  replaced(content, begin+c.begin, begin+c.end, c.by),
				packages: packages,
			})
		}
		return true
	})
	return mutants, err
}

// change is one change of a statement.
type change struct {
	what       string
	begin, end int
	by         string
}

// word is a token of SQL with the number of parentheses around it.
type word struct {
	text       string
	begin, end int
	depth      int
}

// words splits a statement. Comments and blanks are left out; a string is one word.
func words(sql string) []word {
	var found []word
	depth := 0
	for i := 0; i < len(sql); {
		begin := i
		switch c := sql[i]; {
		case strings.HasPrefix(sql[i:], "--"):
			for i < len(sql) && sql[i] != '\n' {
				i++
			}
			continue
		case c == ' ' || c == '\n' || c == '\t':
			i++
			continue
		case c == '\'':
			for i++; i < len(sql) && sql[i] != '\''; i++ {
			}
			i++
		case isLetter(c):
			for i < len(sql) && isLetter(sql[i]) {
				i++
			}
		default:
			i++
		}
		text := sql[begin:i]
		if text == ")" {
			depth--
		}
		found = append(found, word{text, begin, i, depth})
		if text == "(" {
			depth++
		}
	}
	return found
}

func isLetter(c byte) bool {
	return c == '_' || c == '$' || c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// ends are the words that end a condition, an order or a limit on their own level.
var ends = []string{
	"WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FOR", "RETURNING", "UNION", "WINDOW", "ON", "SET", "JOIN", "LEFT",
	"CROSS", "INNER", ";",
}

// statement holds what all changes of a statement look at.
type statement struct {
	sql   string
	words []word
	found []change
}

// changes returns the changes of a statement.
func changes(sql string) []change {
	s := &statement{sql: sql, words: words(sql)}
	for i, w := range s.words {
		switch w.text {
		case "WHERE", "HAVING":
			s.drop(i+1, s.end(i+1, w.depth), true)
		case "ON":
			if s.at(i+1) != "CONFLICT" && s.at(i-1) != "DISTINCT" {
				s.drop(i+1, s.end(i+1, w.depth), false)
			}
		case "ORDER":
			s.change("drop "+s.text(i, s.end(i+2, w.depth)), i, s.end(i+2, w.depth), "")
		case "LIMIT":
			end := s.end(i+1, w.depth)
			s.change("drop "+s.text(i, end), i, end, "LIMIT greatest(("+s.text(i+1, end)+"), 1000000000)")
		case "SET":
			s.keep(i)
		case "WHEN":
			if then := s.next(i, "THEN"); len(s.split(i+1, then, "AND"))+len(s.split(i+1, then, "OR")) > 2 {
				s.drop(i+1, then, true)
			}
		case "FOR":
			s.dropLock(i)
		case "DISTINCT":
			s.dropDistinct(i)
		case "EXISTS":
			if s.at(i-1) == "NOT" {
				s.change("EXISTS instead of NOT "+s.text(i, s.close(i+1)), i-1, i, "")
			}
		}
	}
	return s.found
}

// keep lets each column that an UPDATE sets keep its value.
func (s *statement) keep(i int) {
	depth, table := s.words[i].depth, ""
	for back := i; back >= 0 && s.words[back].depth >= depth && table == ""; back-- {
		if s.words[back].depth == depth && (s.at(back) == "UPDATE" || s.at(back) == "INTO") && s.at(back+1) != "SET" {
			table = s.at(back + 1)
			if s.at(back+2) == "AS" {
				table = s.at(back + 3)
			}
		}
	}
	// FROM ends the assignments of an UPDATE; the one of IS DISTINCT FROM cannot stand on their
	// level.
	end := s.end(i+1, depth)
	if from := s.next(i, "FROM"); from < end {
		end = from
	}
	for _, term := range s.split(i+1, end, ",") {
		column, begin := s.at(term[0]), term[0]+2
		if s.at(term[0]+1) != "=" || table == "" || begin >= term[1] {
			continue
		}
		by := "CASE WHEN true THEN " + table + "." + column + " ELSE " +
			s.sql[s.words[begin].begin:s.words[term[1]-1].end] + " END"
		s.change("keep "+column+" instead of "+s.text(begin, term[1]), begin, term[1], by)
	}
}

// next returns the next word with this text on the level of word i, or the end of the statement.
func (s *statement) next(i int, text string) int {
	depth := s.words[i].depth
	for i++; i < len(s.words) && !(s.words[i].text == text && s.words[i].depth == depth); i++ {
	}
	return i
}

// at returns a word, or nothing outside the statement.
func (s *statement) at(i int) string {
	if i < 0 || i >= len(s.words) {
		return ""
	}
	return s.words[i].text
}

// end returns the first word from i on that ends what stands on a level.
func (s *statement) end(i, depth int) int {
	for ; i < len(s.words); i++ {
		w := s.words[i]
		if w.depth < depth || w.text == ")" && w.depth == depth-1 {
			return i
		}
		distinctFrom := w.text == "FROM" && s.at(i-1) == "DISTINCT"
		if w.depth == depth && !distinctFrom && slices.Contains(ends, w.text) {
			return i
		}
	}
	return i
}

// close returns the word after the parenthesis that opens at i.
func (s *statement) close(i int) int {
	depth := s.words[i].depth
	for i++; i < len(s.words) && !(s.words[i].text == ")" && s.words[i].depth == depth); i++ {
	}
	return i + 1
}

// text returns the words from begin up to end, in one line.
func (s *statement) text(begin, end int) string {
	if begin >= end {
		return ""
	}
	return squeezed(s.sql[s.words[begin].begin:s.words[end-1].end])
}

func (s *statement) change(what string, begin, end int, by string) {
	if begin < end {
		s.found = append(s.found, change{what, s.words[begin].begin, s.words[end-1].end, by})
	}
}

// drop makes each term of a condition count for nothing. It stays in the statement, because its
// parameters would have no type without it. The first term of a join, which says what belongs
// together, is kept.
func (s *statement) drop(begin, end int, first bool) {
	connective := "AND"
	if s.contains(begin, end, "OR") {
		connective = "OR"
	}
	terms := s.split(begin, end, connective)
	for i, term := range terms {
		if i > 0 || first {
			text := s.sql[s.words[term[0]].begin:s.words[term[1]-1].end]
			by := "((" + text + ") OR true)"
			if connective == "OR" {
				by = "((" + text + ") AND false)"
			}
			s.change("drop "+s.text(term[0], term[1]), term[0], term[1], by)
		}
		inner, outer := term[0], term[1]
		if s.at(inner) == "(" && s.close(inner) == outer && s.at(inner+1) != "SELECT" {
			if len(s.split(inner+1, outer-1, "AND"))+len(s.split(inner+1, outer-1, "OR")) > 2 {
				s.drop(inner+1, outer-1, true)
			}
		}
	}
}

func (s *statement) contains(begin, end int, text string) bool {
	return begin < end && slices.ContainsFunc(s.words[begin:end], func(w word) bool {
		return w.text == text && w.depth == s.words[begin].depth
	})
}

// split returns the terms between begin and end, as pairs of words.
func (s *statement) split(begin, end int, connective string) [][2]int {
	var terms [][2]int
	if begin >= end {
		return terms
	}
	depth, from, between := s.words[begin].depth, begin, false
	for i := begin; i < end; i++ {
		if s.words[i].depth != depth {
			continue
		}
		switch s.words[i].text {
		case "BETWEEN":
			between = true
		case connective:
			if between && connective == "AND" {
				between = false
				continue
			}
			terms = append(terms, [2]int{from, i})
			from = i + 1
		}
	}
	return append(terms, [2]int{from, end})
}

// dropLock drops the lock of rows, and also the SKIP LOCKED alone.
func (s *statement) dropLock(i int) {
	if !slices.Contains([]string{"UPDATE", "NO", "SHARE", "KEY"}, s.at(i+1)) {
		return
	}
	end := s.end(i+1, s.words[i].depth)
	s.change("drop "+s.text(i, end), i, end, "")
	if s.at(end-2) == "SKIP" {
		s.change("drop SKIP LOCKED", end-2, end, "")
	}
}

// dropDistinct makes a comparison blind for NULL.
func (s *statement) dropDistinct(i int) {
	switch {
	case s.at(i+1) != "FROM":
	case s.at(i-1) == "IS":
		s.change("<> instead of IS DISTINCT FROM", i-1, i+2, "<>")
	case s.at(i-2) == "IS" && s.at(i-1) == "NOT":
		s.change("= instead of IS NOT DISTINCT FROM", i-2, i+2, "=")
	}
}
