package main

import (
	"bytes"
	"context"
	"fmt"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/hub"
)

// stats shows what the keeper holds and has done, one thing a line, or as metrics.
func stats(ctx context.Context, sys *cli.System, s *settings, args []string) error {
	s.startsKeeper()
	exposition := s.flags.Bool("prometheus", false, "")
	if _, err := s.parse(sys, args, 0); err != nil {
		return err
	}
	c, err := s.open(ctx, sys)
	if err != nil {
		return err
	}
	defer c.Close()
	user, without := s.openUser(ctx, sys, c)
	if without == nil {
		defer user.Close()
	}
	var text []byte
	switch {
	case !*exposition:
		text, err = described(ctx, s.cache, user, c)
	case without == nil:
		text, err = prometheus(ctx, user, c)
	}
	if err != nil {
		return err
	}
	if _, err := sys.Stdout.Write(text); err != nil {
		return err
	}
	return without
}

// described is for people. User may be nil.
func described(ctx context.Context, folder string, user, c *hub.Client) ([]byte, error) {
	st, err := c.Stats(ctx)
	if err != nil {
		return nil, err
	}
	storage, err := c.Storage(ctx)
	if err != nil {
		return nil, err
	}
	var limits hub.Sharing
	if user != nil {
		if limits, err = user.Sharing(ctx); err != nil {
			return nil, err
		}
	}
	where := "on disk"
	if storage.Memory != "" {
		where = "in memory"
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "folder: %s\n", folder)
	fmt.Fprintf(&b, "entries: %d\n", st.Entries)
	fmt.Fprintf(&b, "bytes: %d (%s %s)\n", st.Bytes, size(st.Bytes), where)
	fmt.Fprintf(&b, "bound: %d (%s)\n", storage.Bound, size(storage.Bound))
	fmt.Fprintf(&b, "generations: %d\n", storage.Generations)
	fmt.Fprintf(&b, "hits: %d\nmisses: %d\nstores: %d\n", st.Hits, st.Misses, st.Stores)
	fmt.Fprintf(&b, "users: %d\nkeeper: %d\n", st.Users, st.PID)
	if storage.Memory != "" {
		fmt.Fprintf(&b, "memory: %s\n", storage.Memory)
	}
	for _, broken := range storage.Broken {
		fmt.Fprintf(&b, "broken: %s\n", broken)
	}
	fmt.Fprintf(&b, "leases: %d\nwaiting: %d\n", st.Sharing.Leases, st.Sharing.Waiting)
	budgets(&b, limits.Budgets)
	return b.Bytes(), nil
}
