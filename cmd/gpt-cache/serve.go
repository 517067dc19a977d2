package main

import (
	"context"
	"errors"
	"time"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/hub"
	"gptpipe/pkg/keeper"
)

// serve is the keeper: by hand until it is stopped, with --linger until its last user has gone.
func serve(ctx context.Context, sys *cli.System, s *settings, args []string) error {
	var bound amount
	s.flags.Var(&s.linger, "linger", "") // not from the environment: a keeper that is started by hand stays
	s.flags.Var(&bound, "cache-size", "")
	metrics := s.flags.String("metrics-listen", "", "")
	if _, err := s.parse(sys, args, 0); err != nil {
		return err
	}
	onDemand := s.flags.Given("linger")
	if onDemand {
		if err := keeper.CloseInherited(passed(sys)...); err != nil {
			return err
		}
	} else {
		s.linger = -1
	}
	sys.Crashes = true // the next keeper reads of them
	keeper.Settle()
	socket, err := passedSocket(sys)
	if err != nil {
		return err
	}

	if *metrics != "" {
		m, err := listenForScrapes(sys, s, *metrics)
		if err != nil {
			return err
		}
		defer m.Close()
		go m.serve(sys)
	}

	// To be stopped is what a server is for: no failure, and the second signal ends it where it stands.
	ctx, end := context.WithCancel(ctx)
	defer end()
	signals, stop := cli.Signals()
	go func() { <-signals; stop(); end() }()

	clear := func() {}
	if !onDemand {
		switch clear, err = hub.TakeOver(ctx, s.cache, socket); {
		case err != nil && ctx.Err() != nil:
			return nil
		case err != nil:
			return s.busy(err)
		}
		defer clear()
	}
	err = keeper.Serve(ctx, keeper.Config{
		Dir:        s.cache,
		RuntimeDir: sys.Getenv("XDG_RUNTIME_DIR"),
		Linger:     time.Duration(s.linger),
		CacheSize:  int64(bound),
		Listener:   socket,
		Ready: func() {
			clear()
			if err := notify(sys); err != nil {
				sys.Log.Warnf("NOTIFY_SOCKET: %v", err)
			}
		},
	})
	if onDemand && errors.Is(err, keeper.ErrBusy) {
		return nil // then there is no need of this one
	}
	return s.busy(err)
}

// busy adds to an error that says that there is a keeper how to end it.
func (s *settings) busy(err error) error {
	if errors.Is(err, keeper.ErrBusy) || errors.Is(err, hub.ErrStays) {
		return cli.WithHint(err, "gpt-cache stop --cache %s ends it", s.cache)
	}
	return err
}

// stop ends the keeper, if there is one, whatever its version.
func stop(ctx context.Context, sys *cli.System, s *settings, args []string) error {
	if _, err := s.parse(sys, args, 0); err != nil {
		return err
	}
	err := hub.Stop(ctx, s.cache)
	if errors.Is(err, hub.ErrNoKeeper) {
		sys.Log.Infof("no keeper runs for %s", s.cache)
		return nil
	}
	return err
}
