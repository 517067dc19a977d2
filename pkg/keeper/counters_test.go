package keeper_test

import (
	"bufio"
	"context"
	"net"
	"syscall"
	"testing"
	"time"

	"gptpipe/pkg/hub/place"
	"gptpipe/pkg/hub/proto"
)

func TestCountersOutliveTheKeeper(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	ctx := t.Context()
	for range 3 {
		if _, err := c.Add(ctx, map[string]float64{"a": 1, "b": 0.5}, nil); err != nil {
			t.Fatal(err)
		}
	}
	stop(t, dir)
	got, err := c.Add(ctx, map[string]float64{"a": 1}, nil)
	if err != nil || got["a"] != 4 || got["b"] != 1.5 || len(got) != 2 {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := c.Add(ctx, nil, nil); err != nil || got["a"] != 4 {
		t.Errorf("%v, %v", got, err)
	}
}

// The same Add, sent again on another connection and to another keeper, is counted once.
func TestAddIsCountedOnce(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	send := func(seq uint64) {
		t.Helper()
		p := speak(t, dir)
		p.send(proto.OpAdd, proto.Add{Seq: seq, Deltas: map[string]float64{"n": 1}}.Append(nil))
		if f, err := proto.Read(p.r, proto.MaxFrame); err != nil || f.Code != proto.OK {
			t.Fatal(f, err)
		}
	}
	send(1)
	send(1)
	send(2)
	stop(t, dir)
	if m, err := c.Totals(t.Context()); err != nil || m["n"] != 2 { // and a keeper is there again
		t.Fatal(m, err)
	}
	send(2)
	send(3)
	if m, err := c.Totals(t.Context()); err != nil || m["n"] != 3 {
		t.Error(m, err)
	}
}

func TestAddAcrossKills(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	last := 0.0
	for range 5 {
		m, err := c.Add(t.Context(), map[string]float64{"n": 1}, nil)
		if err != nil || m["n"] > last+1 {
			t.Fatalf("after %v: %v, %v", last, m, err)
		}
		last = m["n"]
		syscall.Kill(pid(t, c), syscall.SIGKILL)
	}
}

// A peer speaks the protocol by hand.
type peer struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func dialRaw(t *testing.T, dir string) *peer {
	t.Helper()
	path, err := place.Socket(dir)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &peer{t, conn, bufio.NewReader(conn)}
}

func speak(t *testing.T, dir string) *peer {
	t.Helper()
	p := dialRaw(t, dir)
	p.send(proto.OpHello, proto.Hello{Version: proto.Version, Session: [16]byte{1}}.Append(nil))
	if f, err := proto.Read(p.r, proto.MaxHello); err != nil || f.Code != proto.OpHello {
		t.Fatal(f, err)
	}
	return p
}

func (p *peer) send(op byte, body []byte) {
	w := bufio.NewWriter(p.conn)
	proto.Write(w, proto.Frame{Code: op, ID: 7, Body: body})
	w.Flush() // a keeper that hung up is seen when its answer is read
}

// What is added while the keeper does not answer is counted once when it does, whatever had reached it.
func TestAddsToAStoppedKeeper(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := openAll(t, dir, 1)[0]
	p := pid(t, c)
	suspend(t, p)
	want := 0.0
	for n := range 8 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, err := c.Add(ctx, map[string]float64{"n": float64(n)}, nil); err == nil {
			t.Error("a stopped keeper has answered")
		}
		cancel()
		want += float64(n)
	}
	syscall.Kill(p, syscall.SIGCONT)
	totals, err := c.Add(t.Context(), map[string]float64{"n": 100}, nil)
	if err != nil || totals["n"] != want+100 {
		t.Errorf("%v, not %v; error %v", totals["n"], want+100, err)
	}
	if totals, err := c.Totals(t.Context()); err != nil || totals["n"] != want+100 {
		t.Errorf("%v, not %v; error %v", totals["n"], want+100, err)
	}
}
