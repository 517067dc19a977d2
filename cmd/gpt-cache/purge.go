package main

import (
	"context"
	"fmt"
	"time"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/hub"
)

// purge removes stored answers.
func purge(ctx context.Context, sys *cli.System, s *settings, args []string) error {
	s.startsKeeper()
	var older cli.Duration
	var model string
	s.flags.Var(&older, "older", "")
	s.flags.StringVar(&model, "model", "", "")
	if _, err := s.parse(sys, args, 0); err != nil {
		return err
	}
	// An unset variable of a script must not become "everything".
	if s.flags.Given("model") && model == "" {
		return cli.Usagef("--model is empty")
	}
	c, err := s.open(ctx, sys)
	if err != nil {
		return err
	}
	defer c.Close()
	n, err := c.Purge(ctx, hub.Filter{Older: time.Duration(older), Model: model})
	if err != nil {
		return err
	}
	sys.Log.Infof("removed %s", entries(n))
	return nil
}

func entries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}

// compact gives back disk space.
func compact(ctx context.Context, sys *cli.System, s *settings, args []string) error {
	s.startsKeeper()
	if _, err := s.parse(sys, args, 0); err != nil {
		return err
	}
	c, err := s.open(ctx, sys)
	if err != nil {
		return err
	}
	defer c.Close()
	before, err := c.Stats(ctx)
	if err != nil {
		return err
	}
	if err := c.Compact(ctx); err != nil {
		return err
	}
	after, err := c.Stats(ctx)
	if err != nil {
		return err
	}
	sys.Log.Infof("%s on disk, %s before", size(after.Bytes), size(before.Bytes))
	return nil
}
