package prompt

import (
	"testing"

	"gptpipe/pkg/record"
)

func TestMake(t *testing.T) {
	const rec = `{"text":"say \"hi\" & <b>","n":1.50,"i":12345678901234567890,"f":0.25,"b":true,"nil":null,` +
		`"a":[1,"<x>",{"y":null}],"o":{"title":"T","deep":{"k":"v"}},"a b":"spaced"}`
	tests := []struct{ prompt, in, want, fails string }{
		{prompt: "Summarise.", in: "text", want: "Summarise.\n\nsay \"hi\" & <b>"},
		{prompt: "", in: "text", want: "say \"hi\" & <b>"},
		{prompt: "Explain.", in: "o", want: "Explain.\n\n" + `{"title":"T","deep":{"k":"v"}}`},
		{prompt: "Say.", in: "gone", fails: `the record has no field "gone"`},
		{prompt: "<{{.text}}>", want: `<say "hi" & <b>>`},
		{prompt: "{{.n}} {{.i}} {{.f}} {{.b}} {{.nil}}", want: "1.50 12345678901234567890 0.25 true null"},
		{prompt: "{{.a}}", want: `[1,"<x>",{"y":null}]`},
		{prompt: "{{.o.title}} {{.o.deep}} {{json .text}}", want: `T {"k":"v"} "say \"hi\" & <b>"`},
		{prompt: "{{range .a}}({{.}}){{end}}", want: `(1)(<x>)({"y":null})`},
		{prompt: "{{if gt .f 0.2}}much{{end}}{{if .nil}}never{{end}}", want: "much"},
		{prompt: `{{index . "a b"}}`, want: "spaced"},
		{prompt: "{{.gone}}", fails: `the record has no field "gone"`},
		{prompt: "{{.o.gone}}", fails: `the record has no field "gone"`},
	}
	r, err := record.Parse([]byte(rec))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		p, err := Parse(test.prompt)
		if err != nil {
			t.Fatalf("%q: %v", test.prompt, err)
		}
		got, err := p.Make(&r, test.in)
		switch {
		case test.fails != "" && (err == nil || err.Error() != test.fails):
			t.Errorf("%q: got %q, %v; want the error %q", test.prompt, got, err, test.fails)
		case test.fails == "" && (err != nil || got != test.want):
			t.Errorf("%q: got %q, %v; want %q", test.prompt, got, err, test.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{"{{", "{{.x", "{{nofunction .x}}", "{{if}}"} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%q was taken as a prompt", text)
		}
	}
}
