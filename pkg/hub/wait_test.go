package hub

import (
	"bufio"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gptpipe/pkg/hub/proto"
)

// grantingKeeper grants and starts whatever is asked for, and hands on all that it reads, with the number of the
// connection. A connection ends when it is told so.
func grantingKeeper(t *testing.T, life time.Duration) (dir string, frames <-chan numbered, end chan<- bool) {
	read, ends, n := make(chan numbered, 100), make(chan bool), 0
	dir = fakeKeeper(t, helloBody, func(r *bufio.Reader, conn net.Conn) {
		n++
		mine := n
		go func() {
			<-ends
			conn.Close()
		}()
		for {
			f, err := proto.Read(r, proto.MaxFrame)
			if err != nil {
				return
			}
			read <- numbered{mine, f}
			reply := proto.Frame{Code: proto.OK, ID: f.ID}
			switch f.Code {
			case proto.OpAsk:
				reply.Code, reply.Body = proto.Granted, proto.Count(life).Append(nil)
			case proto.OpStart:
				reply.Code, reply.Body = proto.Paced, proto.Grant{At: proto.Clock(), Good: time.Hour}.Append(nil)
			}
			write(conn, reply)
		}
	})
	t.Cleanup(func() { close(ends) })
	return dir, read, ends
}

type numbered struct {
	connection int
	proto.Frame
}

// When the connection breaks, another is made without a call, and what the client holds is told on it first.
func TestHeldThingsAreToldFirst(t *testing.T) {
	dir, frames, end := grantingKeeper(t, time.Hour)
	c, err := Open(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var leases []*Lease
	for i := range 3 {
		_, lease, err := c.Ask(t.Context(), Key{byte(i)})
		if lease == nil || err != nil {
			t.Fatal(lease, err)
		}
		leases = append(leases, lease)
	}
	limited, free := Budget{Name: "limited", PerSecond: 5}, Budget{Name: "free"}
	for _, b := range []Budget{limited, free} {
		if _, err := c.Start(t.Context(), b, 0); err != nil {
			t.Fatal(err)
		}
	}
	leases[0].Release()
	if err := c.Put(t.Context(), Key{1}, nil, "", 0); err != nil {
		t.Fatal(err)
	}
	end <- true

	var told []numbered
	for f := range frames {
		if f.connection == 2 {
			if told = append(told, f); len(told) == 2 {
				break
			}
		}
	}
	asks, err := proto.ParseAsks(told[0].Body)
	if told[0].Code != proto.OpRetake || err != nil || !slices.Equal(asks, proto.Asks{leases[2].ask}) {
		t.Errorf("first: operation %d, %+v, %v", told[0].Code, asks, err)
	}
	budgets, err := proto.ParseBudgets(told[1].Body)
	if told[1].Code != proto.OpUse || err != nil || !slices.Equal(budgets, proto.Budgets{limited}) {
		t.Errorf("then: operation %d, %+v, %v", told[1].Code, budgets, err)
	}
}

// Leases are renewed, all with one message and in good time, for as long as there are any.
func TestRenewal(t *testing.T) {
	const life = 60 * time.Millisecond
	dir, frames, _ := grantingKeeper(t, life)
	c, err := Open(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, a, _ := c.Ask(t.Context(), Key{1})
	_, b, _ := c.Ask(t.Context(), Key{2})
	for renewals := 0; renewals < 3; {
		if f := <-frames; f.Code == proto.OpRenew {
			renewals++
		}
	}
	a.Release()
	b.Release()
	c.mu.Lock()
	running := c.renewing
	c.mu.Unlock()
	if running || c.renewal.Stop() {
		t.Error("the timer runs, and there is nothing to renew")
	}
}

// What is posted while there is no connection goes out on the next, after what the client holds.
func TestPostedWhileBroken(t *testing.T) {
	dir, frames, end := grantingKeeper(t, time.Hour)
	c, err := Open(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	l, _ := c.current()
	end <- true
	<-l.down
	b := Budget{Name: "b"}
	c.Settle(b, 0, 5, 0)
	c.Hold(b, time.Second)
	c.Hold(b, -time.Second)
	if _, err := c.Totals(t.Context()); err == nil { // which makes a connection; the reply is none
		t.Error("a reply without counts")
	}
	var codes []byte
	for f := range frames {
		if codes = append(codes, f.Code); f.Code == proto.OpTotals {
			break
		}
	}
	if !slices.Equal(codes, []byte{proto.OpSettle, proto.OpHold, proto.OpTotals}) {
		t.Errorf("operations %d", codes)
	}
}

// A keeper that says that starts need not be asked for is not asked, until it says otherwise; and that may overtake what
// it said before.
func TestStartsThatNeedNotBeAskedFor(t *testing.T) {
	const name = "b"
	asked, heard := make(chan net.Conn), make(chan bool)
	dir := fakeKeeper(t, helloBody, func(r *bufio.Reader, conn net.Conn) {
		epoch := uint64(0)
		for {
			f, err := proto.Read(r, proto.MaxFrame)
			if err != nil {
				return
			}
			switch f.Code {
			case proto.OpStart:
				if epoch++; epoch == 2 { // overtaken by its own end
					write(conn, proto.Frame{Code: proto.Limited, Body: proto.Free{Epoch: 3, Name: name}.Append(nil)})
				}
				write(conn, proto.Frame{Code: proto.OK, ID: f.ID, Body: proto.Free{Epoch: epoch, Name: name}.Append(nil)})
				asked <- conn
			case proto.OpUse:
				heard <- true
			}
		}
	})
	c, err := Open(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	start := func(b Budget) {
		t.Helper()
		if reserved, err := c.Start(t.Context(), b, 10); reserved || err != nil {
			t.Error(reserved, err)
		}
	}
	ask := func(b Budget) (conn net.Conn) {
		t.Helper()
		done := make(chan bool)
		go func() { start(b); close(done) }()
		conn = <-asked
		<-done
		return conn
	}
	b := Budget{Name: name}
	conn := ask(b)
	start(b)
	start(b)
	ask(Budget{Name: "another"})
	<-heard // the second reply was for the other budget, and so was not overtaken
	ask(b)
	start(b)
	write(conn, proto.Frame{Code: proto.Limited, Body: proto.Free{Epoch: 9, Name: name}.Append(nil)})
	<-heard
	ask(b)
	ask(b)
	ask(Budget{Name: name, PerSecond: 5})
}

// A grant that comes later than it is good for is given back and asked for again, unless all come so, or the keeper's
// clock is another.
func TestLateGrants(t *testing.T) {
	const never, always = -time.Second, time.Hour
	grants := make(chan proto.Grant, maxGrants)
	ops := make(chan byte, 100)
	dir := fakeKeeper(t, helloBody, func(r *bufio.Reader, conn net.Conn) {
		for {
			f, err := proto.Read(r, proto.MaxFrame)
			if err != nil {
				return
			}
			if ops <- f.Code; f.Code == proto.OpStart {
				g := <-grants
				g.At += proto.Clock()
				write(conn, proto.Frame{Code: proto.Paced, ID: f.ID, Body: g.Append(nil)})
			} else {
				write(conn, proto.Frame{Code: proto.OK, ID: f.ID})
			}
		}
	})
	c, err := Open(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	start := func(want string, list ...proto.Grant) {
		t.Helper()
		for _, g := range list {
			grants <- g
		}
		if reserved, err := c.Start(t.Context(), Budget{Name: "b", PerSecond: 5}, 10); !reserved || err != nil {
			t.Fatal(reserved, err)
		}
		c.Get(t.Context(), Key{}) // after which all has been read
		var got string
		for op := range ops {
			switch op {
			case proto.OpStart:
				got += "S"
				continue
			case proto.OpForget:
				got += "F"
				continue
			case proto.OpUse:
				continue
			}
			break
		}
		if got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
	start("S", proto.Grant{Good: always})
	start("SFSFS", proto.Grant{Good: never}, proto.Grant{Good: never}, proto.Grant{Good: always})
	start("S", proto.Grant{At: -24 * time.Hour, Good: time.Second})
	start("S", proto.Grant{At: 24 * time.Hour, Good: time.Second})
	start(strings.Repeat("SF", maxGrants-1)+"S", slices.Repeat([]proto.Grant{{Good: never}}, maxGrants)...)
}

// However much is posted, all of it goes out, in order, before a client closes; a keeper that reads nothing is not waited
// for for ever.
func TestClosePosted(t *testing.T) {
	for _, reads := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			mine, theirs := net.Pipe()
			const posted = 1000
			read := make(chan []uint64, 1)
			go func() {
				defer theirs.Close()
				var settled []uint64
				for r := bufio.NewReader(theirs); reads; {
					f, err := proto.Read(r, proto.MaxFrame)
					if err != nil {
						break
					}
					if f.Code == proto.OpRenew {
						write(theirs, proto.Frame{Code: proto.OK, ID: f.ID})
						continue
					}
					s, err := proto.ParseSettle(f.Body)
					if f.Code != proto.OpSettle || err != nil {
						t.Errorf("operation %d, %v", f.Code, err)
					}
					settled = append(settled, s.Used)
				}
				if !reads {
					time.Sleep(time.Hour)
				}
				read <- settled
			}()
			c := &Client{link: newLink(mine, bufio.NewReader(mine), "", nil)}
			c.share()
			for n := range posted {
				c.Settle(Budget{Name: "b"}, 1, n, 0)
			}
			begin := time.Now()
			c.Close()
			if waited := time.Since(begin); waited > lastWords {
				t.Errorf("closed after %v", waited)
			}
			if settled := <-read; reads && (len(settled) != posted || !slices.IsSorted(settled)) {
				t.Errorf("%d of %d arrived, in order: %v", len(settled), posted, slices.IsSorted(settled))
			}
		})
	}
}
