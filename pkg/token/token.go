// Package token counts tokens exactly as OpenAI's tiktoken does, for the
// encodings o200k_base and cl100k_base.
//
// Get an [Encoding] by name with [For], or find the name for a model with
// [ForModel]. [Encoding.Count] gives the number of tokens of a text counted
// alone, [Encoding.CountParallel] does so on all processors, [Encoding.Fit]
// tells how far a text goes within a number of tokens, and [Encoding.Walk] tells
// the number of tokens at places on the way. All methods may be called from
// several goroutines at once.
//
// # What is counted
//
// Ordinary text: no special tokens are added, and text that looks like one
// ("<|endoftext|>") is counted as the letters it consists of. Text that is not
// valid UTF-8 is counted as if each ill-formed sequence were U+FFFD (see
// [Invalid]), which is what the reference does.
//
// Counts do not add up: Count(a)+Count(b) and Count(a+b) may differ, since a
// token may span the cut. A part of a text has to be counted on its own. They do
// add up where a piece (see below) ends in any case: before a space behind
// something that is no white space, and behind a line feed before something that
// is neither white space nor a slash.
//
// # How
//
// The patterns and vocabularies are those of tiktoken's openai_public.py. A text
// is first divided into pieces (words, numbers, punctuation, space) by the
// pattern of its encoding, which is written out here as code: o200k.go,
// cl100k.go. Each piece is then merged from bytes into tokens by the
// backtracking of github/rust-gems, crate bpe (MIT), in time linear in its
// length: merge.go. The classes of code points are those of Unicode 16.0.0,
// as the reference has them, whatever package unicode has.
//
// The tables are written by go generate and embedded, 8.6 MB for both encodings,
// and read where they lie: nothing is built at the start or at the first count.
// A goroutine that counts has 1.6 MB of memory, most of it for what it found out
// of the pieces before, however long the text and its pieces are. Text that is not
// valid UTF-8 is copied beyond that, 128 KB or up to where counts add up at a time.
//
// On one processor, o200k_base takes English about 30 times as fast as npm
// tiktoken (OpenAI's own, as WebAssembly), code 40 times, JSON 55 times and
// Chinese 9 times; a bare loop over the bytes is 15, 18, 10 and 35 times as fast
// as that. The slowest piece known, a megabyte of hyphens, takes 16 times as long
// as English of that length. The figures are from BenchmarkCount,
// BenchmarkReference and BenchmarkRun.
package token

import (
	"fmt"
	"runtime"
	"unicode/utf8"
)

//go:generate go run ./generate

// Names of the encodings.
const (
	O200k  = "o200k_base"
	CL100k = "cl100k_base"
)

// An Encoding counts tokens. The zero value is of no use; call [For].
type Encoding struct {
	name       string
	next       func(text string, i int) int // the end of the piece that begins there
	vocabulary vocabulary
	idle       chan *counter // those not in use: at most one for each goroutine that can run
}

var encodings = map[string]*Encoding{
	O200k: {
		name:       O200k,
		next:       nextO200k,
		vocabulary: vocabulary{read(trieO200k), read(prefixesO200k), read(splitsO200k), read(pairsO200k)},
		idle:       make(chan *counter, runtime.GOMAXPROCS(0)),
	},
	CL100k: {
		name:       CL100k,
		next:       nextCL100k,
		vocabulary: vocabulary{read(trieCL100k), read(prefixesCL100k), read(splitsCL100k), read(pairsCL100k)},
		idle:       make(chan *counter, runtime.GOMAXPROCS(0)),
	},
}

// An UnknownEncodingError names an encoding that this package does not have.
type UnknownEncodingError string

func (e UnknownEncodingError) Error() string {
	return fmt.Sprintf("unknown encoding %q (there are %s and %s)", string(e), O200k, CL100k)
}

// For returns the encoding of that name, or an [UnknownEncodingError]. It is
// the same one each time, and costs nothing until it counts.
func For(name string) (*Encoding, error) {
	if e, ok := encodings[name]; ok {
		return e, nil
	}
	return nil, UnknownEncodingError(name)
}

// Name returns the name of the encoding, such as "o200k_base".
func (e *Encoding) Name() string { return e.name }

// Count returns the number of tokens of text.
func (e *Encoding) Count(text string) int {
	c := e.acquire()
	defer e.release(c)
	if utf8.ValidString(text) {
		return e.count(c, text)
	}
	tokens := 0
	for text != "" { // in parts, so that little has to be copied at a time
		n := additive(text, segment)
		tokens += e.count(c, ToValid(text[:n]))
		text = text[n:]
	}
	return tokens
}

// count counts valid UTF-8.
func (e *Encoding) count(c *counter, text string) int {
	tokens := 0
	for i := 0; i < len(text); {
		end := e.next(text, i)
		tokens += c.count(text, i, end)
		i = end
	}
	return tokens
}

// acquire returns a counter for the caller alone, until it is released.
func (e *Encoding) acquire() *counter {
	select {
	case c := <-e.idle:
		return c
	default:
		return &counter{merger: merger{vocabulary: &e.vocabulary}}
	}
}

func (e *Encoding) release(c *counter) {
	select {
	case e.idle <- c:
	default:
	}
}
