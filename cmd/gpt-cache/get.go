package main

import (
	"context"
	"encoding/hex"
	"strings"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/hub"
)

// get writes the stored value whose id begins so.
func get(ctx context.Context, sys *cli.System, s *settings, args []string) error {
	s.startsKeeper()
	operands, err := s.parse(sys, args, 1)
	switch {
	case err != nil:
		return err
	case len(operands) == 0:
		return cli.WithHint(cli.Usagef("get needs an id, or how it begins"), "gpt-cache list shows them")
	}
	prefix := strings.ToLower(operands[0])
	from, err := firstKey(prefix)
	if err != nil {
		return err
	}
	c, err := s.open(ctx, sys)
	if err != nil {
		return err
	}
	defer c.Close()
	var found []hub.Key
	for e, err := range c.Entries(ctx, from, false) {
		if err != nil {
			return err
		}
		if !strings.HasPrefix(hex.EncodeToString(e.Key[:]), prefix) || len(found) == 2 {
			break
		}
		found = append(found, e.Key)
	}
	switch len(found) {
	case 0:
		return cli.Failf(cli.StatusFailed, "no entry begins with %s", prefix)
	case 2:
		return cli.WithHint(cli.Failf(cli.StatusFailed, "more than one entry begins with %s", prefix), "give more of the id")
	}
	for e, err := range c.Entries(ctx, found[0], true) {
		if err != nil {
			return err
		}
		if e.Key == found[0] {
			_, err = sys.Stdout.Write(append(e.Value, '\n'))
			return err
		}
		break
	}
	return cli.Failf(cli.StatusFailed, "entry %x is not there any more", found[0])
}

// firstKey is the first key that begins so, in hexadecimal digits.
func firstKey(prefix string) (k hub.Key, err error) {
	digits := 2 * len(k)
	if prefix == "" || len(prefix) > digits {
		return k, cli.Usagef("%q is not the beginning of an id", prefix)
	}
	if _, err := hex.Decode(k[:], []byte(prefix+strings.Repeat("0", digits-len(prefix)))); err != nil {
		return k, cli.Usagef("%q is not the beginning of an id: %w", prefix, err)
	}
	return k, nil
}
