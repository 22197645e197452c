package schemas

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	_ "github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// sarifSchema is the schema of OASIS, errata 01. The module keeps it as a constant of its own, and would validate only what its types
// know; so it is read from its source.
func sarifSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	folder, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif").Output()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(strings.TrimSpace(string(folder)), "schema.go")
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var text string
	ast.Inspect(file, func(node ast.Node) bool {
		if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING && len(literal.Value) > len(text) {
			text = literal.Value
		}
		return true
	})
	if text, err = strconv.Unquote(text); err != nil {
		t.Fatal(err)
	}
	return compiled(t, text)
}

func compiled(t *testing.T, text string) *jsonschema.Schema {
	t.Helper()
	schema, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("schema.json", schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func validate(schema *jsonschema.Schema, text []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

func TestSARIFIsValidByTheSchemaOfOASIS(t *testing.T) {
	schema := sarifSchema(t)
	each(t, func(t *testing.T, manifest string) {
		if err := validate(schema, written(t, manifest, "sarif")); err != nil {
			t.Error(err)
		}
	})
}

func TestSARIFThatIsBrokenIsRefused(t *testing.T) {
	schema := sarifSchema(t)
	text := written(t, "testdata/violated.yaml", "sarif")
	for _, row := range [][2]string{
		{`"kind": "fail"`, `"kind": "failed"`},
		{`"level": "none"`, `"level": "nothing"`},
		{`"startLine": `, `"startLine": -`},
		{`"ruleId"`, `"rule"`},
		{`"version": "2.1.0"`, `"version": "2.2.0"`},
		{`"status": "accepted"`, `"status": "Accepted"`},
		{`"endTimeUtc": "`, `"endTimeUtc": "at `},
	} {
		if validate(schema, replaced(t, text, row[0], row[1])) == nil {
			t.Errorf("%s in place of %s is valid", row[1], row[0])
		}
	}
}
