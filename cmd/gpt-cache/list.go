package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/hub"
	"gptpipe/pkg/record"
)

// list writes what is known of each entry, one JSON object a line.
func list(ctx context.Context, sys *cli.System, s *settings, args []string) error {
	return writeEntries(ctx, sys, s, args, false)
}

// export writes all entries with their values.
func export(ctx context.Context, sys *cli.System, s *settings, args []string) error {
	return writeEntries(ctx, sys, s, args, true)
}

func writeEntries(ctx context.Context, sys *cli.System, s *settings, args []string, values bool) error {
	s.startsKeeper()
	if _, err := s.parse(sys, args, 0); err != nil {
		return err
	}
	c, err := s.open(ctx, sys)
	if err != nil {
		return err
	}
	defer c.Close()
	out := bufio.NewWriterSize(sys.Stdout, 64<<10)
	n := 0
	for e, err := range c.Entries(ctx, hub.Key{}, values) {
		if err != nil {
			return err
		}
		if _, err := out.Write(line(e, values)); err != nil {
			return err
		}
		n++
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if values {
		sys.Log.Infof("exported %s", entries(n))
	}
	return nil
}

// line is an entry as JSON, with a newline. A value that is JSON stands in it as it is, and any other as base64.
func line(e hub.Entry, value bool) []byte {
	b := append([]byte(`{"id":"`), hex.EncodeToString(e.Key[:])...)
	b = record.AppendString(append(b, `","model":`...), e.Model)
	b = appendTime(append(b, `,"stored":`...), e.Stored)
	if !e.Expires.IsZero() {
		b = appendTime(append(b, `,"expires":`...), e.Expires)
	}
	if !value {
		b = record.AppendInt(append(b, `,"bytes":`...), int64(e.Size))
		return append(b, "}\n"...)
	}
	if plain(e.Value) {
		b = append(append(b, `,"value":`...), e.Value...)
	} else {
		b = append(b, `,"base64":"`...)
		b = append(base64.StdEncoding.AppendEncode(b, e.Value), '"')
	}
	return append(b, "}\n"...)
}

// plain says whether a value can stand in a line of JSON and be read from it again, byte for byte.
func plain(value []byte) bool {
	if strings.ContainsAny(string(value), "\r\n") {
		return false
	}
	r, err := record.Parse(append(append([]byte(`{"value":`), value...), '}'))
	if err != nil {
		return false
	}
	got, _ := r.Get("value")
	return string(got) == string(value)
}

func appendTime(b []byte, t time.Time) []byte {
	b = t.UTC().AppendFormat(append(b, '"'), time.RFC3339Nano)
	return append(b, '"')
}
