package place

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

const (
	socketFile = "keeper.sock"
	nameFile   = "socket"
	maxPath    = 107 // sun_path holds 108 bytes, one of them a NUL: unix(7)
)

// Socket returns the path of the keeper's socket of a cache folder, read from the folder; while no keeper has ever named
// one there, the first of the places where it may be, for systemd to listen there. Without one it returns
// fs.ErrNotExist. That a path is returned does not mean that somebody listens.
func Socket(dir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, nameFile))
	if errors.Is(err, fs.ErrNotExist) {
		path := filepath.Join(dir, socketFile)
		if _, err := os.Lstat(path); err != nil {
			return "", err
		}
		return path, nil
	}
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
	file fs.FileInfo // nil: somebody else's, which stays
}

// Close stops listening and removes the socket, unless the folder was emptied meanwhile and another keeper's socket
// stands there, or it was adopted.
func (l *Listener) Close() error {
	err := l.UnixListener.Close()
	if l.file == nil {
		return err
	}
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
		if err := name(dir, path); err != nil {
			l.Close()
			return nil, err
		}
		return l, nil
	}
	return nil, failed
}

// Adopt names in a cache folder a socket that somebody else has bound, as systemd does (sd_listen_fds(3)), and makes it
// the keeper's.
func Adopt(dir string, l *net.UnixListener) (*Listener, error) {
	path := l.Addr().String()
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("the socket that was passed has the address %q and not a path", path)
	}
	if err := name(dir, path); err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	return &Listener{UnixListener: l}, nil
}

// name writes into a cache folder where its socket is. A disk that is full may have no room for that. Then the file
// goes, for without it the socket is looked for in the folder, or is written where it stands, for which there is room if
// it is the number of files that is used up.
func name(dir, path string) error {
	file, within := filepath.Join(dir, nameFile), filepath.Dir(path) == dir
	if within {
		path = filepath.Base(path) // relative, for a folder that is seen elsewhere in a container
	}
	if b, err := os.ReadFile(file); err == nil && string(b) == path+"\n" {
		return nil
	}
	err := replace(file, path+"\n")
	switch {
	case !errors.Is(err, syscall.ENOSPC):
	case !within:
		err = os.WriteFile(file, []byte(path+"\n"), 0o600)
	default:
		if err = os.Remove(file); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	return err
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
	err := os.WriteFile(fresh, []byte(text), 0o600)
	if err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		os.Remove(fresh)
	}
	return err
}

// CheckPeer returns ErrForeign unless the process that connected is this user's (SO_PEERCRED, unix(7)).
func CheckPeer(c *net.UnixConn) error { return checkPeer(c, os.Geteuid()) }

// CheckListener returns ErrForeign unless the process that listened is this user's, or root's: a socket of the system's
// systemd is bound by root for the user that it names.
func CheckListener(c *net.UnixConn) error { return checkPeer(c, os.Geteuid(), 0) }

func checkPeer(c *net.UnixConn, allowed ...int) error {
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
	if !slices.Contains(allowed, int(cred.Uid)) {
		return fmt.Errorf("process %d at the other end %w", cred.Pid, ErrForeign)
	}
	return nil
}
