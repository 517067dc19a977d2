package credential

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"
)

// A source is a place to look for a key. look answers a cleaned key, or why
// there is none to be had.
type source struct {
	name  string
	store Store // that it looks in, or nil
	look  func(context.Context) (Entry, error)
}

// Reasons why a source has no key.
var (
	errNotGiven   = errors.New("not given")
	errNotSet     = errors.New("not set")
	errPassedOver = errors.New("not asked, for a profile is named")
)

func (q Query) sources() []source {
	keyring := Keyring{Getenv: q.Getenv, StateDir: q.StateDir, Silent: q.Silent}
	files := Files{ConfigDir: q.ConfigDir}
	return []source{
		{"--key-command", nil, q.fromCommand},
		{"$OPENAI_API_KEY", nil, q.fromEnvironment},
		{"$CREDENTIALS_DIRECTORY/openai-api-key", nil, q.fromCredentials},
		{"keyring", keyring, q.fromStore(keyring)},
		{files.Path(q.profile()), files, q.fromStore(files)},
	}
}

// How long a key command may go on after its first line, and how long it may
// take before Query.Waiting is called.
const (
	commandGrace = 10 * time.Second
	commandQuiet = 5 * time.Second
)

func (q Query) fromCommand(ctx context.Context) (Entry, error) {
	if q.Command == "" {
		return Entry{}, errNotGiven
	}
	c := command{q.Command, q.Stderr, commandGrace, commandQuiet, q.Waiting}
	line, err := c.firstLine(ctx)
	if err != nil {
		return Entry{}, err
	}
	return cleaned(line)
}

func (q Query) fromEnvironment(context.Context) (Entry, error) {
	if q.Named {
		return Entry{}, errPassedOver
	}
	value := q.Getenv("OPENAI_API_KEY")
	if value == "" {
		return Entry{}, errNotSet
	}
	return cleaned(value)
}

func (q Query) fromCredentials(context.Context) (Entry, error) {
	dir := q.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return Entry{}, errNotSet
	}
	f, _, err := openRegular(filepath.Join(dir, "openai-api-key"))
	if err != nil {
		return Entry{}, cause(err)
	}
	defer f.Close()
	text, err := readSome(f)
	if err != nil {
		return Entry{}, cause(err)
	}
	return cleaned(text)
}

// fromStore looks in a store and answers nothing that is bound elsewhere, and no
// login that has ended.
func (q Query) fromStore(s Store) func(context.Context) (Entry, error) {
	return func(ctx context.Context) (Entry, error) {
		entry, err := s.Get(ctx, q.profile())
		switch {
		case err != nil:
			return Entry{}, err
		case entry.Host != q.Host:
			return Entry{}, &BoundError{entry.Host, q.Host}
		case entry.OAuth != nil && entry.OAuth.Ended():
			return Entry{}, errEnded
		}
		return entry, nil
	}
}

func cleaned(text string) (Entry, error) {
	key, err := Clean(text)
	return Entry{Key: key}, err
}

// maxStored is more than a login has: two tokens of 16 KiB, and what stands
// around them.
const maxStored = 64 << 10

// readSome reads all of r, and refuses more than maxStored.
func readSome(r io.Reader) (string, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxStored+1))
	if err == nil && len(data) > maxStored {
		return "", &InvalidError{fmt.Sprintf("it is longer than %d KiB", maxStored>>10)}
	}
	return string(data), err
}

// cause is the system's own word, without the operation and path around it.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
