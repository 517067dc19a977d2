package keeper_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"gptpipe/pkg/hub"
	"gptpipe/pkg/hub/place"
	"gptpipe/pkg/hub/proto"
)

// oldKeeper is a keeper of an earlier version, which can but say so and leave. It prints its process id once it serves.
func oldKeeper(args []string) int {
	dir := args[0]
	lock, err := place.WaitLock(dir, place.OwnerLock)
	if err != nil {
		return 1
	}
	defer lock.Unlock()
	l, err := place.Listen(dir, "")
	if err != nil {
		return 1
	}
	defer l.Close()
	fmt.Println(os.Getpid())
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			return 1
		}
		r, w := bufio.NewReader(conn), bufio.NewWriter(conn)
		if _, err := proto.Read(r, proto.MaxHello); err != nil {
			return 1
		}
		mine := proto.Hello{Version: proto.Version - 1, Stays: len(args) > 1 && args[1] != "--cache"} // which a client adds
		proto.Write(w, proto.Frame{Code: proto.OpHello, Body: mine.Append(nil)})
		w.Flush()
		if f, err := proto.Read(r, proto.MaxHello); err == nil && f.Code == proto.OpStop {
			return 0 // the connection ends with the process, and not before the lock is given back
		}
		conn.Close()
	}
}

func startOld(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"old", dir}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// A program that is itself of another version is not started again and again.
func TestProgramOfAnotherVersion(t *testing.T) {
	dir := t.TempDir()
	c := config(dir)
	c.Command = []string{os.Args[0], "old", dir}
	if err := place.Prepare(dir); err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	_, err := hub.Open(t.Context(), c)
	if !errors.Is(err, hub.ErrVersion) || time.Since(before) > 5*time.Second { // ten is what others are waited for
		t.Errorf("after %v: %v", time.Since(before), err)
	}
	if err := hub.Retire(t.Context(), dir); err != nil {
		t.Error(err)
	}
}

func TestOlderKeeperIsReplaced(t *testing.T) {
	dir := t.TempDir()
	old := startOld(t, dir)
	c := open(t, dir)
	if err := old.Wait(); err != nil {
		t.Error("the older keeper:", err)
	}
	if err := c.Put(t.Context(), key("a"), []byte("a"), "", 0); err != nil {
		t.Error(err)
	}
}

// One that was started by hand is let be, by those who could replace it as by those who could not.
func TestOlderKeeperByHandStays(t *testing.T) {
	dir := t.TempDir()
	old := startOld(t, dir, "stays")
	for _, cfg := range []hub.Config{config(dir), {Dir: dir}} {
		_, err := hub.Open(t.Context(), cfg)
		if e, ok := errors.AsType[*hub.Error](err); !ok || !e.Permanent || !errors.Is(err, hub.ErrVersion) {
			t.Error(err)
		}
	}
	if err := hub.Retire(t.Context(), dir); !errors.Is(err, hub.ErrStays) {
		t.Error(err)
	}
	if err := hub.Stop(t.Context(), dir); err != nil {
		t.Error(err)
	}
	if err := old.Wait(); err != nil {
		t.Error("the older keeper:", err)
	}
	if err := hub.Stop(t.Context(), dir); !errors.Is(err, hub.ErrNoKeeper) {
		t.Error(err)
	}
}

// The keeper's own side: a client of a later version learns which one it meets, and can have it leave.
func TestLaterClient(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	later := func() *peer {
		p := dialRaw(t, dir)
		p.send(proto.OpHello, append(proto.Hello{Version: proto.Version + 1}.Append(nil), "and more"...))
		f, err := proto.Read(p.r, proto.MaxHello)
		if err != nil {
			t.Fatal(err)
		}
		if h, err := proto.ParseHello(f.Body); err != nil || h.Version != proto.Version || h.Stays {
			t.Fatalf("%+v, %v", h, err)
		}
		return p
	}
	p := later()
	p.send(proto.OpTotals, nil)
	if b, err := io.ReadAll(p.r); err != nil || len(b) > 0 {
		t.Errorf("it was answered: %q, %v", b, err)
	}
	p = later()
	p.send(proto.OpStop, nil)
	if _, err := io.ReadAll(p.r); err != nil {
		t.Error(err)
	}
	gone(t, dir)
}
