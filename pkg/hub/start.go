package hub

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"gptpipe/pkg/hub/place"
	"gptpipe/pkg/panics"
)

// connect dials until a keeper answers, and starts one when nobody does.
func (c *Client) connect(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, passing(ErrSilent))
	defer cancel()
	crashes := 0
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		l, err := dial(ctx, c.dir, c.session, c.told)
		switch {
		case err == nil || isPermanent(err) || errors.Is(err, ErrSilent):
			return l, err
		case errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE):
			return nil, passing(err)
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.Is(err, syscall.EAGAIN): // it is there, with more callers than it can take at once
		case len(c.config.Command) == 0 && errors.Is(err, ErrVersion):
			return nil, permanent(err)
		case len(c.config.Command) == 0:
			return nil, permanent(fmt.Errorf("%w serves %s", ErrNoKeeper, c.folder))
		default:
			l, err := c.start(ctx)
			if crashed(err) && crashes < tries {
				crashes++
				break
			}
			if l != nil || err != nil {
				return l, err
			}
		}
		if err := pause(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// start starts a keeper, unless another client is at it: then it returns nil, nil. The same if the keeper left again
// before it could be reached.
func (c *Client) start(ctx context.Context) (*link, error) {
	if err := place.Prepare(c.dir); err != nil {
		return nil, permanent(err)
	}
	lock, err := place.TryLock(c.dir, place.StartLock)
	if err != nil {
		return nil, permanent(err)
	}
	if lock == nil {
		return nil, nil
	}
	defer lock.Unlock()
	// The one who held the lock before may have started it.
	l, err := dial(ctx, c.dir, c.session, c.told)
	if err == nil || isPermanent(err) {
		return l, err
	}
	if errors.Is(err, ErrVersion) {
		if err := Retire(ctx, c.folder); err != nil {
			return nil, err
		}
	}
	ended, err := c.spawn()
	if err != nil {
		return nil, permanent(fmt.Errorf("%w: %w", ErrNoKeeper, err))
	}
	for {
		// A keeper needs some 15 ms to be there, most of it for Badger.
		if err := pause(ctx, 4*time.Millisecond); err != nil {
			return nil, err
		}
		l, err := dial(ctx, c.dir, c.session, c.told)
		switch {
		case err == nil || isPermanent(err):
			return l, err
		case errors.Is(err, ErrVersion): // so the program is, and another start would bring no other
			return nil, permanent(fmt.Errorf("%s: %w", c.config.Command[0], err))
		}
		select {
		case err := <-ended:
			return nil, c.verdict(err)
		default:
		}
	}
}

// spawn starts the keeper and returns where its end will be told.
func (c *Client) spawn() (<-chan error, error) {
	program, err := exec.LookPath(c.config.Command[0])
	if err != nil {
		return nil, err
	}
	if program, err = filepath.Abs(program); err != nil {
		return nil, err
	}
	args := append(c.config.Command[1:len(c.config.Command):len(c.config.Command)],
		"--cache", c.folder, "--linger", c.config.Linger.String())
	cmd := exec.Command(program, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"XDG_RUNTIME_DIR=" + c.config.RuntimeDir, "TMPDIR=" + os.TempDir()}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	// Waiting also keeps a keeper that ends before its starter from becoming a zombie.
	ended := make(chan error, 1)
	panics.Go(func() { ended <- cmd.Wait() })
	return ended, nil
}

// crashed says whether a keeper ended by a crash. Badger can bring that about when it opens a damaged database; after a
// few times the next keeper moves that database aside.
func crashed(err error) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	return ok && exit.ExitCode() == 2 // as the Go runtime exits
}

// verdict judges the end of a keeper that never answered. That it failed is permanent; that it was killed, or left
// because another one serves, is not.
func (c *Client) verdict(err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !exit.Exited() {
		return nil
	}
	return permanent(fmt.Errorf("%w: %w; to see why: %s --cache %s", ErrKeeperFailed, err,
		strings.Join(c.config.Command, " "), c.folder))
}

// pause waits for about d, so that those who wait for the same thing do not come back all at once.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d/2 + rand.N(d))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
