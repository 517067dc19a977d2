package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/credential"
)

// status shows, source by source, which key will be used and why others not.
func status(ctx context.Context, sys *cli.System, args []string) error {
	s := newSettings(sys)
	s.withBaseURL()
	s.flags.Shared.StringVar(&s.command, "key-command", "", "")
	most := cli.Duration(90 * 24 * time.Hour)
	s.flags.Var(&most, "max-age", "")
	allowHTTP := s.flags.Shared.Bool("allow-http", false, "")
	if err := s.parse(sys, args); err != nil {
		return err
	}
	if _, err := s.endpoint(*allowHTTP); err != nil {
		return err
	}
	key, attempts, err := credential.Trace(ctx, credential.Query{
		Profile: s.profile, Named: s.named, Host: s.host, Command: s.command,
		Getenv: sys.Getenv, ConfigDir: s.configDir, Silent: true, Stderr: sys.Redact.Writer(sys.Stderr),
		Waiting: waiting(sys),
	})
	for _, a := range attempts {
		sys.Redact.Add(a.Entry.Secrets()...)
		if a.Source == key.Source {
			s.warnOfAge(sys, a.Entry, time.Duration(most))
		}
	}
	if err := report(sys, s, key.Source, attempts); err != nil {
		return err
	}
	var none *credential.NotFoundError
	switch {
	case errors.As(err, &none):
		// The reasons stand on stdout already.
		return cli.WithHint(cli.Failf(cli.StatusRefused, "no key for %s (profile %s)", s.host, s.profile),
			"gpt-key set stores one")
	case err != nil:
		return cli.Failf(cli.StatusRefused, "%w", err)
	}
	return nil
}

// warnOfAge tells of a key that should have been replaced by now. Access tokens
// are, by themselves.
func (s *settings) warnOfAge(sys *cli.System, e credential.Entry, most time.Duration) {
	old := time.Since(e.Set)
	if e.Set.IsZero() || e.OAuth != nil || old <= most {
		return
	}
	which := ""
	if s.profile != credential.DefaultProfile {
		which = " --profile " + s.profile
	}
	sys.Log.Warnf("the key was set %s ago (--max-age %s): replace it with gpt-key rotate%s", age(old), age(most), which)
}

// report hides a key that was given as a profile.
func report(sys *cli.System, s *settings, winner string, attempts []credential.Attempt) error {
	text := fmt.Sprintf("profile: %s\nhost: %s\n", sys.Redact.String(s.profile), s.host)
	for _, a := range attempts {
		text += fmt.Sprintf("%s: %s\n", sys.Redact.String(a.Source), outcome(a, winner))
	}
	_, err := io.WriteString(sys.Stdout, text)
	return err
}

// outcome is what became of asking one source, in words.
func outcome(a credential.Attempt, winner string) string {
	if a.Err != nil {
		return cell(a.Err.Error())
	}
	words := "used, "
	if a.Source != winner {
		words = "not reached, "
	}
	tail := a.Entry.Tail()
	switch {
	case a.Entry.OAuth != nil:
		words += "login" + expiry(a.Entry.OAuth.Expires)
	case tail != "":
		words += "key ending in " + tail
	default:
		words += "a very short key"
	}
	if set := a.Entry.Set; !set.IsZero() {
		words += ", set " + set.Local().Format(time.DateOnly)
	}
	return words
}

// expiry says when an access token expires, or that it will be refreshed because
// it has.
func expiry(at time.Time) string {
	switch {
	case at.IsZero():
		return ""
	case time.Now().Before(at):
		return ", its token expires at " + at.Local().Format(time.DateTime)
	}
	return ", its token expired at " + at.Local().Format(time.DateTime) + " and is refreshed when it is used"
}
