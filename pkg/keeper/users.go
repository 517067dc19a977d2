package keeper

import (
	"cmp"
	"errors"
	"net"
	"time"
)

var errLate = errors.New("the database was not closed in time")

// join counts a connection as a user, unless the keeper is leaving.
func (k *keeper) join(conn *net.UnixConn) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.gone {
		return false
	}
	k.timer.Stop()
	k.users[conn] = true
	k.draining.Add(1)
	k.open.Add(1)
	return true
}

func (k *keeper) quit(conn *net.UnixConn) {
	defer k.open.Done()
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.users, conn)
	if len(k.users) == 0 && k.linger >= 0 && !k.gone {
		k.timer.Reset(k.linger)
	}
}

func (k *keeper) userCount() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.users)
}

func (k *keeper) leave() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.leaveLocked()
}

func (k *keeper) leaveUnused() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.users) == 0 {
		k.leaveLocked()
	}
}

func (k *keeper) leaveLocked() {
	if !k.gone {
		k.gone = true
		close(k.leaving)
	}
}

// end answers what was asked, closes the database, and then the connections, when nothing more is changed in the folder:
// who has had the keeper leave may remove it. What is not done in time is left to the end of the process.
func (k *keeper) end(unlisten func()) error {
	ended := make(chan error, 1)
	go func() {
		k.drain()
		err := k.store.close()
		unlisten()
		close(k.closed)
		k.open.Wait()
		ended <- err
	}()
	limit := leaveTimeout
	if k.store.given() != nil {
		limit = drainTimeout
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(limit):
		k.store.unclosed.Store(true)
		return cmp.Or(k.store.given(), errLate)
	}
}

// drain lets no further request in and waits for the replies to those that came.
func (k *keeper) drain() {
	k.mu.Lock()
	now := time.Now()
	for conn := range k.users {
		conn.SetReadDeadline(now)
		conn.SetWriteDeadline(now.Add(drainTimeout))
	}
	k.mu.Unlock()
	k.draining.Wait()
}
