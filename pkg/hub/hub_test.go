package hub

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"gptpipe/pkg/hub/place"
	"gptpipe/pkg/hub/proto"
)

func TestPermanentErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	keeper := []string{"/bin/false"}
	for name, c := range map[string]struct {
		config Config
		want   error
	}{
		"no command":       {Config{Dir: t.TempDir()}, ErrNoKeeper},
		"command missing":  {Config{Dir: t.TempDir(), Command: []string{"/nonexistent/gpt-cache", "serve"}}, ErrNoKeeper},
		"command fails":    {Config{Dir: t.TempDir(), Command: keeper}, ErrKeeperFailed},
		"below a file":     {Config{Dir: filepath.Join(file, "cache"), Command: keeper}, syscall.ENOTDIR},
		"the root's /tmp":  {Config{Dir: os.TempDir(), Command: keeper}, nil}, // ErrShared for root, ErrForeign else
		"not in any place": {Config{Dir: "/proc/gptpipe", Command: keeper}, fs.ErrNotExist},
	} {
		_, err := Open(t.Context(), c.config)
		e, ok := errors.AsType[*Error](err)
		if !ok || !e.Permanent || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestReadOnlyFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	got := make(chan error)
	go func() {
		if os.Geteuid() == 0 {
			// Root may write everywhere. This thread may not from here on, and ends with this goroutine.
			runtime.LockOSThread()
			syscall.Setfsuid(65534)
			if os.Chmod(dir, 0o500) == nil {
				got <- nil
				return
			}
		}
		_, err := Open(t.Context(), Config{Dir: dir, Command: []string{"/bin/true"}})
		got <- err
	}()
	err := <-got
	if err == nil {
		t.Skip("cannot be other than root")
	}
	if e, ok := errors.AsType[*Error](err); !ok || !e.Permanent || !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
}

// A keeper that leaves at once each time, as one does that loses to another, is no permanent failure: it is tried
// again until the context ends.
func TestKeeperThatLeaves(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := Open(ctx, Config{Dir: t.TempDir(), Command: []string{"/bin/true"}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// One that crashes is tried again a few times, because the next can be better off. See the keeper's tests for one that is.
func TestKeeperThatCrashes(t *testing.T) {
	runs := filepath.Join(t.TempDir(), "runs")
	_, err := Open(t.Context(), Config{Dir: t.TempDir(), Command: []string{"/bin/sh", "-c", "echo >>" + runs + "; exit 2"}})
	if e, ok := errors.AsType[*Error](err); !ok || !e.Permanent || !errors.Is(err, ErrKeeperFailed) {
		t.Error(err)
	}
	if b, err := os.ReadFile(runs); err != nil || len(b) != 1+tries {
		t.Errorf("it was started %d times, %v", len(b), err)
	}
}

// fakeKeeper serves a folder: it answers each hello with hello, and then hands the connection over.
func fakeKeeper(t *testing.T, hello []byte, serve func(r *bufio.Reader, conn net.Conn)) (dir string) {
	t.Helper()
	dir = t.TempDir()
	l, err := place.Listen(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				if _, err := proto.Read(r, proto.MaxHello); err != nil {
					return
				}
				write(conn, proto.Frame{Code: proto.OpHello, Body: hello})
				serve(r, conn)
			}()
		}
	}()
	return dir
}

func write(conn net.Conn, f proto.Frame) {
	w := bufio.NewWriter(conn)
	proto.Write(w, f)
	w.Flush()
}

var helloBody = proto.Hello{Version: proto.Version}.Append(nil)

func TestOtherVersion(t *testing.T) {
	for name, c := range map[string]struct {
		hello []byte
		want  error
	}{
		"later":  {append(proto.Hello{Version: proto.Version + 1}.Append(nil), "more"...), ErrVersion},
		"no hub": {[]byte("220 smtp ready\r\n"), proto.ErrMessage},
	} {
		dir := fakeKeeper(t, c.hello, func(*bufio.Reader, net.Conn) {})
		_, err := Open(t.Context(), Config{Dir: dir, Command: []string{"/bin/false"}})
		if e, ok := errors.AsType[*Error](err); !ok || !e.Permanent || !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Replies that come in another order than the requests reach the callers they are for.
func TestRepliesInAnyOrder(t *testing.T) {
	const callers = 16
	dir := fakeKeeper(t, helloBody, func(r *bufio.Reader, conn net.Conn) {
		var requests []proto.Frame
		for range callers {
			f, err := proto.Read(r, proto.MaxFrame)
			if err != nil {
				t.Error(err)
				return
			}
			requests = append(requests, f)
		}
		for i := range requests {
			f := requests[callers-1-i]
			write(conn, proto.Frame{Code: proto.OK, ID: f.ID, Body: f.Body})
		}
		proto.Read(r, proto.MaxFrame)
	})
	c, err := Open(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	done := make(chan bool)
	for i := range callers {
		go func() {
			k := Key{byte(i)}
			v, ok, err := c.Get(t.Context(), k)
			done <- ok && err == nil && Key(v) == k
		}()
	}
	for range callers {
		if !<-done {
			t.Error("a reply reached another caller")
		}
	}
}

// A request whose connection breaks is sent again, and not for ever.
func TestResend(t *testing.T) {
	seen := make(chan proto.Frame, 10)
	dir := fakeKeeper(t, helloBody, func(r *bufio.Reader, conn net.Conn) {
		f, err := proto.Read(r, proto.MaxFrame)
		if err == nil {
			seen <- f
		}
	})
	c, err := Open(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Add(t.Context(), map[string]float64{"n": 1}, nil)
	if e, ok := errors.AsType[*Error](err); !ok || e.Permanent || !errors.Is(err, ErrLost) {
		t.Error(err)
	}
	n := len(seen)
	for range n {
		f := <-seen
		if a, err := proto.ParseAdd(f.Body); err != nil || a.Seq != 1 {
			t.Error(a, err) // the same number each time, so that it is counted once
		}
	}
	if n != 1+resends {
		t.Errorf("sent %d times", n)
	}
}

func TestClose(t *testing.T) {
	asked := make(chan bool)
	dir := fakeKeeper(t, helloBody, func(r *bufio.Reader, conn net.Conn) {
		proto.Read(r, proto.MaxFrame)
		asked <- true
		proto.Read(r, proto.MaxFrame) // and no reply
	})
	c, err := Open(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error)
	go func() {
		_, err := c.Totals(t.Context())
		got <- err
	}()
	<-asked
	c.Close()
	if err := <-got; !errors.Is(err, ErrClosed) {
		t.Error("under way:", err)
	}
	if _, _, err := c.Get(t.Context(), Key{}); !errors.Is(err, ErrClosed) {
		t.Error("after:", err)
	}
}

func TestRefusals(t *testing.T) {
	code := make(chan byte, 1)
	dir := fakeKeeper(t, helloBody, func(r *bufio.Reader, conn net.Conn) {
		for {
			f, err := proto.Read(r, proto.MaxFrame)
			if err != nil {
				return
			}
			write(conn, proto.Frame{Code: <-code, ID: f.ID, Body: []byte("no such thing")})
		}
	})
	c, err := Open(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for status, want := range map[byte]error{proto.NoSpace: ErrNoSpace, proto.Failed: ErrRefused, proto.Unknown: ErrRefused} {
		code <- status
		err := c.Put(t.Context(), Key{}, nil, "", 0)
		if e, ok := errors.AsType[*Error](err); !ok || e.Permanent || !errors.Is(err, want) {
			t.Errorf("status %d: %v", status, err)
		}
		if want == ErrRefused && !strings.Contains(err.Error(), "no such thing") {
			t.Errorf("the keeper's words are lost: %v", err)
		}
	}
}
