package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gptpipe/pkg/hub"
)

func put(t *testing.T, dir string, n int, value string, ttl time.Duration) {
	t.Helper()
	c, err := hub.Open(t.Context(), hub.Config{Dir: dir, Command: []string{bin, "serve"}, Linger: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Put(t.Context(), hub.Key{0xab, byte(n)}, []byte(value), fmt.Sprint("gpt-", n), ttl); err != nil {
		t.Fatal(err)
	}
}

// What was exported here and imported there is exported there as the same bytes.
func TestExportAndImport(t *testing.T) {
	from, to := folder(t), folder(t)
	values := []string{`{"text":"1 < 2 & \u00e9 é 3.10"}`, `"text"`, ` {"text":"spaces around"} `, "{\n}", "no JSON", "", "\xff\x00", `{"a":1`}
	for n, v := range values {
		put(t, from, n, v, time.Duration(n)*time.Hour) // the first for ever
	}
	exported, stderr, status := gptCache(t, nil, "export", "--cache", from)
	if status != 0 || stderr != "gpt-cache: exported 8 entries\n" {
		t.Fatalf("export: %d, %s", status, stderr)
	}
	if want := `"value":{"text":"1 < 2 & \u00e9 é 3.10"}}` + "\n"; !strings.Contains(exported, want) {
		t.Errorf("JSON is not as it was: %s", exported)
	}

	file := filepath.Join(t.TempDir(), "cache.jsonl")
	expired := strings.Replace(exported, `"expires":"20`, `"expires":"19`, 1)
	if err := os.WriteFile(file, []byte(expired+"\n{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, status = gptCache(t, nil, "import", "--cache", to, file)
	if status != 1 || !strings.Contains(stderr, "imported 7 entries; passed over 1 expired, 0 that are there\n") ||
		!strings.Contains(stderr, "gpt-cache: line 10: id is not one\n") {
		t.Errorf("import: %d, %s", status, stderr)
	}
	_, stderr, status = gptCacheWith(t, strings.NewReader(exported), nil, "import", "--cache", to)
	if status != 0 || stderr != "gpt-cache: imported 1 entry; passed over 0 expired, 7 that are there\n" {
		t.Errorf("import again: %d, %s", status, stderr)
	}
	again, _, _ := gptCache(t, nil, "export", "--cache", to)
	if again != exported {
		t.Errorf("what came:\n%sis not what went:\n%s", again, exported)
	}
}

func TestListAndGet(t *testing.T) {
	dir := folder(t)
	put(t, dir, 0x10, `{"text":"one"}`, 0)
	put(t, dir, 0x12, `{"text":"two"}`, time.Hour)
	stdout, _, status := gptCache(t, nil, "list", "--cache", dir)
	lines := strings.Split(stdout, "\n")
	if status != 0 || len(lines) != 3 {
		t.Fatalf("list: %d, %s", status, stdout)
	}
	id := "ab12" + strings.Repeat("0", 60)
	if !strings.HasPrefix(lines[1], `{"id":"`+id+`","model":"gpt-18","stored":"20`) ||
		!strings.Contains(lines[1], `,"expires":"20`) || !strings.HasSuffix(lines[1], `Z","bytes":14}`) {
		t.Errorf("list: %s", lines[1])
	}
	if strings.Contains(lines[0], "expires") {
		t.Errorf("list: %s", lines[0])
	}
	for _, c := range []struct {
		id, stdout, says string
		status           int
	}{
		{id, "{\"text\":\"two\"}\n", "", 0},
		{"AB12", "{\"text\":\"two\"}\n", "", 0},
		{"ab10", "{\"text\":\"one\"}\n", "", 0},
		{"ab1", "", "more than one entry begins with ab1", 1},
		{"ab11", "", "no entry begins with ab11", 1},
		{"ac", "", "no entry begins with ac", 1},
	} {
		stdout, stderr, status := gptCache(t, nil, "get", "--cache", dir, c.id)
		if stdout != c.stdout || status != c.status || !strings.Contains(stderr, c.says) {
			t.Errorf("get %s: %d, %q, %s", c.id, status, stdout, stderr)
		}
	}
	if s, _, _ := gptCache(t, nil, "stats", "--cache", dir); !strings.Contains(s, "hits: 0\nmisses: 0\n") {
		t.Errorf("to look counts as a use: %s", s)
	}
	if _, stderr, status := gptCache(t, nil, "compact", "--cache", dir); status != 0 || !strings.Contains(stderr, "on disk") {
		t.Errorf("compact: %d, %s", status, stderr)
	}
}

// A database that cannot be opened is told once, to whoever comes first, and is in the statistics from then on.
func TestBrokenDatabase(t *testing.T) {
	dir := folder(t)
	put(t, dir, 1, "x", 0)
	if _, stderr, status := gptCache(t, nil, "stop", "--cache", dir); status != 0 {
		t.Fatal(stderr)
	}
	if err := os.WriteFile(filepath.Join(dir, "data-1-1", "MANIFEST"), []byte("MANIFEST"), 0o600); err != nil {
		t.Fatal(err)
	}
	aside := filepath.Join(dir, "data-1-1.broken-2")
	for try := range 2 {
		stdout, stderr, status := gptCache(t, nil, "stats", "--cache", dir)
		if status != 0 || !strings.Contains(stdout, "\nbroken: "+aside) || !strings.Contains(stdout, ": manifest has bad magic\n") {
			t.Errorf("stats: %d, %s", status, stdout)
		}
		told := strings.Count(stderr, "\n") == 1 && strings.Contains(stderr, "was moved to "+aside)
		if try == 0 && !told || try > 0 && stderr != "" {
			t.Errorf("the %d. time: %s", try+1, stderr)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"32000000": 32e6, "500MB": 500e6, "2GB": 2e9, "1GiB": 1 << 30, "1.5 gb": 1.5e9, "64MiB": 64 << 20, "0": 0,
		"": 0, "MB": 0, "-2GB": 0, "2G": 0, "2BB": 0, "99999999TB": 0, "31MB": 0, "NaNGB": 0,
	} {
		var a amount
		if err := a.Set(text); int64(a) != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, %v", text, a, err)
		}
	}
	var b bytes.Buffer
	for _, n := range []uint64{5, 1536, 3 << 30} {
		fmt.Fprintln(&b, size(n))
	}
	if b.String() != "5 B\n1.5 KiB\n3.0 GiB\n" {
		t.Error(b.String())
	}
}
