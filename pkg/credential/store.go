package credential

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"gptpipe/pkg/oauth"
)

// A Store keeps one Entry a profile.
//
// Get and Delete fail with ErrNoEntry if there is none, Get with *InvalidError if
// what there is holds no key, and Delete with ErrAnother if there is still one
// behind what it deleted. Set replaces what was there, wholly or not at all.
// All fail with *ProfileError for an impossible name.
type Store interface {
	Get(ctx context.Context, profile string) (Entry, error)
	Set(ctx context.Context, profile string, e Entry) error
	Delete(ctx context.Context, profile string) error

	// lockPath is the file that all processes lock which change the profile's
	// login there, or "" if there can be none.
	lockPath(profile string) string
}

// ErrNoEntry says that a store has nothing for the profile.
var ErrNoEntry = errors.New("no entry for this profile")

// An Entry is what is stored: a key, the host it is bound to and when it was
// set (zero: not known). Of a login, the key is the access token, and OAuth has
// the rest. Printed with fmt it shows no key.
type Entry struct {
	Key   string    `json:"key"`
	Host  string    `json:"host"`
	Set   time.Time `json:"set,omitzero"`
	OAuth *Login    `json:"oauth,omitempty"`

	unsaved string // the key that is stored in its place, where it could not be
}

// Secrets are what no message may show.
func (e Entry) Secrets() []string {
	if e.OAuth == nil {
		return []string{e.Key}
	}
	return []string{e.Key, e.OAuth.Refresh, e.OAuth.Provider.ClientSecret}
}

func (e Entry) String() string { return "key for " + e.Host }

// GoString hides the key from %#v.
func (e Entry) GoString() string { return e.String() }

// Tail is the last four characters of the key, by which its owner knows it,
// or "" for a key so short that they would give half of it away.
func (e Entry) Tail() string {
	if len(e.Key) <= 8 {
		return ""
	}
	return e.Key[len(e.Key)-4:]
}

func (e Entry) encode() (string, error) {
	data, err := json.Marshal(e)
	return string(data), err
}

// decodeEntry reads what encode made, or a bare key.
func decodeEntry(text string) (Entry, error) {
	entry := Entry{Key: text, Host: DefaultHost}
	if strings.HasPrefix(text, "{") {
		entry = Entry{}
		if err := json.Unmarshal([]byte(text), &entry); err != nil {
			// The error of the JSON package may quote the text.
			return Entry{}, &InvalidError{"it is not the JSON object that is stored with a key"}
		}
		if entry.Host == "" {
			return Entry{}, &InvalidError{"it is bound to no host"}
		}
		if host, err := HostOf(entry.Host); err == nil { // written by hand as a URL
			entry.Host = host
		}
	}
	if entry.OAuth != nil {
		if !oauth.Usable(entry.Key) {
			return Entry{}, &InvalidError{"its access token cannot be sent in a header"}
		}
		return entry, nil
	}
	var err error
	if entry.Key, err = Clean(entry.Key); err != nil {
		return Entry{}, err
	}
	return entry, nil
}
