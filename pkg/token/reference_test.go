package token

import (
	"encoding/json"
	"hash/crc32"
	"os"
	"strings"
	"testing"
)

// What the reference, npm tiktoken, says of texts that are made here and in
// bench/reference.mjs in the same way.
type reference struct {
	CodePoints map[string][]struct { // for each plane of 65536
		Count int
		CRC   uint32
	}
	Runs []struct {
		Text   string
		Repeat int
		Counts map[string]int
	}
}

func readReference(t *testing.T) (r reference) {
	data, err := os.ReadFile("testdata/reference.json")
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Every code point, in places where its class decides how the text around it is
// divided: it fails with the classes of any other version of Unicode. The race
// detector, for which there is nothing here, sees only the planes in which classes
// vary.
func TestCodePoints(t *testing.T) {
	want := readReference(t).CodePoints
	both(t, func(t *testing.T, e *Encoding) {
		m := &merger{vocabulary: &e.vocabulary}
		var ids []byte
		for plane, want := range want[e.Name()] {
			if raceDetector && plane > 1 && plane != 14 {
				continue
			}
			count, crc := 0, crc32.NewIEEE()
			for r := rune(plane) << 16; r < rune(plane+1)<<16; r++ {
				if r >= 0xd800 && r < 0xe000 {
					continue
				}
				c := string(r)
				ids = appendIDs(ids[:0], e, m, c+"Fox "+c+"\n \n"+c+"123")
				count += len(ids) / 4
				crc.Write(ids)
			}
			if count != want.Count || crc.Sum32() != want.CRC {
				t.Errorf("plane %d: %d tokens, CRC %d; want %+v", plane, count, crc.Sum32(), want)
			}
		}
	})
}

func TestRuns(t *testing.T) {
	runs := readReference(t).Runs
	both(t, func(t *testing.T, e *Encoding) {
		for _, run := range runs {
			if got := e.Count(strings.Repeat(run.Text, run.Repeat)); got != run.Counts[e.Name()] {
				t.Errorf("%d times %q: %d tokens, want %d", run.Repeat, run.Text, got, run.Counts[e.Name()])
			}
		}
	})
}
