package keeper_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
	"testing"

	"gptpipe/pkg/hub/proto"
)

func TestGarbageEndsOnlyItsConnection(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	before := pid(t, c)
	noise := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{}).Read(noise)

	long := binary.LittleEndian.AppendUint32(nil, proto.MaxFrame+1)
	for name, b := range map[string][]byte{
		"noise":      noise,
		"http":       []byte("GET / HTTP/1.1\r\n\r\n"),
		"long hello": binary.LittleEndian.AppendUint32(nil, proto.MaxHello+1),
		"no magic":   append(binary.LittleEndian.AppendUint32(nil, 9+16), make([]byte, 9+16)...),
	} {
		p := dialRaw(t, dir)
		p.conn.Write(b)
		if got, err := io.ReadAll(p.r); len(got) > 0 {
			t.Errorf("%s before the hello: %q, %v", name, got, err)
		}
	}
	for name, b := range map[string][]byte{"noise": noise, "long": long, "short": {1, 0, 0, 0, 0}} {
		p := speak(t, dir)
		p.conn.Write(b)
		if got, err := io.ReadAll(p.r); len(got) > 0 {
			t.Errorf("%s after the hello: %q, %v", name, got, err)
		}
	}
	for name, m := range map[string]proto.Frame{
		"get of half a key": {Code: proto.OpGet, Body: make([]byte, 16)},
		"put of nothing":    {Code: proto.OpPut},
		"model of 2 KiB":    {Code: proto.OpPut, Body: proto.Put{Model: string(make([]byte, 2048))}.Append(nil)},
		"not a number":      {Code: proto.OpAdd, Body: proto.Add{Seq: 1, Deltas: map[string]float64{"n": math.NaN()}}.Append(nil)},
		"cut counts":        {Code: proto.OpAdd, Body: append(make([]byte, 8), 200, 200, 1)},
		"cut purge":         {Code: proto.OpPurge, Body: make([]byte, 8)},
	} {
		p := speak(t, dir)
		p.send(m.Code, m.Body)
		if got, err := io.ReadAll(p.r); len(got) > 0 {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}

	// An operation of a later version is told apart from garbage.
	p := speak(t, dir)
	p.send(200, []byte("lease"))
	if f, err := proto.Read(p.r, proto.MaxFrame); err != nil || f.Code != proto.Unknown || f.ID != 7 {
		t.Errorf("unknown operation: %+v, %v", f, err)
	}
	p.send(proto.OpTotals, nil)
	if f, err := proto.Read(p.r, proto.MaxFrame); err != nil || f.Code != proto.OK {
		t.Errorf("after an unknown operation: %+v, %v", f, err)
	}

	if err := c.Put(t.Context(), key("a"), []byte("x"), "", 0); err != nil {
		t.Fatal(err)
	}
	if got, ok, err := c.Get(t.Context(), key("a")); !ok || err != nil || !bytes.Equal(got, []byte("x")) {
		t.Error(ok, err)
	}
	if after := pid(t, c); after != before {
		t.Error("another keeper")
	}
}
