package credential

import (
	"errors"
	"strings"
	"testing"
)

func TestClean(t *testing.T) {
	tests := []struct{ in, want, why string }{
		{"sk-proj-abc_DEF-123", "sk-proj-abc_DEF-123", ""},
		{"sk-one\n", "sk-one", ""},
		{"sk-one\r\n", "sk-one", ""},
		{"/9j/4AAQSkZJRg==", "/9j/4AAQSkZJRg==", ""}, // base64 may look like this
		{strings.Repeat("k", 4096) + "\n", strings.Repeat("k", 4096), ""},
		{"", "", "empty"},
		{"\n", "", "empty"},
		{"sk-one\n\n", "", "white space"},
		{" sk-one", "", "white space"},
		{"sk-one\nsk-two\n", "", "white space"},
		{"sk-\x00one", "", "control characters"},
		{"sk-\x7fone", "", "control characters"},
		{"\u201csk-one\u201d", "", "outside ASCII"},
		{"sk-\xffone", "", "outside ASCII"},
		{strings.Repeat("k", 4097), "", "longer than 4096"},
		{"https://platform.openai.com/api-keys", "", "a URL"},
		{"~/.config/key", "", "path"},
		{"/etc/openai/key", "", "path"},
		{`"sk-one"`, "", "quotes"},
		{`'sk-one'`, "", "quotes"},
		{"OPENAI_API_KEY=sk-one", "", "variable"},
		{"X_KEY=", "X_KEY=", ""},
		{"gw.tenant_KEY=sk-one", "gw.tenant_KEY=sk-one", ""},
	}
	for _, test := range tests {
		got, err := Clean(test.in)
		if got != test.want {
			t.Errorf("%q became %q, want %q", test.in, got, test.want)
		}
		var invalid *InvalidError
		switch {
		case test.why == "" && err != nil:
			t.Errorf("%q: %v", test.in, err)
		case test.why != "" && (!errors.As(err, &invalid) || !strings.Contains(invalid.Why, test.why)):
			t.Errorf("%q: %v, want a reason with %q", test.in, err, test.why)
		}
	}
}

func TestIsPlaceholder(t *testing.T) {
	for _, text := range []string{"YOUR_API_KEY", "your-api-key", "<your-api-key>", "<key>", "YOUR_OPENAI_API_KEY_HERE", "your-key"} {
		if !IsPlaceholder(text) {
			t.Errorf("%s is taken for a key", text)
		}
	}
	for _, key := range []string{"", "sk-your-api-key", "your0api0key", "yours_key", "<a", "a>", "your_secret"} {
		if IsPlaceholder(key) {
			t.Errorf("%q is taken for a placeholder", key)
		}
	}
}

func TestCheckProfile(t *testing.T) {
	for _, name := range []string{"default", "chatgpt_prod", "a.b-C", "-", "0", strings.Repeat("a", 200)} {
		if err := CheckProfile(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"", ".", "..", ".hidden", "a/b", "../x", "a b", "ä", "a\x00", "a\n", "7f3c9a1b2d4e5f60718293a4b5c6d7e8/x", strings.Repeat("a", 201)} {
		var profile *ProfileError
		if err := CheckProfile(name); !errors.As(err, &profile) {
			t.Errorf("%q: %v", name, err)
		}
		if len(name) > 20 && strings.Contains(profile.Error(), name) {
			t.Errorf("what may be a key is repeated: %v", profile)
		}
		if name == "" {
			continue // which is the default profile for Find
		}
		var p *ProfileError
		_, err := Find(t.Context(), Query{Profile: name, Getenv: environment("OPENAI_API_KEY=sk-one")})
		if !errors.As(err, &p) {
			t.Errorf("Find for %q: %v", name, err)
		}
	}
}
