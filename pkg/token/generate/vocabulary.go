package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

const module = "github.com/pkoukk/tiktoken-go-loader@v0.0.2"

type vocabulary struct{ name, sum string }

// The sums are those that tiktoken itself checks (openai_public.py).
var vocabularies = []vocabulary{
	{"o200k_base", "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"},
	{"cl100k_base", "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"},
}

// download returns the folder of the module.
func download() (string, error) {
	out, err := exec.Command("go", "mod", "download", "-json", module).Output()
	if err != nil {
		return "", fmt.Errorf("go mod download: %w", err)
	}
	var info struct{ Dir string }
	err = json.Unmarshal(out, &info)
	return info.Dir, err
}

// read returns the tokens in the order of their ids, which are their ranks.
func (v vocabulary) read(dir string) ([]string, error) {
	data, err := os.ReadFile(filepath.Join(dir, "assets", v.name+".tiktoken"))
	if err != nil {
		return nil, err
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(data)); sum != v.sum {
		return nil, fmt.Errorf("%s: the SHA-256 is %s, not %s", v.name, sum, v.sum)
	}
	var tokens []string
	for line := range bytes.Lines(data) {
		coded, id, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
		token, err := base64.StdEncoding.DecodeString(string(coded))
		if err != nil {
			return nil, fmt.Errorf("%s: token %d: %w", v.name, len(tokens), err)
		}
		if string(id) != strconv.Itoa(len(tokens)) {
			return nil, fmt.Errorf("%s: token %s where %d was expected", v.name, id, len(tokens))
		}
		tokens = append(tokens, string(token))
	}
	return tokens, nil
}

// write writes a table in little-endian order.
func write(name string, cells []uint32) error {
	data := make([]byte, 0, 4*len(cells))
	for _, c := range cells {
		data = binary.LittleEndian.AppendUint32(data, c)
	}
	return os.WriteFile(name, data, 0o666)
}
