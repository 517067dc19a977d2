package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/credential"
)

// calls are what gpt-key can be asked to do.
var calls = map[string]func(context.Context, *cli.System, []string) error{
	"set":    set,
	"list":   list,
	"status": status,
	"rotate": rotate,
	"delete": remove,
	"login":  login,
	"logout": logout,
	"audit":  showAudit,
	"models": models,
}

const callNames = "set, list, status, rotate, delete, login, logout, audit, models"

// run does the call that the first operand names. Operands are not repeated in
// messages: one may be a key.
func run(ctx context.Context, sys *cli.System) error {
	cli.Protect()
	operands, err := cli.NewFlags().Parse(sys.Args)
	switch {
	case err != nil:
		return err
	case len(operands) == 0:
		return cli.Usagef("nothing to do: give one of %s", callNames)
	}
	call, known := calls[operands[0]]
	if !known {
		return cli.Usagef("the first argument is none of %s", callNames)
	}
	return call(ctx, sys, operands[1:])
}

// settings are what decides which key is meant.
type settings struct {
	flags     *cli.Flags
	configDir string

	profile, baseURL, command string

	needsHost bool
	host      string // of the base URL, if needed
	named     bool   // the profile
}

// newSettings has the flags that every call takes.
func newSettings(sys *cli.System) *settings {
	s := &settings{flags: cli.NewFlags(), configDir: cli.ConfigDir(sys.Getenv)}
	s.flags.Shared.StringVar(&s.profile, "profile", credential.DefaultProfile, "")
	return s
}

// withBaseURL adds the flag that says which host is meant.
func (s *settings) withBaseURL() {
	s.needsHost = true
	s.flags.Shared.StringVar(&s.baseURL, "base-url", "https://api.openai.com/v1", "")
}

// parse reads the flags from args, then from the environment, then from the
// configuration. A profile's own settings come before the general ones.
func (s *settings) parse(sys *cli.System, args []string) error {
	operands, err := s.flags.Parse(args)
	switch {
	case err != nil:
		return err
	case len(operands) > 0:
		return unexpectedArgument()
	}
	fallback := map[string]string{}
	if s.needsHost {
		fallback["base-url"] = "OPENAI_BASE_URL"
	}
	if err := s.flags.Environment(sys.Getenv, fallback); err != nil {
		return err
	}
	if err := s.readConfig(); err != nil {
		return err
	}
	s.named = s.flags.Given("profile")
	if !s.needsHost {
		return nil
	}
	if s.host, err = credential.HostOf(s.baseURL); err != nil {
		return cli.Usagef("%w", err)
	}
	return nil
}

func (s *settings) readConfig() error {
	config := filepath.Join(s.configDir, "config")
	if s.configDir != "" {
		if err := s.flags.ProfileFrom(config); err != nil {
			return err
		}
	}
	if err := credential.CheckProfile(s.profile); err != nil {
		return cli.Usagef("%w", err)
	}
	if s.configDir == "" {
		return nil
	}
	if err := s.flags.FileSome(filepath.Join(s.configDir, "profiles", s.profile)); err != nil {
		return err
	}
	return s.flags.FileSome(config)
}

// waiting tells that a key command takes its time.
func waiting(sys *cli.System) func() {
	return func() { sys.Log.Warnf("waiting for the key command") }
}

// unexpectedArgument does not repeat the argument, which may be a key.
func unexpectedArgument() error {
	return cli.WithHint(cli.Usagef("unexpected argument"),
		"a key is never an argument, for every user of the machine can see it: run gpt-key set and type it, or pipe it in")
}

// stores are where a key can be kept, by the name they have in messages.
func (s *settings) stores(sys *cli.System) (keyring, file store) {
	files := credential.Files{ConfigDir: s.configDir}
	return store{"the keyring", credential.Keyring{Getenv: sys.Getenv, StateDir: cli.StateDir(sys.Getenv)}},
		store{files.Path(s.profile), files}
}

type store struct {
	name string
	credential.Store
}

// missing reports whether err says that there is nothing stored, or nowhere to
// store it.
func missing(err error) bool {
	return errors.Is(err, credential.ErrNoEntry) || errors.Is(err, credential.ErrNoKeyring)
}

// occupied are the stores that have something for the profile, or may have: where
// there is nothing, a lock would be made that stays for ever.
func (s *settings) occupied(ctx context.Context, sys *cli.System) []store {
	keyring, file := s.stores(sys)
	var some []store
	if _, err := (credential.Keyring{Getenv: sys.Getenv, Silent: true}).Get(ctx, s.profile); !missing(err) {
		some = append(some, keyring)
	}
	if _, err := file.Get(ctx, s.profile); !missing(err) || traces(file.name) {
		some = append(some, file)
	}
	return some
}

// traces reports whether there is a link to nothing at path, or beside it what a
// process that was killed has left, or the lock.
func traces(path string) bool {
	folder, name := filepath.Split(path)
	files, _ := os.ReadDir(folder)
	return slices.ContainsFunc(files, func(f fs.DirEntry) bool {
		return f.Name() == name || strings.HasPrefix(f.Name(), "."+name+".")
	})
}

// lock keeps what stores have for the profile as it is until unlock is called: a
// refresh that another process has begun would undo a change. The keyring comes
// before the file. Where there can be no lock, a person's login is not refreshed.
func (s *settings) lock(ctx context.Context, stores ...store) (unlock func(), err error) {
	var held []*credential.LockFile
	unlock = func() {
		for _, lock := range held {
			lock.Close()
		}
	}
	for _, store := range stores {
		lock, err := credential.Lock(ctx, store.Store, s.profile)
		switch {
		case err == nil:
			held = append(held, lock)
		case ctx.Err() != nil, errors.As(err, new(*credential.BusyError)):
			unlock()
			return nil, err
		}
	}
	return unlock, nil
}
