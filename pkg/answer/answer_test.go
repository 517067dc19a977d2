package answer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"gptpipe/pkg/llm"
)

// check has one answer checked.
func check(text string, schema *Schema) (string, error) {
	next := llm.Func(func(context.Context, *llm.Request) (*llm.Response, error) {
		return &llm.Response{Text: text, FinishReason: "stop"}, nil
	})
	resp, err := Check(next, true, schema).Complete(context.Background(), &llm.Request{})
	if resp == nil {
		return "", err
	}
	return resp.Text, err
}

func parse(t *testing.T, schema string) *Schema {
	t.Helper()
	s, err := ParseSchema("schema.json", []byte(schema))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// failure asserts that err is of a type and may be tried again at once.
func failure(t *testing.T, err error, typ llm.Type) *llm.Error {
	t.Helper()
	var e *llm.Error
	if !errors.As(err, &e) || e.Type != typ || !e.Retry || !e.HasWait || e.Wait != 0 {
		t.Fatalf("error %v, want %s", err, typ)
	}
	if strings.ContainsAny(e.Message, "\n\r") || len(e.Message) > 2000 {
		t.Errorf("the message does not fit a line: %d bytes, %.3000q", len(e.Message), e.Message)
	}
	return e
}

func TestJSONAnswers(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"as it is", `{"a":1}`, `{"a":1}`},
		{"one line is made of many", "{\n  \"a\": [1,\n 2]\r\n}\n", `{"a":[1,2]}`},
		{"white space in strings stays", `{"a b":" x\n "}`, `{"a b":" x\n "}`},
		{"numbers keep their digits", `[1.0, 12345678901234567890, 1E+2, -0, 0.10, 1e400]`, `[1.0,12345678901234567890,1E+2,-0,0.10,1e400]`},
		{"order and doubles stay", `{"b":1,"a":2,"b":3}`, `{"b":1,"a":2,"b":3}`},
		{"escapes stay", `"\u00fc\/\ud83d\ude00\ud800<&>"`, `"\u00fc\/\ud83d\ude00\ud800<&>"`},
		{"line separators stay", "\"a\u2028b\"", "\"a\u2028b\""},
		{"any value is JSON", " null\n", `null`},
		{"a text", `"yes"`, `"yes"`},
		{"a number", `7`, `7`},
		{"a fence", "```\n{\"a\":1}\n```", `{"a":1}`},
		{"a fence that says json", "```json\n{\"a\":1}\n```", `{"a":1}`},
		{"a fence that says JSON", "```JSON\n{\"a\":1}\n```", `{"a":1}`},
		{"a fence with CRLF", "```json\r\n{\"a\":1}\r\n```\r\n", `{"a":1}`},
		{"a fence on one line", "```json {\"a\":1} ```", `{"a":1}`},
		{"a fence around a word", "```\ntrue\n```", `true`},
		{"space around a fence", "\n\n ```json\n[1]\n``` \n", `[1]`},
		{"a fence inside", "{\"a\":\"```json\\n1\\n```\"}", "{\"a\":\"```json\\n1\\n```\"}"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, err := check(test.text, nil); err != nil || got != test.want {
				t.Errorf("%s, error %v, want %s", got, err, test.want)
			}
		})
	}
}

func TestAnswersThatAreNotJSON(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":                  "",
		"white space":              " \n",
		"prose":                    "Sure! Here it is.",
		"prose in front":           "Here it is:\n```json\n{}\n```",
		"two values":               `{"a":1} {"a":2}`,
		"a value and prose":        `{"a":1} I hope this helps.`,
		"cut":                      `{"a":`,
		"a fence that is not shut": "```json\n{\"a\":1}",
		"an empty fence":           "```json\n```",
		"half a fence":             "```",
		"a trailing comma":         `[1,]`,
		"single quotes":            `{'a':1}`,
		"not a number":             `NaN`,
		"a control character":      "\"a\nb\"",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := check(text, nil)
			if e := failure(t, err, llm.BadResponse); got != "" || !strings.Contains(e.Message, "not JSON") {
				t.Errorf("%q, error %v", got, err)
			}
		})
	}
}

// Without --json an answer is nobody's JSON: it passes untouched.
func TestTextPassesUntouched(t *testing.T) {
	const text = "```json\n{ }\n```  "
	next := llm.Func(func(context.Context, *llm.Request) (*llm.Response, error) { return &llm.Response{Text: text}, nil })
	if resp, err := Check(next, false, nil).Complete(t.Context(), &llm.Request{}); err != nil || resp.Text != text {
		t.Errorf("%+v, error %v", resp, err)
	}
}

// Half an answer is no JSON, and that is not what is wrong with it.
func TestAnswerThatIsAFailureKeepsItsReason(t *testing.T) {
	for _, resp := range []llm.Response{
		{Text: `{"a":`, FinishReason: "length"},
		{FinishReason: "content_filter"},
		{FinishReason: "stop", Refusal: "I will not."},
	} {
		next := llm.Func(func(context.Context, *llm.Request) (*llm.Response, error) { r := resp; return &r, nil })
		for _, wantJSON := range []bool{true, false} {
			got, err := Check(next, wantJSON, nil).Complete(t.Context(), &llm.Request{})
			var e *llm.Error
			if got == nil || got.Text != resp.Text || !errors.As(err, &e) || e.Retry || e.Error() != resp.Err().Error() {
				t.Errorf("%+v, error %v, want %v", got, err, resp.Err())
			}
		}
	}
}

func TestErrorsPassThrough(t *testing.T) {
	boom := errors.New("boom")
	next := llm.Func(func(context.Context, *llm.Request) (*llm.Response, error) { return nil, boom })
	if resp, err := Check(next, true, nil).Complete(t.Context(), &llm.Request{}); resp != nil || err != boom {
		t.Errorf("%+v, error %v", resp, err)
	}
}

const person = `"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0}},"required":["name","age"],"additionalProperties":false`

// The drafts differ in their keywords: what each calls a tuple and a
// definition tells which one was followed.
func TestSchemas(t *testing.T) {
	const draft7, draft2020 = `"$schema":"http://json-schema.org/draft-07/schema#"`, `"$schema":"https://json-schema.org/draft/2020-12/schema"`
	for _, test := range []struct {
		name, schema, text string
		fits               bool
	}{
		{"fits", `{` + person + `}`, `{"name":"Ada","age":36}`, true},
		{"fits with a whole number of another spelling", `{` + person + `}`, `{"name":"Ada","age":36.0}`, true},
		{"fits with a number beyond 64 bits", `{` + person + `}`, `{"name":"Ada","age":12345678901234567890123}`, true},
		{"missing property", `{` + person + `}`, `{"name":"Ada"}`, false},
		{"wrong type", `{` + person + `}`, `{"name":"Ada","age":"36"}`, false},
		{"not whole", `{` + person + `}`, `{"name":"Ada","age":36.5}`, false},
		{"one too many", `{` + person + `}`, `{"name":"Ada","age":36,"born":1815}`, false},
		{"all fits true", `true`, `[null]`, true},
		{"nothing fits false", `false`, `{}`, false},
		{"draft 7, tuple", `{` + draft7 + `,"items":[{"type":"string"},{"type":"integer"}],"additionalItems":false}`, `["a",1]`, true},
		{"draft 7, not the tuple", `{` + draft7 + `,"items":[{"type":"string"},{"type":"integer"}],"additionalItems":false}`, `["a",1,2]`, false},
		{"draft 2020-12, tuple", `{` + draft2020 + `,"prefixItems":[{"type":"string"},{"type":"integer"}],"items":false}`, `["a",1]`, true},
		{"draft 2020-12, not the tuple", `{` + draft2020 + `,"prefixItems":[{"type":"string"},{"type":"integer"}],"items":false}`, `["a",1,2]`, false},
		{"no draft is the newest", `{"prefixItems":[{"type":"string"}],"items":false}`, `["a",1]`, false},
		{"a reference within, draft 7", `{` + draft7 + `,"definitions":{"p":{` + person + `}},"items":{"$ref":"#/definitions/p"}}`, `[{"name":"Ada","age":-1}]`, false},
		{"a reference within, draft 2020-12", `{` + draft2020 + `,"$defs":{"p":{` + person + `}},"items":{"$ref":"#/$defs/p"}}`, `[{"name":"Ada","age":36}]`, true},
		{"a reference to itself", `{"$defs":{"n":{"type":"object","properties":{"next":{"$ref":"#/$defs/n"}},"additionalProperties":false}},"$ref":"#/$defs/n"}`, `{"next":{"next":{"last":1}}}`, false},
		{"a reference by anchor", `{"$defs":{"p":{"$anchor":"p",` + person + `}},"$ref":"#p"}`, `{"name":"Ada","age":36}`, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := check(test.text, parse(t, test.schema))
			if test.fits {
				if err != nil || got != test.text {
					t.Errorf("%s, error %v", got, err)
				}
				return
			}
			failure(t, err, llm.Schema)
		})
	}
}

// The message stands in a record and on a terminal: it says where and what,
// and nothing of our files.
func TestMismatchIsReadable(t *testing.T) {
	for _, test := range []struct{ name, schema, text, want string }{
		{"missing", `{` + person + `}`, `{"name":"Ada"}`, "the answer does not fit the schema: at '': missing property 'age'"},
		{"deep", `{"properties":{"p":{"items":{` + person + `}}}}`, `{"p":[{"name":"Ada","age":"x"}]}`,
			"the answer does not fit the schema: at '/p/0/age': got string, want integer"},
		{"two", `{` + person + `}`, `{"name":7,"age":-1}`, ""},
		{"a choice", `{"anyOf":[{"type":"string"},{"type":"integer"}]}`, `[]`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := check(test.text, parse(t, test.schema))
			e := failure(t, err, llm.Schema)
			if test.want != "" && e.Message != test.want {
				t.Errorf("%q, want %q", e.Message, test.want)
			}
			if strings.Contains(e.Message, "file:") || strings.Contains(e.Message, "schema.json") || strings.Contains(e.Message, "  ") {
				t.Errorf("%q", e.Message)
			}
		})
	}
	_, err := check(`{"name":7,"age":-1}`, parse(t, `{`+person+`}`))
	for _, part := range []string{"at '/name': got number, want string", "; ", "at '/age'"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %q", err, part)
		}
	}
}

// Thousands of mismatches must not make a message of megabytes.
func TestMismatchesWithoutEnd(t *testing.T) {
	items := strings.Repeat(`"x",`, 5000) + `"x"`
	_, err := check(`[`+items+`]`, parse(t, `{"items":{"type":"integer"}}`))
	failure(t, err, llm.Schema)
	_, err = check(`{"`+strings.Repeat("k", 100000)+`":1}`, parse(t, `{"additionalProperties":false}`))
	failure(t, err, llm.Schema)
}

// A model may write any number. It must neither take the program down nor hold
// it up.
func TestMonstrousNumbers(t *testing.T) {
	s := parse(t, `{"items":{"type":"number","multipleOf":0.01,"maximum":1e100}}`)
	for _, text := range []string{`[1e999999999]`, `[-1E999999999]`, `[{"a":1e-999999999}]`, `[1e99999999999999999999]`, `[1e999999]`, `[1e-1001]`, `[1e400]`, "[" + strings.Repeat("7", 1<<20) + "]"} {
		_, err := check(text, s)
		failure(t, err, llm.Schema)
	}
	if got, err := check(`[1e400]`, parse(t, `{"items":{"type":"integer"}}`)); err != nil || got != `[1e400]` {
		t.Errorf("%s, error %v", got, err)
	}
	// Not one of these is calculated.
	_, err := check("["+strings.Repeat("1e999999,", 1<<16)+"1]", s)
	failure(t, err, llm.Schema)
}

func TestParseSchemaRefuses(t *testing.T) {
	for name, schema := range map[string]string{
		"nothing":              ``,
		"no JSON":              `{`,
		"two values":           `{} {}`,
		"no schema":            `7`,
		"an array":             `[]`,
		"a wrong keyword":      `{"type":"text"}`,
		"a wrong pattern":      `{"pattern":"("}`,
		"a reference to none":  `{"$ref":"#/$defs/none"}`,
		"a file that is not":   `{"$ref":"none.json"}`,
		"a draft of one's own": `{"$schema":"https://example.org/mine"}`,
		"a monstrous number":   `{"maximum":1e999999999}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseSchema("my schema.json", []byte(schema))
			if err == nil {
				t.Fatal("taken")
			}
			if !strings.HasPrefix(err.Error(), "my schema.json: ") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q", err)
			}
		})
	}
}

// A schema may come from a file of any name.
func TestSchemaFileNames(t *testing.T) {
	for _, name := range []string{"schema.json", "./a b.json", "/dev/fd/63", "a#b.json", "100%.json", "a%20b.json", "ä?.json", "../x.json", "schema"} {
		if _, err := ParseSchema(name, []byte(`{"$defs":{"s":{"type":"string"}},"items":{"$ref":"#/$defs/s"}}`)); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// References to files beside it are followed.
func TestReferenceToAFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "other.json"), []byte(`{"$defs":{"s":{"type":"string"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := ParseSchema(filepath.Join(dir, "schema.json"), []byte(`{"items":{"$ref":"other.json#/$defs/s"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := check(`["a"]`, s); err != nil {
		t.Error(err)
	}
	_, err = check(`[1]`, s)
	failure(t, err, llm.Schema)
}

// References over the network are refused before anybody is asked: a schema
// from elsewhere must not make this machine call.
func TestReferenceOverTheNetworkIsNotFetched(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		fmt.Fprint(w, `{"type":"string"}`)
	})}
	go server.Serve(l)
	defer server.Close()
	for _, schema := range []string{
		`{"$ref":"http://%s/s.json"}`,
		`{"$schema":"http://%s/draft"}`,
		`{"$id":"http://%s/me.json","$ref":"other.json"}`,
	} {
		schema = fmt.Sprintf(schema, l.Addr())
		if _, err := ParseSchema("schema.json", []byte(schema)); err == nil {
			t.Errorf("%s was taken", schema)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// Where JSON is asked for, nothing is no better than no content: it may come each time, and is paid for.
func TestNothingInsteadOfJSON(t *testing.T) {
	for text, once := range map[string]bool{"": true, " ```\n``` ": true, "not JSON": false} {
		next := llm.Func(func(context.Context, *llm.Request) (*llm.Response, error) { return &llm.Response{Text: text}, nil })
		_, err := Check(next, true, nil).Complete(t.Context(), &llm.Request{})
		if e := llm.Failed(err); e == nil || !e.Retry || e.OnceMore != once {
			t.Errorf("%q: %+v", text, e)
		}
	}
}
