package main

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/hub"
	"gptpipe/pkg/ordered"
	"gptpipe/pkg/record"
)

// bring stores what export has written, of which every entry keeps its times.
func bring(ctx context.Context, sys *cli.System, s *settings, args []string) error {
	s.startsKeeper()
	operands, err := s.parse(sys, args, 1)
	if err != nil {
		return err
	}
	in, err := cli.OpenInputs(sys, operands)
	if err != nil {
		return err
	}
	defer in.Close()
	file, err := in.Next()
	if err != nil {
		return err
	}
	c, err := s.open(ctx, sys)
	if err != nil {
		return err
	}
	defer c.Close()

	lines := record.NewReader(file, false)
	counts := &imported{sys: sys}
	err = ordered.Map(ctx, ordered.Options{Jobs: 8, Window: 16},
		func() (outcome, error) { return nextEntry(lines) },
		func(ctx context.Context, o outcome) (outcome, error) { return o.store(ctx, c) },
		counts)
	sys.Log.Infof("imported %s; passed over %d expired, %d that are there", entries(counts.stored), counts.expired, counts.there)
	if err == nil && counts.bad > 0 {
		return cli.Failf(cli.StatusFailed, "lines passed over because they were no entries: %d", counts.bad)
	}
	return err
}

// An outcome is a line and what became of it.
type outcome struct {
	entry           hub.Entry
	stored, expired bool
	bad             error
}

// nextEntry reads a line. One that is no entry is no error, or the rest would be lost.
func nextEntry(lines *record.Reader) (o outcome, err error) {
	r, err := lines.Read()
	var bad *record.LineError
	switch {
	case errors.As(err, &bad):
		return outcome{bad: bad}, nil
	case err != nil:
		return o, err
	}
	if o.entry, err = parseEntry(&r); err != nil {
		o.bad = fmt.Errorf("line %d: %w", lines.Lines(), err)
	}
	return o, nil
}

func parseEntry(r *record.Record) (e hub.Entry, err error) {
	id, _ := r.Text("id")
	if n, err := hex.Decode(e.Key[:], []byte(id)); err != nil || n != len(e.Key) || len(id) != 2*n {
		return e, errors.New("id is not one")
	}
	e.Model, _ = r.Text("model")
	stored, _ := r.Text("stored")
	if e.Stored, err = time.Parse(time.RFC3339, stored); err != nil {
		return e, errors.New("stored is not a time")
	}
	if expires, ok := r.Text("expires"); ok {
		if e.Expires, err = time.Parse(time.RFC3339, expires); err != nil {
			return e, errors.New("expires is not a time")
		}
	}
	if value, ok := r.Get("value"); ok {
		e.Value = value
		return e, nil
	}
	coded, ok := r.Text("base64")
	if !ok {
		return e, errors.New("neither value nor base64")
	}
	if e.Value, err = base64.StdEncoding.DecodeString(coded); err != nil {
		return e, errors.New("base64 is not that")
	}
	return e, nil
}

// store hands an entry to the keeper. One that it cannot take, for its size, is passed over like a bad one.
func (o outcome) store(ctx context.Context, c *hub.Client) (outcome, error) {
	if o.bad != nil {
		return o, nil
	}
	if o.expired = !o.entry.Expires.IsZero() && !o.entry.Expires.After(time.Now()); o.expired {
		return o, nil
	}
	var err error
	o.stored, err = c.Import(ctx, o.entry)
	if errors.Is(err, hub.ErrTooLarge) {
		o.bad, err = err, nil
	}
	return o, err
}

// imported counts outcomes.
type imported struct {
	sys                         *cli.System
	stored, expired, there, bad int
}

func (i *imported) Write(o outcome) error {
	switch {
	case o.bad != nil:
		i.bad++
		i.sys.Log.Errorf("%v", o.bad)
	case o.expired:
		i.expired++
	case o.stored:
		i.stored++
	default:
		i.there++
	}
	return nil
}

func (i *imported) Flush() error { return nil }
