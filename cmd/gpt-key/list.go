package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/credential"
)

// list writes what is stored, a line for each profile and store. Nobody is
// asked to unlock anything.
func list(ctx context.Context, sys *cli.System, args []string) error {
	operands, err := cli.NewFlags().Parse(args)
	switch {
	case err != nil:
		return err
	case len(operands) > 0:
		return unexpectedArgument()
	}
	keyring, err := credential.Keyring{Getenv: sys.Getenv}.List(ctx)
	if err != nil {
		sys.Log.Warnf("the keyring is not listed: %v", err)
	}
	files, err := credential.Files{ConfigDir: cli.ConfigDir(sys.Getenv)}.List(ctx)
	if err != nil {
		sys.Log.Warnf("the files are not listed: %v", err)
	}
	if len(keyring)+len(files) == 0 {
		return nil
	}
	out := tabwriter.NewWriter(sys.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "PROFILE\tSTORED\tHOST\tKIND\tAGE\tKEY")
	now := time.Now()
	for _, k := range keyring {
		fmt.Fprintln(out, row(sys, k, "keyring", now))
	}
	for _, k := range files {
		fmt.Fprintln(out, row(sys, k, "file", now))
	}
	return out.Flush()
}

// row is what is known of a stored key. Why one cannot be read is told.
func row(sys *cli.System, k credential.Stored, where string, now time.Time) string {
	e := k.Entry
	kind, since, tail := "key", "-", "-"
	switch {
	case errors.Is(k.Err, credential.ErrLocked):
		kind = "locked"
	case k.Err != nil:
		kind = "bad"
		sys.Log.Warnf("profile %s, %s: %v", k.Profile, where, k.Err)
	case e.OAuth != nil:
		kind = "login"
	default:
		tail = orDash(e.Tail())
	}
	if !e.Set.IsZero() {
		since = age(now.Sub(e.Set))
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", orDash(k.Profile), where, cell(e.Host), kind, since, tail)
}

// age is a time in the largest unit that it has at least two of.
func age(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return "0m" // set by a clock that was ahead
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
