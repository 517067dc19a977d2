package place

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	socketFile = "keeper.sock"
	nameFile   = "socket"
	maxPath    = 107 // sun_path holds 108 bytes, one of them a NUL: unix(7)
)

// Socket returns the path of the keeper's socket of a cache folder, read from the folder. Without one it returns
// fs.ErrNotExist. That a path is returned does not mean that somebody listens.
func Socket(dir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, nameFile))
	if err != nil {
		return "", err
	}
	path := strings.TrimSuffix(string(b), "\n")
	if path == "" {
		return "", fs.ErrNotExist
	}
	if !filepath.IsAbs(path) {
		return filepath.Join(dir, path), nil
	}
	return path, nil
}

// A Listener is the keeper's socket.
type Listener struct {
	*net.UnixListener
	path string
	file fs.FileInfo
}

// Close stops listening and removes the socket, unless the folder was emptied meanwhile and another keeper's socket
// stands there.
func (l *Listener) Close() error {
	err := l.UnixListener.Close()
	if found, serr := os.Lstat(l.path); serr == nil && os.SameFile(found, l.file) {
		err = errors.Join(err, os.Remove(l.path))
	}
	return err
}

// Listen binds the keeper's socket of a cache folder at the first place that takes it, and names it in the folder.
// Only the holder of the owner's lock may call it, and a socket that stood there before is replaced. RuntimeDir is
// $XDG_RUNTIME_DIR, or "".
func Listen(dir, runtimeDir string) (*Listener, error) {
	var failed error
	for _, path := range candidates(dir, runtimeDir) {
		l, err := bind(path)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if filepath.Dir(path) == dir {
			path = socketFile // relative, for a folder that is seen elsewhere in a container
		}
		if err := replace(filepath.Join(dir, nameFile), path+"\n"); err != nil {
			l.Close()
			return nil, err
		}
		return l, nil
	}
	return nil, failed
}

func candidates(dir, runtimeDir string) []string {
	// Several cache folders of one user may need a socket in the same place.
	sum := sha256.Sum256([]byte(dir))
	name := fmt.Sprintf("%x.sock", sum[:8])
	paths := []string{filepath.Join(dir, socketFile)}
	if runtimeDir != "" {
		paths = append(paths, filepath.Join(runtimeDir, "gptpipe", name))
	}
	return append(paths, filepath.Join(os.TempDir(), fmt.Sprintf("gptpipe-%d", os.Geteuid()), name))
}

// bind listens under another name first, so that path is never a socket that does not answer yet.
func bind(path string) (*Listener, error) {
	fresh := path + ".new"
	if len(fresh) > maxPath {
		return nil, &fs.PathError{Op: "bind", Path: path, Err: syscall.ENAMETOOLONG}
	}
	if err := Prepare(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: fresh, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	file, err := os.Lstat(fresh)
	if err := errors.Join(err, os.Chmod(fresh, 0o600), os.Rename(fresh, path)); err != nil {
		l.Close()
		return nil, err
	}
	return &Listener{l, path, file}, nil
}

// replace writes a small file atomically.
func replace(path, text string) error {
	fresh := path + ".new"
	if err := os.WriteFile(fresh, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

// CheckPeer returns ErrForeign unless the process at the other end of a connection is this user's: for a client, the
// one that listened; for a keeper, the one that connected (SO_PEERCRED, unix(7)).
func CheckPeer(c *net.UnixConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var cred *syscall.Ucred
	if cerr := raw.Control(func(fd uintptr) {
		cred, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); cerr != nil {
		return cerr
	}
	if err != nil {
		return err
	}
	if int(cred.Uid) != os.Geteuid() {
		return fmt.Errorf("process %d at the other end %w", cred.Pid, ErrForeign)
	}
	return nil
}
