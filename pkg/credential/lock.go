package credential

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"gptpipe/pkg/oauth"
)

// pause is how long a refresh that failed is not tried again.
const pause = 10 * time.Second

// lockPatience is how long a lock is waited for; a variable for tests.
var lockPatience = 10 * time.Second

// lockPoll is how long is waited between two looks at a lock, at most.
const lockPoll = 50 * time.Millisecond

// ErrNoStateDir says that there is nowhere to keep a lock.
var ErrNoStateDir = errors.New("no folder of state: neither $HOME nor $XDG_STATE_HOME is set")

// A BusyError is a login whose lock another process holds for too long.
type BusyError struct {
	Path   string
	Waited time.Duration
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("another process has held the login's lock for %v: %s", e.Waited, e.Path)
}

// A LockFile is a held lock on a login. It ends with Close, or with the process.
type LockFile struct{ file *os.File }

// Lock waits for the lock of what s has for profile, until ctx ends, and for
// 10 s at most: then it fails with *BusyError. The file is made, for this user
// alone, and is never removed: others may be waiting for it. Who takes the locks
// of several stores takes them in the order in which keys are looked for.
//
// A file's lock is beside it, and without its folder there is none. That of the
// keyring is in a folder under $HOME, or in Keyring.StateDir without that
// variable, which is made; without either it is ErrNoStateDir.
func Lock(ctx context.Context, s Store, profile string) (*LockFile, error) {
	return lock(ctx, s, profile, lockPatience)
}

func lock(ctx context.Context, s Store, profile string, patience time.Duration) (*LockFile, error) {
	path := s.lockPath(profile)
	if !filepath.IsAbs(path) {
		return nil, ErrNoStateDir
	}
	if _, ok := s.(Keyring); ok {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(ctx, f, patience); err != nil {
		f.Close()
		return nil, err
	}
	return &LockFile{f}, nil
}

// flock looks again and again: a system call that waits cannot be given up.
func flock(ctx context.Context, f *os.File, patience time.Duration) error {
	late := time.After(patience)
	for wait := time.Millisecond; ; wait = min(2*wait, lockPoll) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR):
			return &os.PathError{Op: "flock", Path: f.Name(), Err: err}
		}
		select {
		case <-time.After(wait):
		case <-late:
			return &BusyError{f.Name(), patience}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close gives the lock back.
func (l *LockFile) Close() error { return l.file.Close() }

// keep writes down that e could not be refreshed. It is a courtesy to the
// server: where it cannot be written, others ask once more. So they do where the
// server was not reached, which may be so for this process alone. A nil l is no
// lock.
func (l *LockFile) keep(e Entry, err error) {
	var lost *oauth.NetworkError
	network := errors.As(err, &lost)
	if l == nil || network && !lost.Reached() {
		return
	}
	f := failure{
		Login: e.fingerprint(), At: time.Now(), Text: err.Error(),
		Ended: errors.Is(err, oauth.ErrEnded), Network: network,
	}
	errors.As(err, &f.Refusal)
	data, err := json.Marshal(f)
	if err == nil && l.file.Truncate(0) == nil {
		l.file.WriteAt(data, 0)
	}
}

// repeated answers the failure to refresh e of a moment ago, if there was one.
func (l *LockFile) repeated(e Entry) error {
	if l == nil {
		return nil
	}
	var f failure
	data, err := io.ReadAll(io.NewSectionReader(l.file, 0, maxStored))
	if err != nil || json.Unmarshal(data, &f) != nil || f.Login != e.fingerprint() {
		return nil
	}
	if age := time.Since(f.At); age < 0 || age > pause {
		return nil
	}
	return f.error()
}

// fingerprint tells logins apart without showing them.
func (e Entry) fingerprint() string {
	sum := sha256.Sum256([]byte(e.Key + "\n" + e.OAuth.Refresh))
	return hex.EncodeToString(sum[:8])
}
