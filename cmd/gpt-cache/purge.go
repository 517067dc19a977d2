package main

import (
	"context"
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
	if err := s.parse(sys, args); err != nil {
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
	entries := "entries"
	if n == 1 {
		entries = "entry"
	}
	sys.Log.Infof("removed %d %s", n, entries)
	return nil
}
