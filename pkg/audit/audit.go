// Package audit is an append-only log of the uses of credentials: who used
// which key, when, where, and for how much; never the key itself.
//
// The log is a file of JSON Lines, mode 0600, a Record a line. Any number of
// processes write to it at once: each line is appended by one write under a
// lock on the file, so that none is torn or lost. A line that a full disk or a
// kill left half written stays alone; the next begins on a fresh line. Nothing
// is synced to the disk: a line outlives the process, not always a loss of
// power.
//
// A file of 8 MiB is renamed, PATH to PATH.1 and that to PATH.2, and a new one
// is begun. The three generations behind the current one are kept.
//
// Use is for a process that uses a key for a while: a line when it begins and
// one when it ends. A begin without an end is a process that still runs, or
// that was killed.
package audit

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// What happened to a credential.
const (
	Begin   = "begin" // a process began to use it
	End     = "end"   // and ended
	Set     = "set"
	Rotate  = "rotate"
	Refused = "refused" // by the API, to which it was sent to see if it could replace another
	Delete  = "delete"
	Login   = "login"
	Logout  = "logout"
)

// A Record is a line of the log.
type Record struct {
	Time     time.Time `json:"time"`
	Event    string    `json:"event"`
	Command  string    `json:"command"`
	PID      int       `json:"pid"`
	Profile  string    `json:"profile"`
	Source   string    `json:"source,omitempty"`   // where the key came from or went to
	Key      string    `json:"key,omitempty"`      // its Fingerprint
	Replaced string    `json:"replaced,omitempty"` // that of the key before it
	Endpoint string    `json:"endpoint,omitempty"` // base URL or host
	Model    string    `json:"model,omitempty"`

	// Of an End: the time of its Begin, and what was sent and used between.
	Began    time.Time `json:"began,omitzero"`
	Requests int64     `json:"requests,omitempty"`
	Tokens   int64     `json:"tokens,omitempty"`
}

// Fingerprint tells keys apart without showing them: "sha256:" and the first 16
// hex digits of the key's SHA-256.
func Fingerprint(key string) string {
	return fmt.Sprintf("sha256:%.16x", sha256.Sum256([]byte(key)))[:len("sha256:")+16]
}

// Append writes a record to the log at path and creates file and folder as
// needed. A Time or PID of zero becomes the present time, or this process's.
// It fails with ErrBusy, or as a file does; it waits no longer than 3 s.
func Append(path string, r Record) error {
	return standard(path).append(&r)
}

// A Use is a process's use of a key, which has begun.
type Use struct {
	path  string
	begin Record
}

// Start writes the Begin of a use; r says whose. The Use is good, and its End
// can be written, even if that failed.
func Start(path string, r Record) (*Use, error) {
	r.Event = Begin
	u := &Use{path, r}
	return u, standard(path).append(&u.begin)
}

// End writes the end of a use, with the requests sent and the tokens used.
func (u *Use) End(requests, tokens int64) error {
	end := u.begin
	end.Event, end.Time, end.Began = End, time.Time{}, u.begin.Time
	end.Requests, end.Tokens = requests, tokens
	return Append(u.path, end)
}

func (r *Record) line() ([]byte, error) {
	if r.Time.IsZero() {
		r.Time = time.Now()
	}
	r.Time = r.Time.UTC()
	if r.PID == 0 {
		r.PID = os.Getpid()
	}
	data, err := json.Marshal(r)
	return append(data, '\n'), err
}
