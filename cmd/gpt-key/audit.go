package main

import (
	"bufio"
	"context"
	"errors"
	"time"

	"gptpipe/pkg/audit"
	"gptpipe/pkg/cli"
	"gptpipe/pkg/credential"
)

// since is a flag value: a time, given as a duration before now or as a date.
type since struct{ time.Time }

// Set reads s, for flag.Value.
func (t *since) Set(s string) (err error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t.Time, err = time.ParseInLocation(layout, s, time.Local); err == nil {
			return nil
		}
	}
	var d cli.Duration
	if err := d.Set(s); err != nil {
		return errors.New("neither a duration such as 12h or 30d nor a date such as 2026-01-31")
	}
	t.Time = time.Now().Add(-time.Duration(d))
	return nil
}

func (t *since) String() string { return "" }

// showAudit writes the log of the uses of credentials, as it is or as a table.
func showAudit(ctx context.Context, sys *cli.System, args []string) error {
	flags := cli.NewFlags()
	var from since
	var profile string
	flags.Var(&from, "since", "")
	flags.StringVar(&profile, "profile", "", "")
	raw := flags.Bool("json", false, "")
	operands, err := flags.Parse(args)
	switch {
	case err != nil:
		return err
	case len(operands) > 0:
		return unexpectedArgument()
	}
	if flags.Given("profile") {
		if err := credential.CheckProfile(profile); err != nil {
			return cli.Usagef("%w", err)
		}
	}

	path := cli.AuditLog(sys.Getenv)
	if path == "" {
		return errNoStateDir
	}
	out := bufio.NewWriter(sys.Stdout)
	var records []audit.Record
	passed, err := audit.Read(path, func(r audit.Record, line []byte) error {
		switch {
		case r.Time.Before(from.Time), profile != "" && r.Profile != profile:
		case *raw:
			out.Write(line)
			return out.WriteByte('\n') // the error of both
		default:
			records = append(records, r)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if passed > 0 {
		sys.Log.Warnf("damaged lines of the audit log, passed over: %d", passed)
	}
	if !*raw && len(records) > 0 {
		writeTable(out, records, cli.Width(sys.Stdout.File))
	}
	return out.Flush()
}
