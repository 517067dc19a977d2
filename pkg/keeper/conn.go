package keeper

import (
	"bufio"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"gptpipe/pkg/hub/place"
	"gptpipe/pkg/hub/proto"
)

const (
	helloTimeout = 5 * time.Second
	inFlight     = 64      // requests of one connection that are worked on at once
	large        = 1 << 20 // bytes of a request that is worked on alone
)

// serve speaks with one client until it leaves, sends what is no request, or the keeper leaves.
func (k *keeper) serve(conn *net.UnixConn) {
	defer conn.Close()
	if place.CheckPeer(conn) != nil {
		return
	}
	r := bufio.NewReaderSize(conn, 64<<10)
	hello, err := k.greet(conn, r)
	if err != nil || hello.Version != proto.Version {
		return
	}
	session := hello.Session
	if !k.join(conn) {
		return
	}
	defer k.quit(conn)

	replies := make(chan proto.Frame, inFlight)
	written := make(chan struct{})
	go func() {
		defer close(written)
		if proto.WriteAll(conn, replies, nil) != nil {
			conn.CloseRead()
			for range replies { // nobody takes them any more, but those who make them must not wait
			}
		}
	}()
	k.requests(conn, r, session, replies)
	close(replies)
	<-written
	k.draining.Done()

	select {
	case <-k.leaving:
		<-k.closed
	default:
	}
}

// greet exchanges hellos. A client of another version can only have the keeper leave, and has done so or not when greet
// returns.
func (k *keeper) greet(conn *net.UnixConn, r *bufio.Reader) (hello proto.Hello, err error) {
	conn.SetDeadline(time.Now().Add(helloTimeout))
	f, err := proto.Read(r, proto.MaxHello)
	if err != nil {
		return hello, err
	}
	if hello, err = proto.ParseHello(f.Body); err != nil {
		return hello, err
	}
	mine := proto.Hello{Version: proto.Version, Stays: k.linger < 0}
	// Who comes only to end the keeper has no session, and nobody to tell.
	if hello.Version == mine.Version && hello.Session != [16]byte{} {
		mine.Notice = k.store.notices.take()
	}
	w := bufio.NewWriter(conn)
	proto.Write(w, proto.Frame{Code: proto.OpHello, ID: f.ID, Body: mine.Append(nil)})
	if err := w.Flush(); err != nil {
		return hello, err
	}
	if hello.Version == mine.Version {
		return hello, conn.SetDeadline(time.Time{})
	}
	if f, err := proto.Read(r, proto.MaxHello); err == nil && f.Code == proto.OpStop {
		k.leave()
		<-k.closed // of which the end of the connection tells
	}
	return hello, nil
}

// requests reads requests and has them worked on, and returns when all that it read are answered.
func (k *keeper) requests(conn *net.UnixConn, r *bufio.Reader, session [16]byte, replies chan<- proto.Frame) {
	p := newPeer(session, replies)
	defer k.forget(p)
	var working sync.WaitGroup
	defer working.Wait()
	slots := make(chan struct{}, inFlight)
	for {
		f, err := proto.Read(r, proto.MaxFrame)
		if err != nil {
			return
		}
		if shared(f.Code) {
			if k.share(p, f) != nil {
				return
			}
			continue
		}
		// A lookup is done sooner than a goroutine for it is started, and one large request at a time bounds memory.
		if f.Code == proto.OpGet || len(f.Body) > large {
			reply, err := k.answer(f, session)
			if err != nil {
				return
			}
			replies <- reply
			continue
		}
		slots <- struct{}{}
		working.Go(func() {
			defer func() { <-slots }()
			reply, err := k.answer(f, session)
			if err != nil {
				conn.CloseRead()
				return
			}
			replies <- reply
		})
	}
}

// answer does what a request asks. An error means that there is no reply: it is no request, or one for the next keeper.
func (k *keeper) answer(f proto.Frame, session [16]byte) (proto.Frame, error) {
	body, err := k.do(f, session)
	if errors.Is(err, proto.ErrMessage) || errors.Is(err, errRemoved) {
		return proto.Frame{}, err
	}
	reply := proto.Frame{Code: proto.OK, ID: f.ID, Body: body}
	switch {
	case err == nil:
	case errors.Is(err, errMiss):
		reply.Code = proto.Miss
	case errors.Is(err, place.ErrNoSpace):
		reply.Code, reply.Body = proto.NoSpace, []byte(err.Error())
	case errors.Is(err, errUnknown):
		reply.Code, reply.Body = proto.Unknown, []byte(err.Error())
	default:
		reply.Code, reply.Body = proto.Failed, []byte(err.Error())
	}
	return reply, nil
}

var errUnknown = errors.New("unknown operation")

func (k *keeper) do(f proto.Frame, session [16]byte) ([]byte, error) {
	switch f.Code {
	case proto.OpGet:
		key, err := proto.ParseKey(f.Body)
		if err != nil {
			return nil, err
		}
		value, err := k.store.get(key)
		k.counters.lookup(err == nil)
		return value, err
	case proto.OpPut:
		p, err := proto.ParsePut(f.Body)
		if err != nil {
			return nil, err
		}
		err = k.store.put(p)
		k.leases.put(p.Key, p.Value) // also if it could not be stored
		if err != nil {
			return nil, err
		}
		k.counters.stored()
		return nil, nil
	case proto.OpAdd:
		a, err := proto.ParseAdd(f.Body)
		if err != nil {
			return nil, err
		}
		return k.counters.add(session, a).Append(nil), nil
	case proto.OpTotals:
		return k.counters.all().Append(nil), nil
	case proto.OpStats:
		s, err := k.stats(string(f.Body) == proto.Brief)
		return s.Append(nil), err
	case proto.OpPurge:
		p, err := proto.ParsePurge(f.Body)
		if err != nil {
			return nil, err
		}
		n, err := k.purge(p)
		return proto.Count(n).Append(nil), err
	case proto.OpStop:
		k.leave()
		return nil, nil
	case proto.OpList, proto.OpImport, proto.OpCompact, proto.OpStorage:
		return k.storage(f)
	}
	return nil, errUnknown
}

func (k *keeper) stats(brief bool) (proto.Stats, error) {
	s := k.counters.stats()
	if !brief {
		entries, err := k.store.count()
		if err != nil {
			return proto.Stats{}, err
		}
		s.Entries, s.Bytes = entries, uint64(k.store.size())
	}
	s.Users, s.PID = uint64(k.userCount()-1), uint64(os.Getpid())
	s.Sharing = k.sharing()
	return s, nil
}

func (k *keeper) purge(p proto.Purge) (uint64, error) {
	if p != (proto.Purge{}) {
		return k.store.purge(p)
	}
	return k.store.empty()
}
