package credential

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
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
	errPassedOver = errors.New("passed over, for a profile is named")
)

func (q Query) sources() []source {
	keyring, files := Keyring{Getenv: q.Getenv, Silent: q.Silent}, Files{ConfigDir: q.ConfigDir}
	return []source{
		{"--key-command", nil, q.fromCommand},
		{"$OPENAI_API_KEY", nil, q.fromEnvironment},
		{"$CREDENTIALS_DIRECTORY/openai-api-key", nil, q.fromCredentials},
		{"keyring", keyring, q.fromStore(keyring)},
		{files.Path(q.profile()), files, q.fromStore(files)},
	}
}

func (q Query) fromCommand(ctx context.Context) (Entry, error) {
	if q.Command == "" {
		return Entry{}, errNotGiven
	}
	line, err := firstLine(ctx, q.Command, q.Stderr)
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
	f, err := os.Open(filepath.Join(dir, "openai-api-key"))
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

// fromStore looks in a store and answers nothing that is bound elsewhere.
func (q Query) fromStore(s Store) func(context.Context) (Entry, error) {
	return func(ctx context.Context) (Entry, error) {
		entry, err := s.Get(ctx, q.profile())
		switch {
		case err != nil:
			return Entry{}, err
		case entry.Host != q.Host:
			return Entry{}, &BoundError{entry.Host}
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

// readSome reads more than any key has, and not without end.
func readSome(r io.Reader) (string, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxStored))
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
