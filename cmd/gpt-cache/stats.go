package main

import (
	"context"
	"fmt"

	"gptpipe/pkg/cli"
)

// stats shows what the keeper holds and has done, one thing a line.
func stats(ctx context.Context, sys *cli.System, s *settings, args []string) error {
	s.startsKeeper()
	if err := s.parse(sys, args); err != nil {
		return err
	}
	c, err := s.open(ctx, sys)
	if err != nil {
		return err
	}
	defer c.Close()
	st, err := c.Stats(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(sys.Stdout,
		"folder: %s\nentries: %d\nbytes: %d (%s on disk)\nhits: %d\nmisses: %d\nstores: %d\nusers: %d\nkeeper: %d\n",
		s.cache, st.Entries, st.Bytes, size(st.Bytes), st.Hits, st.Misses, st.Stores, st.Users, st.PID)
	return err
}

// size is a number of bytes as one reads it.
func size(n uint64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n)/unit, 0
	for ; v >= unit && i < len("KMGT")-1; i++ {
		v /= unit
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGT"[i])
}
