// Package redact makes keys and secrets unreadable in any text on its way out.
//
// It knows the secrets it was told, in the spellings in which they turn up in
// dumps (plain, URL-encoded, escaped for JSON or a shell, in hex, and in base64
// with whatever stands before and after), whole or cut off; and the forms of
// key and of credential header that are in use. Every message, log line and
// error text of the commands passes through a Redactor, and what servers say
// beside the answer; text for the user's data on stdout does not, for it is not
// ours to change.
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
	piece    = 8 // see find
)

var seed = maphash.MakeSeed()

// A Redactor replaces secrets by Mask. The zero value knows the general forms
// only. It is safe for concurrent use.
type Redactor struct {
	mu      sync.RWMutex
	windows map[uint64]bool // by hash; true: it is one of base64
	lengths []int           // of windows
	bytes   [256]bool       // that are in windows
	pieces  [1 << 10]uint64 // of windows, a bit for each: see bitOf
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
		for _, c := range []byte(spelling[at : at+n]) {
			r.bytes[c] = true
		}
		k := min(piece, n)
		for j := at; j+k <= at+n; j++ {
			word, bit := bitOf(spelling[j : j+k])
			r.pieces[word] |= bit
		}
	}
}

// bitOf is where a bit says that there may be such a piece.
func bitOf(piece string) (word int, bit uint64) {
	hash := maphash.String(seed, piece)
	return int(hash >> 6 & (1<<10 - 1)), 1 << (hash & 63)
}

// String returns text without secrets.
func (r *Redactor) String(text string) string { return general(r.without(text, shortest)) }

// Known returns text without the secrets that the Redactor was told, but for those
// of less than twelve bytes: it is for data, and what is so short is often a word,
// given where some key must be. Where there are none, it costs little and allocates
// nothing.
func (r *Redactor) Known(text string) string { return r.without(text, window) }

// without returns text without known secrets of so many bytes or more.
func (r *Redactor) without(text string, least int) string {
	hidden := find(r, text, least)
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

// Has reports whether Known would change text.
func (r *Redactor) Has(text []byte) bool { return find(r, text, window) != nil }

// find says which bytes of text are of a known secret of so many bytes or more, or returns nil. Wherever a
// window is, of the pieces that begin at every fifth byte one is whole within it,
// so no others are looked at; nor those with a byte that no window has.
func find[Text string | []byte](r *Redactor, text Text, least int) (hidden []bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, n := range r.lengths {
		if n < least {
			continue
		}
		k := min(piece, n)
		for at := 0; at+k <= len(text); {
			if !r.bytes[text[at+k-1]] {
				at += k
				continue
			}
			if word, bit := bitOf(string(text[at : at+k])); r.pieces[word]&bit != 0 {
				for i := max(at+k-n, 0); i <= at && i+n <= len(text); i++ {
					if base64, known := r.windows[maphash.String(seed, string(text[i:i+n]))]; known {
						if hidden == nil {
							hidden = make([]bool, len(text))
						}
						hide(hidden, text, i, i+n, base64)
					}
				}
			}
			at += n - k + 1
		}
	}
	return hidden
}

// hide marks text[from:to]; of base64, the characters beside it too, which have
// some bits of the secret.
func hide[Text string | []byte](hidden []bool, text Text, from, to int, base64 bool) {
	for base64 && from > 0 && isBase64(text[from-1]) {
		from--
	}
	for base64 && to < len(text) && isBase64(text[to]) {
		to++
	}
	for i := from; i < to; i++ {
		hidden[i] = true
	}
}
