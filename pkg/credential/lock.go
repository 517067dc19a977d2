package credential

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"gptpipe/pkg/oauth"
)

// pause is how long a refresh that failed is not tried again.
const pause = 10 * time.Second

var errNoStateDir = errors.New("no folder of state: neither $XDG_STATE_HOME nor $HOME is set")

// A LockFile is a held lock on a login. It ends with Close, or with the process.
type LockFile struct{ file *os.File }

// Lock waits for the lock at path, in the order of those who ask, until ctx
// ends. File and folder are made, for this user alone.
func Lock(ctx context.Context, path string) (*LockFile, error) {
	if !filepath.IsAbs(path) {
		return nil, errNoStateDir
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() {
		err := error(syscall.EINTR)
		for errors.Is(err, syscall.EINTR) {
			err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		}
		done <- err
	}()
	select {
	case err = <-done:
	case <-ctx.Done():
		// The system call cannot be ended: whoever holds the lock ends it.
		go func() { <-done; f.Close() }()
		return nil, ctx.Err()
	}
	if err != nil {
		f.Close()
		return nil, &os.PathError{Op: "flock", Path: path, Err: err}
	}
	return &LockFile{f}, nil
}

// Close gives the lock back.
func (l *LockFile) Close() error { return l.file.Close() }

// keep writes down that e could not be refreshed. It is a courtesy to the
// server: where it cannot be written, others ask once more.
func (l *LockFile) keep(e Entry, err error) {
	f := failure{Login: e.fingerprint(), At: time.Now(), Ended: errors.Is(err, oauth.ErrEnded), Text: err.Error()}
	errors.As(err, &f.Refusal)
	data, err := json.Marshal(f)
	if err == nil && l.file.Truncate(0) == nil {
		l.file.WriteAt(data, 0)
	}
}

// repeated answers the failure to refresh e of a moment ago, if there was one.
func (l *LockFile) repeated(e Entry) error {
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
