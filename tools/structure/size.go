package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
)

// size is a package's lines of code.
type size struct{ code, tests int }

func (s *size) add(lines int, test bool) {
	if test {
		s.tests += lines
		return
	}
	s.code += lines
}

// codeLines counts the lines with more than a comment on them. A string of
// several lines counts with all of them.
func codeLines(text []byte) (n int, generated bool) {
	fset := token.NewFileSet()
	if f, err := parser.ParseFile(fset, "", text, parser.ParseComments|parser.PackageClauseOnly); err == nil && ast.IsGenerated(f) {
		return 0, true
	}
	file := fset.AddFile("", -1, len(text))
	var s scanner.Scanner
	s.Init(file, text, nil, 0) // without comments
	last := 0
	for {
		at, tok, literal := s.Scan()
		if tok == token.EOF {
			return n, false
		}
		if tok == token.SEMICOLON && literal == "\n" {
			continue // inserted
		}
		first := file.Line(at)
		end := first + bytes.Count([]byte(literal), []byte("\n"))
		n += max(0, end-max(first-1, last))
		last = max(last, end)
	}
}
