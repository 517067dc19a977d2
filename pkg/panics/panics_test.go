package panics

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// The keeper has no secret, and its crashes are read by the next one.
var exempt = []string{"pkg/keeper/", "cmd/gpt-cache/", "pkg/panics/"}

// No goroutine is begun past this package: a go statement, a Go method of
// something else whose function is none of Func, or an AfterFunc of one.
func TestEveryGoroutineIsGuarded(t *testing.T) {
	root := filepath.Join("..", "..")
	seen := 0
	for _, folder := range []string{"pkg", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			name := strings.TrimPrefix(filepath.ToSlash(path), "../../")
			if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return nil
			}
			for _, prefix := range exempt {
				if strings.HasPrefix(name, prefix) {
					return nil
				}
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					t.Errorf("%s: a go statement", files.Position(n.Pos()))
				case *ast.CallExpr:
					if isSelector(n.Fun, "panics", "Go") {
						seen++
					} else if isSelector(n.Fun, "", "Go") && !(len(n.Args) == 1 && isCallOf(n.Args[0], "panics", "Func")) {
						t.Errorf("%s: Go without panics.Func", files.Position(n.Pos()))
					} else if isSelector(n.Fun, "", "AfterFunc") && !isCallOf(n.Args[len(n.Args)-1], "panics", "Func") {
						t.Errorf("%s: AfterFunc without panics.Func", files.Position(n.Pos()))
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen == 0 {
		t.Error("no goroutine was found")
	}
}

// isSelector reports whether e is x.name, whatever x is if it is not given.
func isSelector(e ast.Expr, x, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != name {
		return false
	}
	of, ok := s.X.(*ast.Ident)
	return x == "" || ok && of.Name == x
}

func isCallOf(e ast.Expr, x, name string) bool {
	call, ok := e.(*ast.CallExpr)
	return ok && isSelector(call.Fun, x, name)
}
