package token

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"os"
	"testing"
)

// A vector is a text with what the reference says of it.
type vector struct {
	Text      string
	O200k     int    `json:"o200k_base"`
	CL100k    int    `json:"cl100k_base"`
	O200kCRC  uint32 `json:"o200k_crc"`
	CL100kCRC uint32 `json:"cl100k_crc"`
}

func (v vector) of(e *Encoding) (count int, crc uint32) {
	if e.Name() == O200k {
		return v.O200k, v.O200kCRC
	}
	return v.CL100k, v.CL100kCRC
}

func vectors(t testing.TB) []vector {
	f, err := os.Open("testdata/tokens.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	for lines := bufio.NewScanner(z); lines.Scan(); {
		var v vector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if len(all) != 30137 {
		t.Fatalf("%d vectors", len(all))
	}
	return all
}

// both runs a test for each encoding.
func both(t *testing.T, test func(t *testing.T, e *Encoding)) {
	for _, e := range []*Encoding{encodings[O200k], encodings[CL100k]} {
		t.Run(e.Name(), func(t *testing.T) {
			t.Parallel()
			test(t, e)
		})
	}
}

// appendIDs appends the token ids of valid text, four bytes each, little-endian.
func appendIDs(b []byte, e *Encoding, m *merger, text string) []byte {
	for i := 0; i < len(text); {
		end := e.next(text, i)
		for _, p := range m.divide(text[i:end]) {
			b = binary.LittleEndian.AppendUint32(b, p.id)
		}
		i = end
	}
	return b
}

func TestVectors(t *testing.T) {
	all := vectors(t)
	both(t, func(t *testing.T, e *Encoding) {
		m := &merger{vocabulary: &e.vocabulary}
		var ids []byte
		for i, v := range all {
			count, crc := v.of(e)
			if got := e.Count(v.Text); got != count {
				t.Errorf("line %d: %q: %d tokens, want %d", i+1, v.Text, got, count)
			}
			ids = appendIDs(ids[:0], e, m, v.Text)
			if crc32.ChecksumIEEE(ids) != crc {
				t.Errorf("line %d: %q: other ids", i+1, v.Text)
			}
		}
	})
}
