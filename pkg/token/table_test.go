package token

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"sync"
	"testing"
)

// bytesOf puts a token together from the bytes that it is merged from.
func bytesOf(v *vocabulary, id uint32, known []string) string {
	if known[id] == "" {
		left, right := v.split(id)
		known[id] = bytesOf(v, left, known) + bytesOf(v, right, known)
	}
	return known[id]
}

// tokensOf returns the tokens of an encoding in the order of their ids, as the
// splits say they are.
func tokensOf(e *Encoding) []string {
	tokens := make([]string, len(e.vocabulary.splits)/2)
	for b := range 256 {
		text := string([]byte{byte(b)})
		id, _ := e.vocabulary.longest(text)
		tokens[id] = text
	}
	for id := range tokens {
		bytesOf(&e.vocabulary, uint32(id), tokens)
	}
	return tokens
}

// ranksOf is the vocabulary as a map, for the slow way to merge.
var ranksOf = func() map[string]func() map[string]int {
	all := map[string]func() map[string]int{}
	for name, e := range encodings {
		all[name] = sync.OnceValue(func() map[string]int {
			ranks := map[string]int{}
			for id, token := range tokensOf(e) {
				ranks[token] = id
			}
			return ranks
		})
	}
	return all
}()

// The tables are the vocabulary that tiktoken checks by these sums
// (openai_public.py), written again as it is in its file.
func TestTables(t *testing.T) {
	sums := map[string]string{
		O200k:  "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
		CL100k: "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
	}
	both(t, func(t *testing.T, e *Encoding) {
		var file []byte
		for id, token := range tokensOf(e) {
			file = base64.StdEncoding.AppendEncode(file, []byte(token))
			file = append(file, ' ')
			file = strconv.AppendInt(file, int64(id), 10)
			file = append(file, '\n')

			if got, n := e.vocabulary.longest(token); got != uint32(id) || n != len(token) {
				t.Fatalf("token %d (%q) is %d, %d bytes long, in the trie", id, token, got, n)
			}
			if len(token) > 1 {
				left, right := e.vocabulary.split(uint32(id))
				if got, ok := e.vocabulary.merged(left, right); !ok || got != uint32(id) {
					t.Fatalf("tokens %d and %d make %d, %v; want %d", left, right, got, ok, id)
				}
			}
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(file)); got != sums[e.Name()] {
			t.Errorf("SHA-256 of the vocabulary is %s, want %s", got, sums[e.Name()])
		}
	})
}
