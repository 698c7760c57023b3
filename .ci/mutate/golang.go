package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strings"
)

// mutateGo returns the mutants of a Go file.
func mutateGo(_, name string, content []byte) ([]mutant, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, content, 0)
	if err != nil {
		return nil, err
	}
	m := &goFile{files: files, name: name, content: content}
	for _, declaration := range file.Decls {
		if function, ok := declaration.(*ast.FuncDecl); ok && function.Body != nil {
			m.function = function.Name.Name
			ast.Inspect(function.Body, m.visit)
		}
	}
	return m.found, nil
}

type goFile struct {
	files    *token.FileSet
	name     string
	function string
	content  []byte
	found    []mutant
}

func (m *goFile) offset(pos token.Pos) int { return m.files.Position(pos).Offset }

func (m *goFile) text(node ast.Node) string {
	return string(m.content[m.offset(node.Pos()):m.offset(node.End())])
}

func (m *goFile) change(what string, begin, end token.Pos, by string) {
	m.found = append(m.found, mutant{
		id:       fmt.Sprintf("%s %s: %s", m.name, m.function, squeezed(what)),
		file:     m.name,
		content:  replaced(m.content, m.offset(begin), m.offset(end), by),
		packages: []string{testsOf(path.Dir(m.name))},
	})
}

// boundaries are the comparisons that differ by one.
var boundaries = map[token.Token]string{
	token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">", token.LAND: "||", token.LOR: "&&",
}

func (m *goFile) visit(node ast.Node) bool {
	switch n := node.(type) {
	case *ast.IfStmt:
		// A forgotten error is found by other means, and negating each check tells nothing new.
		if condition := m.text(n.Cond); condition != "err != nil" && condition != "err == nil" {
			m.change("if !("+condition+")", n.Cond.Pos(), n.Cond.End(), "!("+condition+")")
		}
	case *ast.BinaryExpr:
		if other, ok := boundaries[n.Op]; ok {
			m.change(other+" instead of "+n.Op.String()+" in "+m.text(n), n.OpPos, n.OpPos+token.Pos(len(n.Op.String())), other)
		}
	case *ast.ExprStmt:
		if text := m.text(n); !isLogging(text) && !strings.HasPrefix(text, "panic(") {
			m.change("drop "+text, n.Pos(), n.End(), "")
		}
	case *ast.IncDecStmt:
		m.change("drop "+m.text(n), n.Pos(), n.End(), "")
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			m.change("drop "+m.text(n), n.Pos(), n.End(), "")
		}
	case *ast.BranchStmt:
		m.change("drop "+m.text(n), n.Pos(), n.End(), "")
	case *ast.ReturnStmt:
		for _, result := range n.Results {
			switch text := m.text(result); text {
			case "true":
				m.change("return false", result.Pos(), result.End(), "false")
			case "false":
				m.change("return true", result.Pos(), result.End(), "true")
			}
		}
	}
	return true
}

// isLogging reports whether a call only logs: what the log says is for people.
func isLogging(call string) bool {
	called, _, _ := strings.Cut(call, "(")
	return strings.Contains(strings.ToLower(called), "log.")
}

// testsOf returns the package whose tests should notice a change in a directory.
func testsOf(dir string) string {
	if slices.Contains(guests, dir) {
		return consumer
	}
	return "./" + dir
}
