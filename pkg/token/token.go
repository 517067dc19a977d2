// Package token counts tokens exactly as OpenAI's tiktoken does, for the
// encodings o200k_base and cl100k_base.
//
// Get an [Encoding] by name with [For], or find the name for a model with
// [ForModel]. [Encoding.Count] gives the number of tokens of a text counted
// alone, [Encoding.Fit] how far a text goes within a number of tokens. All
// methods may be called from several goroutines at once.
//
// # What is counted
//
// Ordinary text: no special tokens are added, and text that looks like one
// ("<|endoftext|>") is counted as the letters it consists of. Text that is not
// valid UTF-8 is counted as if each ill-formed sequence were U+FFFD (see
// [Invalid]), which is what the reference does.
//
// Counts do not add up: Count(a)+Count(b) and Count(a+b) may differ, since a
// token may span the cut. A part of a text has to be counted on its own.
//
// # How
//
// A text is first divided into pieces (words, numbers, punctuation, space) by
// the regular expression of its encoding; each piece is then merged from bytes
// into tokens. The vocabulary and the merge of short pieces come from
// github.com/tiktoken-go/tokenizer v0.7.0. That release is exact; v0.8.2 to
// v0.10.0 drop U+007F and end a run of line breaks too early. Its merge takes
// time quadratic in the length of a piece, so pieces over [longPiece] bytes are
// merged here, in time n log n.
//
// Tables are built when the first count is asked for, not at program start.
package token

import (
	"fmt"
	"sync"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
	"github.com/tiktoken-go/tokenizer"
)

// Names of the encodings.
const (
	O200k  = "o200k_base"
	CL100k = "cl100k_base"
)

// An Encoding counts tokens. The zero value is of no use; call [For].
type Encoding struct {
	name    string
	pattern string // of the pieces, from tiktoken's openai_public.py

	once  sync.Once
	split *regexp2.Regexp
	codec tokenizer.Codec

	counts pieceCache

	ranksOnce sync.Once
	ranks     map[string]int32 // of every token, for long pieces
}

var encodings = map[string]*Encoding{
	O200k: {name: O200k, pattern: `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?` +
		`|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?` +
		`|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`},
	CL100k: {name: CL100k, pattern: `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+` +
		`|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`},
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
	text = ToValid(text)
	total := 0
	for size := blockSize; text != ""; {
		block := head(text, size)
		done := 0
		e.pieces(block, len(block) < len(text), func(piece string) bool {
			total += e.count(piece)
			done += len(piece)
			return true
		})
		if done == 0 {
			size *= 2 // the first piece is longer than the block
			continue
		}
		text, size = text[done:], blockSize
	}
	return total
}

// Fit returns how far text goes within n tokens.
//
// If full, text[:length] is the first n tokens of the text, or a little less
// where that would divide a code point; there is text behind it. If not full,
// all of text fits: the whole of it when more is false, and when more is true,
// which means that the text goes on, the part whose tokens are settled whatever
// follows. A caller that then has more text goes on from text[length:] with
// n-tokens.
//
// The answer is the same however the caller divides a text over calls. A piece
// that goes on for very long is taken in parts, so that neither the time nor the
// text needed grows with it. For this reason, and since a part of a piece may be
// more tokens alone than it is in its place, what Fit finds is a proposal, which
// can be a few tokens off what Count says.
//
// The text must be valid UTF-8.
func (e *Encoding) Fit(text string, n int, more bool) (length, tokens int, full bool) {
	take := func(piece string) {
		c := e.count(piece)
		if tokens+c > n {
			length += e.prefix(piece, n-tokens)
			tokens, full = n, true
			return
		}
		length, tokens = length+len(piece), tokens+c
	}
	for length < len(text) && !full {
		begin, size := length, view(n-tokens)
		block := head(text[begin:], size)
		open := more || len(block) < len(text)-begin
		e.pieces(block, open, func(piece string) bool {
			if len(piece) > shortPiece && length+view(n-tokens) < begin+size {
				return false // to be looked at again in a block of its own
			}
			take(piece)
			return !full
		})
		if length > begin || full {
			continue
		}
		if len(text)-begin < size {
			break // what the next piece is depends on text not seen
		}
		e.pieces(block, false, func(piece string) bool {
			take(piece)
			return false
		})
	}
	return length, tokens, full
}

// view returns how many bytes Fit looks at to find a piece, when n tokens are
// left: a piece that is not settled in them is cut there. It must not be seen
// in more, or the answer would depend on how much text happens to be there;
// only for a piece of up to shortPiece bytes it makes no difference.
func view(n int) int { return 2*shortPiece + 16*min(n, 1024) }

const shortPiece = 128

// prefix returns the length in bytes of the first n tokens of piece, rounded
// down to a code point boundary.
func (e *Encoding) prefix(piece string, n int) int {
	end := 0
	if len(piece) > longPiece {
		for _, t := range e.merge(piece)[:n] {
			end += len(t)
		}
	} else {
		_, tokens, err := e.codec.Encode(piece)
		check(err)
		for _, t := range tokens[:n] {
			end += len(t)
		}
	}
	for end < len(piece) && !utf8.RuneStart(piece[end]) {
		end--
	}
	return end
}

func (e *Encoding) count(piece string) int {
	if len(piece) > longPiece {
		return len(e.merge(piece))
	}
	n, ok := e.counts.get(piece)
	if !ok {
		var err error
		n, err = e.codec.Count(piece)
		check(err)
		e.counts.put(piece, n)
	}
	return n
}

// check stops the program on an error of the regular expressions: the only one
// they know is a time limit, which is not set.
func check(err error) {
	if err != nil {
		panic("token: " + err.Error())
	}
}
