package main

import (
	"context"
	"errors"
	"os/signal"
	"syscall"
	"time"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/hub"
	"gptpipe/pkg/keeper"
)

// serve is the keeper: by hand until it is stopped, with --linger until its last user has gone.
func serve(ctx context.Context, sys *cli.System, s *settings, args []string) error {
	s.flags.Var(&s.linger, "linger", "") // not from the environment: a keeper that is started by hand stays
	if err := s.parse(sys, args); err != nil {
		return err
	}
	onDemand := s.flags.Given("linger")
	if onDemand {
		if err := keeper.CloseInherited(); err != nil {
			return err
		}
	} else {
		s.linger = -1
	}
	keeper.Settle()

	// To be stopped is what a server is for: no failure, and the second signal ends it where it stands.
	ctx, release := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer release()
	context.AfterFunc(ctx, release)

	err := keeper.Serve(ctx, keeper.Config{
		Dir:        s.cache,
		RuntimeDir: sys.Getenv("XDG_RUNTIME_DIR"),
		Linger:     time.Duration(s.linger),
	})
	switch {
	case !errors.Is(err, keeper.ErrBusy):
		return err
	case onDemand:
		return nil // then there is no need of this one
	}
	return cli.WithHint(err, "gpt-cache stop --cache %s ends it", s.cache)
}

// stop ends the keeper, if there is one.
func stop(ctx context.Context, sys *cli.System, s *settings, args []string) error {
	if err := s.parse(sys, args); err != nil {
		return err
	}
	c, err := hub.Open(ctx, hub.Config{Dir: s.cache})
	if errors.Is(err, hub.ErrNoKeeper) {
		sys.Log.Infof("no keeper runs for %s", s.cache)
		return nil
	}
	if err != nil {
		return err
	}
	return c.Stop(ctx)
}
