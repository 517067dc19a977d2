// Package redact makes keys and secrets unreadable in any text on its way out.
//
// It knows the secrets it was told, in the spellings in which they turn up in
// dumps (plain, URL-encoded, escaped for JSON or a shell, in hex, and in base64
// with whatever stands before and after), whole or cut off; and the forms of
// key and of credential header that are in use. Every message, log line and
// error text of the commands passes through a Redactor; text for the user's
// data on stdout does not, for it is not ours to change.
//
// A Redactor keeps hashes of what it was told, so that it is no further place
// in memory to find a key in.
package redact

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync"
)

// Mask stands where a secret stood.
const Mask = "[redacted]"

// A secret is known by its windows: each run of so many bytes in one of its
// spellings, so that it is found where it was cut off too. A spelling that is
// shorter is one window; of a long one, as access tokens are, the windows stand
// side by side.
const (
	window   = 12
	shortest = 6 // masking less would tear words apart and hide nothing
	long     = 300
)

var seed = maphash.MakeSeed()

// A Redactor replaces secrets by Mask. The zero value knows the general forms
// only. It is safe for concurrent use.
type Redactor struct {
	mu      sync.RWMutex
	windows map[uint64]bool // by hash; true: it is one of base64
	lengths []int           // of windows
}

// Add makes secrets known. Spellings shorter than six bytes are passed over.
func (r *Redactor) Add(secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.windows == nil {
		r.windows = map[uint64]bool{}
	}
	for _, secret := range secrets {
		for _, s := range spellings(secret) {
			r.add(s, false)
		}
		for _, s := range inBase64(secret) {
			r.add(s, true)
		}
	}
}

func (r *Redactor) add(spelling string, base64 bool) {
	n := min(window, len(spelling))
	if n < shortest {
		return
	}
	if !slices.Contains(r.lengths, n) {
		r.lengths = append(r.lengths, n)
	}
	step := 1
	if len(spelling) > long {
		step = n
	}
	last := len(spelling) - n
	for i := 0; i < last+step; i += step {
		at := min(i, last)
		hash := maphash.String(seed, spelling[at:at+n])
		if _, known := r.windows[hash]; !known {
			r.windows[hash] = base64
		}
	}
}

// String returns text without secrets.
func (r *Redactor) String(text string) string {
	return general(r.withoutKnown(text))
}

func (r *Redactor) withoutKnown(text string) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var hidden []bool // bytes of text, once there are any
	for _, n := range r.lengths {
		for i := range len(text) - n + 1 {
			base64, known := r.windows[maphash.String(seed, text[i:i+n])]
			if !known {
				continue
			}
			if hidden == nil {
				hidden = make([]bool, len(text))
			}
			from, to := i, i+n
			if base64 { // the characters beside it have some bits of the secret too
				for from > 0 && isBase64(text[from-1]) {
					from--
				}
				for to < len(text) && isBase64(text[to]) {
					to++
				}
			}
			for j := from; j < to; j++ {
				hidden[j] = true
			}
		}
	}
	if hidden == nil {
		return text
	}
	var out strings.Builder
	for i := range len(text) {
		switch {
		case !hidden[i]:
			out.WriteByte(text[i])
		case i == 0 || !hidden[i-1]:
			out.WriteString(Mask)
		}
	}
	return out.String()
}
