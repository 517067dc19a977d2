package main

import (
	"errors"
	"strings"

	"gptpipe/pkg/audit"
	"gptpipe/pkg/cli"
	"gptpipe/pkg/credential"
)

var errNoStateDir = errors.New("no folder of state: neither $XDG_STATE_HOME nor $HOME is set")

// note writes into the audit log what was done with an entry of a store, and to
// which other it gave its place. A log that cannot be written is told, and is
// no failure.
func (s *settings) note(sys *cli.System, event string, where store, e, replaced credential.Entry) {
	r := audit.Record{
		Event:    event,
		Command:  sys.Name,
		Profile:  s.profile,
		Source:   where.source(),
		Key:      fingerprint(e),
		Replaced: fingerprint(replaced),
		Endpoint: e.Host,
	}
	path, err := cli.AuditLog(sys.Getenv), errNoStateDir
	if path != "" {
		err = audit.Append(path, r)
	}
	if err != nil {
		sys.Log.Warnf("this is not in the audit log: %v", err)
	}
}

// source is the store's name among the sources of keys.
func (s store) source() string { return strings.TrimPrefix(s.name, "the ") }

func fingerprint(e credential.Entry) string {
	if e.Key == "" {
		return ""
	}
	return audit.Fingerprint(e.Key)
}
