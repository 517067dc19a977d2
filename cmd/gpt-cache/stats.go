package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"gptpipe/pkg/cli"
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
	user, err := s.openUser(ctx, sys, c)
	if err != nil {
		return err
	}
	defer user.Close()
	if *exposition {
		text, err := prometheus(ctx, user, c)
		if err != nil {
			return err
		}
		_, err = sys.Stdout.Write(text)
		return err
	}
	st, err := c.Stats(ctx)
	if err != nil {
		return err
	}
	storage, err := c.Storage(ctx)
	if err != nil {
		return err
	}
	limits, err := user.Sharing(ctx)
	if err != nil {
		return err
	}
	where := "on disk"
	if storage.Memory != "" {
		where = "in memory"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "folder: %s\n", s.cache)
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
	_, err = io.WriteString(sys.Stdout, b.String())
	return err
}
