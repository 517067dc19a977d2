// Package chunk divides a stream of text into chunks that keep within a
// budget, cut at natural boundaries.
//
//	s, err := chunk.New(file, chunk.Options{Unit: chunk.Tokens, Size: 2000, Encoding: enc})
//	…
//	for {
//		c, err := s.Next()
//		if err == io.EOF {
//			break
//		}
//		…
//	}
//
// What holds for every chunk:
//
//   - Its text is input[Start:End], byte for byte; without overlap, the texts
//     put together are the input. Line ends, NUL and a byte order mark stay.
//   - It is within the budget when it is counted alone. The one exception is a
//     budget smaller than a code point, which gives that code point alone.
//   - It is cut within a grapheme cluster (Unicode UAX #29) only if the cluster
//     alone is over the budget, and then between code points; [ByNone] cuts
//     between any two code points.
//   - It depends on the input alone, not on how the input arrives, and it is
//     returned as soon as it is known.
//
// Memory is bounded by the budget, not by the input.
//
// # Where a chunk ends
//
// The budget sets a limit, and the chunk ends at the best boundary in the last
// fifth before it: of those of one rank, the last. Thus chunks of prose are nine
// tenths full in the mean or more. From the best: the end of a paragraph, of a
// line, of a sentence (Unicode UAX #29, which knows 。！？ too), of a clause, of a
// word. Only where the second half before the limit has none of these is a word
// divided, between grapheme clusters.
//
// [ByMarkdown] takes the heading of the highest level in the second half, else the
// last block or line of a paragraph in the last fifth. Fenced and indented code,
// tables, lists, quotations, HTML and front matter go to the next chunk whole,
// however short this one becomes; what is too large for a chunk is divided between
// items of lists, the outermost first, else between lines, else within the line
// behind the heading. A heading is parted from the text behind it only where that
// would be divided otherwise and is within the budget without it; Section still has
// it. The text is read line by line with the state of a parser of CommonMark (see
// the type markdown), so a chunk waits for the line it may end in and the one
// behind, of each no more than a kilobyte, and memory stays bounded. What only the
// far end of a block shows is not known: front matter is one from its first line on,
// and a paragraph that was divided becomes no heading by its underline.
//
// [ByCode] takes the last line in the second half that begins a block at the top
// level: not indented, behind a blank line. Else, in the last fifth, the least
// indented line behind a blank one, the least indented line, the last line. Lines
// that close a bracket stay with those before.
//
// # How tokens are counted
//
// Counts do not add up where a token spans the cut, so a chunk is not the sum of
// its parts. They do at seams (see seam), and there are some in every line of
// most texts: the splitter keeps the counts of the parts between them, which makes
// each byte be counted about once, and recounts the ends of a chunk.
//
// # Overlap
//
// With Options.Overlap a chunk begins with the end of the one before it, for
// context. That part is spent from the budget, begins on a boundary, and is
// left out where there would be no room for new text.
//
// # Invalid UTF-8
//
// It is an [InvalidUTF8Error], after the chunks that are complete before it. With
// Options.ReplaceInvalid each ill-formed sequence, as [token.Invalid] finds it,
// becomes U+FFFD in Text, while Start and End remain offsets of the input. An
// overlap does not reach back over a replacement, so that its length is the same
// in the text and in the input, and it can be cut off again by the offsets.
package chunk
