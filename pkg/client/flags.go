package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gptpipe/pkg/answer"
	"gptpipe/pkg/cli"
	"gptpipe/pkg/credential"
	"gptpipe/pkg/llm"
	"gptpipe/pkg/pace"
	"gptpipe/pkg/wire"
)

const (
	defaultModel     = "gpt-5-mini"
	defaultEmbedding = "text-embedding-3-small"
	defaultBaseURL   = "https://api.openai.com/v1"
)

// Flags are the API flags as they were typed, or read from the environment and
// the configuration.
type Flags struct {
	model, system, baseURL    string
	profile, keyCommand       string
	organization, project     string
	schema, cache, metrics    string
	allowHTTP, json           bool
	noCache, refresh, quiet   bool
	api                       cli.Choice
	temperature               float
	maxTokens, retries        cli.Count
	sample                    cli.Count
	seed                      integer
	options                   cli.List
	timeout, maxWait, ttl     cli.Duration
	linger                    cli.Duration
	perSecond, perMinute, tpm cli.Limit
	level                     cli.Level
	namedProfile              bool
}

// Register adds the API flags to those of a command.
func (f *Flags) Register(flags *cli.Flags) {
	s := &flags.Shared
	s.StringVar(&f.model, "model", defaultModel, "")
	s.StringVar(&f.system, "system", "", "")
	s.StringVar(&f.baseURL, "base-url", defaultBaseURL, "")
	s.BoolVar(&f.allowHTTP, "allow-http", false, "")
	f.api = cli.Choice{Value: "chat", Of: []string{"chat", "responses", "azure"}}
	s.Var(&f.api, "api", "")
	s.Var(&f.temperature, "temperature", "")
	f.maxTokens = cli.Count{Min: 1}
	s.Var(&f.maxTokens, "max-tokens", "")
	s.Var(&f.seed, "seed", "")
	s.Var(&f.options, "option", "")
	s.BoolVar(&f.json, "json", false, "")
	s.StringVar(&f.schema, "schema", "", "")
	s.StringVar(&f.profile, "profile", "default", "")
	s.StringVar(&f.keyCommand, "key-command", "", "")
	s.StringVar(&f.organization, "organization", "", "")
	s.StringVar(&f.project, "project", "", "")
	f.timeout = cli.Duration(5 * time.Minute)
	s.Var(&f.timeout, "timeout", "")
	f.retries = cli.Count{N: 5}
	s.Var(&f.retries, "retries", "")
	f.maxWait = cli.Duration(10 * time.Minute)
	s.Var(&f.maxWait, "max-wait", "")
	s.Var(&f.perSecond, "rps", "")
	s.Var(&f.perMinute, "rpm", "")
	s.Var(&f.tpm, "tpm", "")
	s.BoolVar(&f.noCache, "no-cache", false, "")
	s.BoolVar(&f.refresh, "refresh", false, "")
	f.ttl = cli.Duration(24 * time.Hour)
	s.Var(&f.ttl, "cache-ttl", "")
	s.Var(&f.sample, "sample", "")
	s.StringVar(&f.cache, "cache", "", "")
	f.linger = cli.Duration(10 * time.Second)
	s.Var(&f.linger, "linger", "")
	s.StringVar(&f.metrics, "metrics-file", "", "")
	f.level = cli.LevelInfo
	s.Var(&f.level, "log-level", "")
	s.BoolVar(&f.quiet, "quiet", false, "")

	flags.Letter('m', "model")
	flags.Letter('s', "system")
	flags.Letter('q', "quiet")
}

// complete reads what the arguments left open from the environment and the
// configuration files: first that of the profile, then the general one.
func (f *Flags) complete(sys *cli.System, flags *cli.Flags) error {
	levelAlone := func() bool { return flags.Given("log-level") && !flags.Given("quiet") }
	loud := levelAlone()
	defer func() { f.quiet = f.quiet && !loud }() // what comes later, and beats no level that was named before
	if err := flags.Environment(sys.Getenv, map[string]string{"base-url": "OPENAI_BASE_URL"}); err != nil {
		return err
	}
	loud = loud || levelAlone()
	dir := cli.ConfigDir(sys.Getenv)
	if dir != "" {
		if err := flags.ProfileFrom(filepath.Join(dir, "config")); err != nil {
			return err
		}
	}
	f.namedProfile = flags.Given("profile")
	if err := credential.CheckProfile(f.profile); err != nil {
		return cli.Usagef("--profile: %w", err)
	}
	if !f.namedProfile { // a named one is another account's
		account := map[string]string{"organization": "OPENAI_ORG_ID", "project": "OPENAI_PROJECT_ID"}
		if err := flags.Environment(sys.Getenv, account); err != nil {
			return err
		}
	}
	if dir == "" {
		return nil
	}
	if err := flags.File(filepath.Join(dir, "profiles", f.profile), loginSettings...); err != nil {
		return err
	}
	return flags.File(filepath.Join(dir, "config"), loginSettings...)
}

// forEmbedding judges the flags of a request for embeddings.
func (f *Flags) forEmbedding(flags *cli.Flags) error {
	if !flags.Given("model") {
		f.model = defaultEmbedding
	}
	if f.json || f.schema != "" { // other flags of answers may be in the configuration, and say nothing here
		return cli.Usagef("--embed goes with neither --json nor --schema")
	}
	return nil
}

// A plan is what the flags mean, judged before anything is opened or sent.
type plan struct {
	endpoint wire.Endpoint
	params   llm.Params
	system   string
	schema   *answer.Schema
	cacheDir string
	metrics  string // file, or empty
}

func (f *Flags) plan(sys *cli.System) (p plan, err error) {
	sys.Log.SetLevel(f.level)
	if f.quiet {
		sys.Log.SetLevel(cli.LevelError)
	}
	if p.endpoint, err = wire.ParseEndpoint(f.baseURL); err != nil {
		return p, cli.Usagef("%w", err)
	}
	if !p.endpoint.TLS() && !p.endpoint.Local() && !f.allowHTTP {
		return p, cli.WithHint(cli.Usagef("base URL %s: plain http would show prompts and key to the network", p.endpoint),
			"use https://, or --allow-http if you mean it")
	}
	if f.model == "" {
		return p, cli.Usagef("--model is empty")
	}
	if f.timeout == 0 {
		return p, cli.Usagef("--timeout 0 leaves no time for an answer")
	}
	if p.system, err = cli.Text(f.system); err != nil {
		return p, cli.Usagef("--system: %w", err)
	}
	p.params = llm.Params{
		Model:       f.model,
		Temperature: f.temperature.value,
		MaxTokens:   f.maxTokens.N,
		Seed:        f.seed.value,
		JSON:        f.json || f.schema != "",
	}
	if f.schema != "" {
		data, err := os.ReadFile(f.schema)
		if err != nil {
			return p, cli.Usagef("--schema: %w", err)
		}
		if p.schema, err = answer.ParseSchema(f.schema, data); err != nil {
			return p, cli.Usagef("--schema: %w", err)
		}
		p.params.Schema = compactJSON(data)
	}
	if p.params.Options, err = parseOptions(f.options); err != nil {
		return p, err
	}
	if err := takeModel(&p.params); err != nil {
		return p, err
	}
	if _, err := wire.Encode(f.api.Value, &llm.Prompt{Params: p.params}); err != nil {
		return p, cli.Usagef("%w", err)
	}
	if strings.Contains(f.cache, "://") {
		return p, cli.Usagef("--cache %s: only a directory can hold the cache in this version", f.cache)
	}
	p.cacheDir = f.cache
	if p.cacheDir == "" {
		p.cacheDir = cli.CacheDir(sys.Getenv)
	}
	p.metrics, err = f.metricsFile()
	return p, err
}

func (f *Flags) limits() pace.Limits {
	return pace.Limits{PerSecond: float64(f.perSecond), PerMinute: float64(f.perMinute), TokensPerMinute: float64(f.tpm)}
}

// metricsFile is where the file of --metrics-file is, which is going to be replaced.
func (f *Flags) metricsFile() (string, error) {
	if f.metrics == "" {
		return "", nil
	}
	path, open := cli.FileAt(f.metrics)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat(filepath.Dir(path))
	}
	switch {
	case open != nil, info != nil && !info.Mode().IsRegular():
		return "", cli.WithHint(cli.Usagef("--metrics-file: %s is no regular file", f.metrics), "gpt-cache stats --prometheus writes to standard output")
	case err != nil:
		return "", cli.Usagef("--metrics-file: %w", err)
	}
	return path, nil
}

func parseOptions(list []string) ([]llm.Option, error) {
	var options []llm.Option
	at := map[string]int{}
	for _, s := range list {
		key, value, ok := strings.Cut(s, "=")
		switch {
		case !ok || key == "":
			return nil, cli.Usagef("--option %s is not KEY=JSON", cli.Value(s))
		case key == "stream" || key == "stream_options":
			return nil, cli.WithHint(cli.Usagef("--option %s cannot be set", key), "gpt-ask --stream streams")
		case !json.Valid([]byte(value)):
			return nil, cli.WithHint(cli.Usagef("--option %s: %s is not JSON", key, cli.Value(value)), "a string is written --option '%s=%s'", key, cli.Value(value))
		}
		o := llm.Option{Key: key, Value: compactJSON([]byte(value))}
		if i, again := at[key]; again {
			options[i] = o // the last one counts
			continue
		}
		at[key] = len(options)
		options = append(options, o)
	}
	return options, nil
}

// takeModel makes an option "model" the model, which decides about more than its
// field: prices, limits, names in the cache.
func takeModel(p *llm.Params) error {
	i := slices.IndexFunc(p.Options, func(o llm.Option) bool { return o.Key == "model" })
	if i < 0 {
		return nil
	}
	var name string
	if json.Unmarshal(p.Options[i].Value, &name) != nil || name == "" {
		return cli.WithHint(cli.Usagef("--option model: it is not the name of a model"), "-m NAME says which model")
	}
	p.Model, p.Options = name, slices.Delete(p.Options, i, i+1)
	return nil
}

// A float is a flag value that may be left out.
type float struct{ value *float64 }

// Set reads s, for flag.Value.
func (f *float) Set(s string) error {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Errorf("not a number")
	}
	f.value = &v
	return nil
}

func (f *float) String() string {
	if f.value == nil {
		return ""
	}
	return strconv.FormatFloat(*f.value, 'g', -1, 64)
}

// An integer is a flag value that may be left out.
type integer struct{ value *int64 }

// Set reads s, for flag.Value.
func (i *integer) Set(s string) error {
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return fmt.Errorf("not a whole number")
	}
	i.value = &v
	return nil
}

func (i *integer) String() string {
	if i.value == nil {
		return ""
	}
	return strconv.FormatInt(*i.value, 10)
}
