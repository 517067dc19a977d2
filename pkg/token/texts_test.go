package token

import (
	"compress/gzip"
	"encoding/json"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// benchTexts returns texts of some megabytes to measure with: Go's own source as
// code, its comments as English prose, its declarations as JSON, and the first
// chapters of the Dream of the Red Chamber (Cao Xueqin, 1791) as Chinese.
func benchTexts(t testing.TB) map[string]string {
	texts, err := makeTexts()
	if err != nil {
		t.Skip("no texts: ", err)
	}
	return texts
}

var makeTexts = sync.OnceValues(func() (map[string]string, error) {
	chinese, err := readGzip("testdata/chinese.txt.gz")
	if err != nil {
		return nil, err
	}
	var english, code, records strings.Builder
	out := json.NewEncoder(&records)
	src := filepath.Join(build.Default.GOROOT, "src")
	for _, dir := range []string{"archive", "bufio", "bytes", "compress", "context", "crypto", "database", "encoding", "errors", "fmt", "go", "html", "io", "log", "math", "mime", "net", "os"} {
		err = filepath.WalkDir(filepath.Join(src, dir), func(name string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(name, ".go") || strings.Contains(name, "testdata") {
				return err
			}
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			code.Write(data)
			file, err := parser.ParseFile(token.NewFileSet(), "", data, parser.ParseComments)
			if err != nil {
				return err
			}
			for _, c := range file.Comments {
				if text := c.Text(); len(text) > 200 && !strings.HasPrefix(text, "Copyright") {
					english.WriteString(text + "\n")
				}
			}
			for _, decl := range file.Decls {
				if f, ok := decl.(*ast.FuncDecl); ok {
					err = out.Encode(map[string]any{
						"package": file.Name.Name, "file": strings.TrimPrefix(name, src), "name": f.Name.Name,
						"exported": f.Name.IsExported(), "offset": f.Pos(), "end": f.End(), "doc": f.Doc.Text(),
						"parameters": f.Type.Params.NumFields(), "results": f.Type.Results.NumFields(), "tags": []string{dir, "function"},
					})
				}
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return map[string]string{
		"english": cutText(english.String()),
		"chinese": chinese,
		"code":    cutText(code.String()),
		"json":    cutText(records.String()),
	}, nil
})

func cutText(text string) string { return text[:min(len(text), 3<<20)] }

func readGzip(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(z)
	return string(data), err
}
