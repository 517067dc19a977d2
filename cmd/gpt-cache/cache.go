package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/hub"
)

// calls are what gpt-cache can be asked to do.
var calls = map[string]func(context.Context, *cli.System, *settings, []string) error{
	"stats":   stats,
	"list":    list,
	"get":     get,
	"purge":   purge,
	"compact": compact,
	"export":  export,
	"import":  bring,
	"serve":   serve,
	"stop":    stop,
}

const callNames = "stats, list, get, purge, compact, export, import, serve, stop"

// run does the call that the first operand names. --cache may stand on either side of it.
func run(ctx context.Context, sys *cli.System) error {
	cli.Protect()
	s := newSettings()
	operands, err := s.flags.Parse(sys.Args)
	switch {
	case err != nil:
		return err
	case len(operands) == 0:
		return cli.Usagef("nothing to do: give one of %s", callNames)
	}
	call, known := calls[operands[0]]
	if !known {
		return cli.Usagef("%s is none of %s", cli.Value(operands[0]), callNames)
	}
	return call(ctx, sys, s, operands[1:])
}

// settings are what all calls have in common.
type settings struct {
	flags  *cli.Flags
	cache  string
	linger cli.Duration
}

func newSettings() *settings {
	s := &settings{flags: cli.NewFlags(), linger: cli.Duration(10 * time.Second)}
	s.flags.Shared.StringVar(&s.cache, "cache", "", "")
	return s
}

// startsKeeper adds the flag of the calls that start a keeper if there is none.
func (s *settings) startsKeeper() { s.flags.Shared.Var(&s.linger, "linger", "") }

// parse reads the flags from args, the environment and the configuration, and finds the cache folder. Of operands there
// may be so many.
func (s *settings) parse(sys *cli.System, args []string, most int) (operands []string, err error) {
	if operands, err = s.flags.Parse(args); err != nil {
		return nil, err
	}
	if len(operands) > most {
		return nil, cli.Usagef("unexpected argument %s", cli.Value(operands[most]))
	}
	return operands, s.complete(sys)
}

func (s *settings) complete(sys *cli.System) error {
	if err := s.flags.Environment(sys.Getenv, nil); err != nil {
		return err
	}
	if dir := cli.ConfigDir(sys.Getenv); dir != "" {
		if err := s.flags.FileSome(filepath.Join(dir, "config")); err != nil {
			return err
		}
	}
	if s.cache == "" {
		s.cache = cli.CacheDir(sys.Getenv)
	}
	switch {
	case s.cache == "":
		return cli.WithHint(cli.Usagef("neither HOME nor XDG_CACHE_HOME is set"), "name the folder with --cache")
	case strings.Contains(s.cache, "://"):
		return cli.Usagef("--cache %s: only a directory can hold the cache in this version", s.cache)
	}
	return nil
}

// open connects to the keeper, and starts one if there is none.
func (s *settings) open(ctx context.Context, sys *cli.System) (*hub.Client, error) {
	return s.openFolder(ctx, sys, s.cache)
}

// openUser connects to the keeper of the user's own folder, which has the limits and counters whatever --cache is. It is
// the one of --cache, cached, if that is the same, or the user can have no folder of his own.
func (s *settings) openUser(ctx context.Context, sys *cli.System, cached *hub.Client) (*hub.Client, error) {
	own := cli.CacheDir(sys.Getenv)
	if own == "" || hub.Same(own, s.cache) {
		return cached, nil
	}
	user, err := s.openFolder(ctx, sys, own)
	if err == nil {
		return user, nil
	}
	if _, missing := os.Stat(own); missing != nil {
		return cached, nil
	}
	return nil, fmt.Errorf("limits and counters: %w", err)
}

func (s *settings) openFolder(ctx context.Context, sys *cli.System, dir string) (*hub.Client, error) {
	return hub.Open(ctx, hub.Config{
		Dir:        dir,
		RuntimeDir: sys.Getenv("XDG_RUNTIME_DIR"),
		Command:    []string{cli.Sibling("gpt-cache"), "serve"},
		Linger:     time.Duration(s.linger),
		Notice:     func(text string) { sys.Log.Warnf("%s", text) },
	})
}
