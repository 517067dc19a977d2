package client

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
	"time"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/llm"
	"gptpipe/test/standin"
)

// Each source beats those below it.
func TestPrecedence(t *testing.T) {
	sources := []struct {
		name string
		give func(u *user)
		url  string // the base URL that this source gives
	}{
		{"an argument", func(u *user) { u.args = append(u.args, "--base-url", "https://argument/v1") }, "https://argument/v1"},
		{"GPT_BASE_URL", func(u *user) { u.env["GPT_BASE_URL"] = "https://gpt/v1" }, "https://gpt/v1"},
		{"OPENAI_BASE_URL", func(u *user) { u.env["OPENAI_BASE_URL"] = "https://openai/v1" }, "https://openai/v1"},
		{"the profile", func(u *user) { u.files["profiles/default"] = "base-url https://profile/v1\n" }, "https://profile/v1"},
		{"the configuration", func(u *user) { u.files["config"] = "base-url https://config/v1\n" }, "https://config/v1"},
		{"the default", func(*user) {}, "https://api.openai.com/v1"},
	}
	for i, source := range sources {
		t.Run(source.name+" beats the rest", func(t *testing.T) {
			u := user{env: map[string]string{}, files: map[string]string{}}
			for _, s := range sources[i:] {
				s.give(&u)
			}
			if _, p, err := u.plan(t); err != nil || p.endpoint.String() != source.url {
				t.Errorf("%s, error %v, want %s", p.endpoint, err, source.url)
			}
		})
	}
}

func TestModelPrecedence(t *testing.T) {
	env := map[string]string{"GPT_MODEL": "environment"}
	files := map[string]string{"config": "model config\n", "profiles/default": "model profile\n"}
	for _, test := range []struct {
		name  string
		u     user
		model string
	}{
		{"-m beats GPT_MODEL", user{args: []string{"-m", "argument"}, env: env, files: files}, "argument"},
		{"-mNAME beats GPT_MODEL", user{args: []string{"-margument"}, env: env, files: files}, "argument"},
		{"-qm NAME beats GPT_MODEL", user{args: []string{"-qm", "argument"}, env: env, files: files}, "argument"},
		{"--model beats GPT_MODEL", user{args: []string{"--model=argument"}, env: env, files: files}, "argument"},
		{"the last argument counts", user{args: []string{"-m", "one", "--model", "two"}, env: env}, "two"},
		{"an argument that is the default beats GPT_MODEL", user{args: []string{"-m", defaultModel}, env: env}, defaultModel},
		{"GPT_MODEL beats the files", user{env: env, files: files}, "environment"},
		{"an empty GPT_MODEL is none", user{env: map[string]string{"GPT_MODEL": ""}, files: files}, "profile"},
		{"the profile beats the configuration", user{files: files}, "profile"},
		{"the configuration beats the default", user{files: map[string]string{"config": "# mine\n\nmodel config\n"}}, "config"},
		{"the default", user{}, defaultModel},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, p, err := test.u.plan(t); err != nil || p.params.Model != test.model {
				t.Errorf("model %s, error %v, want %s", p.params.Model, err, test.model)
			}
		})
	}
}

// Which profile it is decides which file is read and, if somebody named it,
// that the environment's key is passed over.
func TestProfile(t *testing.T) {
	files := map[string]string{"profiles/default": "model default\n", "profiles/work": "model work\nseed 7\n", "config": "seed 8\n"}
	inConfig := maps.Clone(files)
	inConfig["config"] = "profile work\nseed 8\n"
	for _, test := range []struct {
		name  string
		u     user
		model string
		seed  int64
		named bool
	}{
		{"none named", user{files: files}, "default", 8, false},
		{"by an argument", user{args: []string{"--profile", "work"}, files: files}, "work", 7, true},
		{"by the environment", user{env: map[string]string{"GPT_PROFILE": "work"}, files: files}, "work", 7, true},
		{"by the configuration", user{files: inConfig}, "work", 7, true},
		{"an argument beats the configuration", user{args: []string{"--profile", "default"}, files: inConfig}, "default", 8, true},
		{"one without a file", user{args: []string{"--profile", "other"}, files: files}, defaultModel, 8, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, p, err := test.u.plan(t)
			if err != nil {
				t.Fatal(err)
			}
			if p.params.Model != test.model || p.params.Seed == nil || *p.params.Seed != test.seed || f.namedProfile != test.named {
				t.Errorf("model %s, seed %v, named %t", p.params.Model, p.params.Seed, f.namedProfile)
			}
		})
	}
}

// $XDG_CONFIG_HOME is where the configuration is, and a relative one is none.
func TestConfigurationFolder(t *testing.T) {
	other := t.TempDir()
	if err := os.MkdirAll(filepath.Join(other, "gptpipe"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(other, "gptpipe", "config"), []byte("model elsewhere\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"config": "model home\n"}
	for folder, want := range map[string]string{other: "elsewhere", "": "home", "relative": "home"} {
		u := user{env: map[string]string{"XDG_CONFIG_HOME": folder}, files: files}
		if _, p, err := u.plan(t); err != nil || p.params.Model != want {
			t.Errorf("%q: model %s, error %v, want %s", folder, p.params.Model, err, want)
		}
	}
}

// What is typed becomes what is sent.
func TestPlan(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	system, schema := write("system", "Be brief.\n\n"), write("my schema.json", "{\n \"type\": \"object\" ,\"a\": 1.0}\n")
	for _, test := range []struct {
		name string
		args []string
		want llm.Params
		sys  string
	}{
		{"nothing", nil, llm.Params{}, ""},
		{"numbers", []string{"--temperature", "0", "--max-tokens", "1", "--seed", "-9007199254740993"},
			llm.Params{Temperature: new(float64), MaxTokens: 1, Seed: ptr(int64(-9007199254740993))}, ""},
		{"options, the last of each", []string{"--option", "a=1", "--option", `b={"x": [1.0, "="]}`, "--option", "a=null"},
			llm.Params{Options: []llm.Option{{Key: "a", Value: []byte("null")}, {Key: "b", Value: []byte(`{"x":[1.0,"="]}`)}}}, ""},
		{"a model among the options", []string{"-m", "cheap", "--option", "a=1", "--option", `model="dear"`},
			llm.Params{Model: "dear", Options: []llm.Option{{Key: "a", Value: []byte("1")}}}, ""},
		{"JSON", []string{"--json"}, llm.Params{JSON: true}, ""},
		{"a schema is JSON too", []string{"--schema", schema}, llm.Params{JSON: true, Schema: []byte(`{"type":"object","a":1.0}`)}, ""},
		{"a system message", []string{"-s", "Be brief."}, llm.Params{}, "Be brief."},
		{"a system message from a file", []string{"-s", "@" + system}, llm.Params{}, "Be brief.\n"},
		{"a system message with an at sign", []string{"-s", "@@home"}, llm.Params{}, "@home"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, p, err := user{args: test.args}.plan(t)
			test.want.Model = cmp.Or(test.want.Model, defaultModel)
			if err != nil || !reflect.DeepEqual(p.params, test.want) || p.system != test.sys {
				t.Errorf("%+v, system %q, error %v", p.params, p.system, err)
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

func TestDefaults(t *testing.T) {
	f, p, err := user{}.plan(t)
	if err != nil {
		t.Fatal(err)
	}
	for name, same := range map[string]bool{
		"api":       f.api.Value == "chat",
		"timeout":   time.Duration(f.timeout) == 5*time.Minute,
		"retries":   f.retries.N == 5,
		"max-wait":  time.Duration(f.maxWait) == 10*time.Minute,
		"cache-ttl": time.Duration(f.ttl) == 24*time.Hour,
		"linger":    time.Duration(f.linger) == 10*time.Second,
		"profile":   f.profile == "default",
		"rps":       f.perSecond == 0 && f.perMinute == 0 && f.tpm == 0,
		"cache":     filepath.Base(p.cacheDir) == "gptpipe" && filepath.Base(filepath.Dir(p.cacheDir)) == ".cache",
	} {
		if !same {
			t.Errorf("--%s has another default: %+v", name, f)
		}
	}
}

// Every flag of the API table can come from the environment and the files.
func TestEveryFlagHasAVariable(t *testing.T) {
	for variable, value := range map[string]string{
		"GPT_API": "responses", "GPT_TIMEOUT": "90s", "GPT_RETRIES": "2", "GPT_MAX_WAIT": "1h", "GPT_CACHE_TTL": "7d",
		"GPT_RPS": "0.5", "GPT_JSON": "true", "GPT_OPTION": "top_p=0.5", "GPT_LINGER": "0s", "GPT_NO_CACHE": "1",
		"GPT_CACHE": "/elsewhere", "GPT_SAMPLE": "3", "GPT_KEY_COMMAND": "pass x", "GPT_LOG_LEVEL": "debug",
	} {
		t.Run(variable, func(t *testing.T) {
			f, p, err := user{env: map[string]string{variable: value}}.plan(t)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{
				"GPT_API": f.api.Value, "GPT_TIMEOUT": (*cli.Duration)(&f.timeout).String(), "GPT_RETRIES": f.retries.String(),
				"GPT_MAX_WAIT": f.maxWait.String(), "GPT_CACHE_TTL": f.ttl.String(), "GPT_RPS": f.perSecond.String(),
				"GPT_JSON": fmt.Sprint(p.params.JSON), "GPT_OPTION": fmt.Sprint(len(p.params.Options)), "GPT_LINGER": f.linger.String(),
				"GPT_NO_CACHE": fmt.Sprint(f.noCache), "GPT_CACHE": p.cacheDir, "GPT_SAMPLE": f.sample.String(),
				"GPT_KEY_COMMAND": f.keyCommand, "GPT_LOG_LEVEL": f.level.String(),
			}[variable]
			want := map[string]string{
				"GPT_TIMEOUT": "1m30s", "GPT_MAX_WAIT": "1h0m0s", "GPT_CACHE_TTL": "168h0m0s", "GPT_OPTION": "1", "GPT_NO_CACHE": "true",
			}[variable]
			if want == "" {
				want = value
			}
			if got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

// A level that was named beats a quiet from further down.
func TestQuiet(t *testing.T) {
	for _, test := range []struct {
		u    user
		want bool
	}{
		{user{args: []string{"-q", "--log-level", "debug"}}, true},
		{user{env: map[string]string{"GPT_LOG_LEVEL": "debug", "GPT_QUIET": "1"}}, true},
		{user{args: []string{"-q"}, env: map[string]string{"GPT_LOG_LEVEL": "debug"}}, true},
		{user{args: []string{"--log-level", "debug"}, env: map[string]string{"GPT_QUIET": "1"}}, false},
		{user{args: []string{"--log-level", "debug"}, files: map[string]string{"config": "quiet\n"}}, false},
		{user{env: map[string]string{"GPT_LOG_LEVEL": "debug"}, files: map[string]string{"profiles/default": "quiet\n"}}, false},
		{user{files: map[string]string{"config": "log-level debug\nquiet\n"}}, true},
	} {
		f, _, err := test.u.plan(t)
		if err != nil || f.quiet != test.want {
			t.Errorf("%+v: quiet %v, %v", test.u, f.quiet, err)
		}
	}
}

// What makes no sense is status 2 before anything is opened: no connection, no
// cache, no key asked for.
func TestNonsenseIsUsageAndOpensNothing(t *testing.T) {
	s, err := standin.Start(standin.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	fifo, link := filepath.Join(dir, "fifo"), filepath.Join(dir, "link")
	if err := errors.Join(syscall.Mkfifo(fifo, 0o600), os.Symlink(fifo, link)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, message string
		args          []string
		env, files    map[string]string
	}{
		{name: "an option that is none", args: []string{"--option", "top_p"}, message: "KEY=JSON"},
		{name: "an option without a name", args: []string{"--option", "=1"}, message: "KEY=JSON"},
		{name: "an option that is not JSON", args: []string{"--option", "stop=x"}, message: "not JSON"},
		{name: "an option that is empty", args: []string{"--option", "stop="}, message: "not JSON"},
		{name: "an option with two values", args: []string{"--option", "stop=1 2"}, message: "not JSON"},
		{name: "an option that is ours", args: []string{"--option", "stream=true"}, message: "cannot be set"},
		{name: "an option that is a model and no name", args: []string{"--option", "model=4"}, message: "--option model"},
		{name: "an option that is a model without a name", args: []string{"--option", "model=null"}, message: "--option model"},
		{name: "a schema that is not there", args: []string{"--schema", filepath.Join(dir, "none")}, message: "none"},
		{name: "a schema that is not JSON", args: []string{"--schema", file("text", "hello")}, message: "not JSON"},
		{name: "a schema that is none", args: []string{"--schema", file("wrong", `{"type":"text"}`)}, message: "/type"},
		{name: "a schema that lies on the network", args: []string{"--schema", file("remote", `{"$ref":"`+s.URL()+`/models"}`)}, message: "/models"},
		{name: "a system message that is not there", args: []string{"-s", "@" + filepath.Join(dir, "none")}, message: "--system"},
		{name: "a base URL that is none", args: []string{"--base-url", "api.openai.com/v1"}, message: "base URL"},
		{name: "an empty base URL", args: []string{"--base-url", ""}, message: "base URL"},
		{name: "a base URL with a query", args: []string{"--base-url", "https://example.org/v1?x=1"}, message: "query"},
		{name: "a base URL from the environment", env: map[string]string{"OPENAI_BASE_URL": "ftp://example.org"}, message: "base URL"},
		{name: "plain http to another machine", args: []string{"--base-url", "http://example.org/v1"}, message: "plain http"},
		{name: "plain http to a name like loopback", args: []string{"--base-url", "http://127.0.0.1.example.org/v1"}, message: "plain http"},
		{name: "no model", args: []string{"-m", ""}, message: "--model"},
		{name: "a temperature that is no number", args: []string{"--temperature", "NaN"}, message: "--temperature"},
		{name: "no tokens", args: []string{"--max-tokens", "0"}, message: "--max-tokens"},
		{name: "a seed that is not whole", args: []string{"--seed", "1.5"}, message: "--seed"},
		{name: "a seed that the API does not know", args: []string{"--seed", "1", "--api", "responses"}, message: "seed"},
		{name: "an API that nobody speaks", args: []string{"--api", "completions"}, message: "--api"},
		{name: "no time", args: []string{"--timeout", "0s"}, message: "--timeout"},
		{name: "a negative time", args: []string{"--max-wait", "-1s"}, message: "--max-wait"},
		{name: "a number and no unit", args: []string{"--timeout", "90"}, message: "--timeout"},
		{name: "negative retries", args: []string{"--retries", "-1"}, message: "--retries"},
		{name: "no requests a second", args: []string{"--rps", "0"}, message: "--rps"},
		{name: "infinitely many", args: []string{"--rpm", "Inf"}, message: "--rpm"},
		{name: "not a number of tokens", args: []string{"--tpm", "NaN"}, message: "--tpm"},
		{name: "a level that is none", args: []string{"--log-level", "trace"}, message: "--log-level"},
		{name: "a profile that leaves its folder", args: []string{"--profile", "../x"}, message: "profile"},
		{name: "a profile without a name", args: []string{"--profile", ""}, message: "profile"},
		{name: "a cache server", args: []string{"--cache", "redis://localhost"}, message: "--cache"},
		{name: "metrics in place of a FIFO", env: map[string]string{"GPT_METRICS_FILE": fifo}, message: "no regular file"},
		{name: "metrics in place of what a link leads to", args: []string{"--metrics-file", link}, message: "no regular file"},
		{name: "metrics in a folder that is not there", args: []string{"--metrics-file", "nosuch/x.prom"}, message: "no such file"},
		{name: "a flag that is none", args: []string{"--temprature", "1"}, message: "--temprature"},
		{name: "a variable of nonsense", env: map[string]string{"GPT_TIMEOUT": "soon"}, message: "GPT_TIMEOUT"},
		{name: "a configuration of nonsense", files: map[string]string{"config": "timeout soon\n"}, message: "config"},
		{name: "a configuration with a flag that is none", files: map[string]string{"config": "temprature 1\n"}, message: "temprature"},
		{name: "a profile of nonsense", files: map[string]string{"profiles/default": "retries -1\n"}, message: "retries"},
	} {
		t.Run(test.name, func(t *testing.T) {
			asked := filepath.Join(t.TempDir(), "asked")
			u := user{files: test.files, env: map[string]string{}}
			maps.Copy(u.env, test.env)
			// Behind the arguments in question, which come last and so count.
			u.args = append([]string{"--base-url", s.URL(), "--key-command", "touch " + asked + "; echo sk-key"}, test.args...)
			if u.env["OPENAI_BASE_URL"] != "" {
				u.args = u.args[2:]
			}
			home := u.home(t)
			_, err := u.client(t)
			usage(t, err, test.message)
			for _, path := range []string{asked, filepath.Join(home, ".cache")} {
				if _, err := os.Stat(path); !os.IsNotExist(err) {
					t.Errorf("%s is there", path)
				}
			}
			if s.Conns() != 0 {
				t.Error("a connection was opened")
			}
		})
	}
}

// What looks like nonsense and is none.
func TestUnusualAndRight(t *testing.T) {
	for name, args := range map[string][]string{
		"plain http on purpose":  {"--base-url", "http://example.org/v1", "--allow-http"},
		"plain http to loopback": {"--base-url", "http://127.0.0.1:1/v1"},
		"a socket":               {"--base-url", "unix:///run/llm.sock"},
		"no retries, no wait":    {"--retries", "0", "--max-wait", "0s"},
		"a lifetime of nothing":  {"--cache-ttl", "0s"},
		"no keeper that lingers": {"--linger", "0s"},
		"days":                   {"--cache-ttl", "7d"},
		"a seed for chat":        {"--seed", "0"},
	} {
		if _, _, err := (user{args: args}).plan(t); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
