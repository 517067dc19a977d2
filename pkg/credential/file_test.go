package credential

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestFiles(t *testing.T) {
	ctx := t.Context()
	old := syscall.Umask(0) // modes must not depend on it
	defer syscall.Umask(old)
	files := Files{ConfigDir: filepath.Join(t.TempDir(), "gptpipe")}

	if _, err := files.Get(ctx, "default"); !errors.Is(err, ErrNoEntry) {
		t.Errorf("get of nothing: %v", err)
	}
	if err := files.Delete(ctx, "default"); !errors.Is(err, ErrNoEntry) {
		t.Errorf("delete of nothing: %v", err)
	}
	want := Entry{Key: "sk-one", Host: "api.openai.com", Set: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	for _, key := range []string{"sk-zero", "sk-one"} {
		e := want
		e.Key = key
		if err := files.Set(ctx, "default", e); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := files.Get(ctx, "default"); got != want || err != nil {
		t.Errorf("got %#v, %v", got, err)
	}
	for path, mode := range map[string]os.FileMode{files.Path("default"): 0o600, filepath.Dir(files.Path("default")): 0o700 | os.ModeDir} {
		info, err := os.Stat(path)
		if err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if left, _ := os.ReadDir(filepath.Dir(files.Path("default"))); len(left) != 1 {
		t.Errorf("files left: %v", left)
	}
	if err := files.Delete(ctx, "default"); err != nil {
		t.Error(err)
	}
	if _, err := files.Get(ctx, "default"); !errors.Is(err, ErrNoEntry) {
		t.Errorf("after delete: %v", err)
	}
}

// What a process that was killed while it set a key has left holds a key: it
// goes with the next Set or Delete, and nobody's else does.
func TestLeftoversAreRemoved(t *testing.T) {
	ctx, files := t.Context(), Files{ConfigDir: t.TempDir()}
	folder := filepath.Dir(files.Path("a"))
	leave := func() {
		for _, name := range []string{".a.new", ".a.refresh", ".a.1234567", ".a.b.new", ".a.b.7654321", ".a.note"} {
			write(t, filepath.Join(folder, name), "sk-left-behind")
		}
	}
	left := func() (names []string) {
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	others := []string{".a.b.7654321", ".a.b.new", ".a.note"}

	leave()
	if err := files.Delete(ctx, "a"); !errors.Is(err, ErrNoEntry) || !slices.Equal(left(), others) {
		t.Errorf("after Delete of nothing: %v, %v", left(), err)
	}
	leave()
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	write(t, elsewhere, "mine")
	os.Remove(filepath.Join(folder, ".a.new"))
	if err := os.Symlink(elsewhere, filepath.Join(folder, ".a.new")); err != nil {
		t.Fatal(err)
	}
	if err := files.Set(ctx, "a", Entry{Key: "sk-one", Host: "h"}); err != nil || !slices.Equal(left(), append(others, "a")) {
		t.Errorf("after Set: %v, %v", left(), err)
	}
	if text, err := os.ReadFile(elsewhere); string(text) != "mine" {
		t.Errorf("written through a symbolic link: %q, %v", text, err)
	}
	leave()
	if err := files.Delete(ctx, "a"); err != nil || !slices.Equal(left(), others) {
		t.Errorf("after Delete: %v, %v", left(), err)
	}
}

// The file is at every moment the old one or the new one, and no moment's
// file, temporary ones included, can be read by others.
func TestFileIsWholeAndPrivateAtEveryMoment(t *testing.T) {
	ctx := t.Context()
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	files := Files{ConfigDir: t.TempDir()}
	entry := func(i int) Entry { return Entry{Key: fmt.Sprintf("sk-%04d", i), Host: "api.openai.com"} }
	if err := files.Set(ctx, "default", entry(0)); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := range 25 {
				if err := files.Set(ctx, "default", entry(w*25+i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	go func() { writers.Wait(); close(done) }()
	folder := filepath.Dir(files.Path("default"))
	for {
		if got, err := files.Get(ctx, "default"); err != nil || len(got.Key) != 7 {
			t.Fatalf("got %q, %v", got.Key, err)
		}
		list, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range list {
			info, err := f.Info()
			if err == nil && info.Mode() != 0o600 {
				t.Fatalf("%s has mode %v", f.Name(), info.Mode())
			}
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	ctx := t.Context()
	files := Files{ConfigDir: t.TempDir()}
	write(t, files.Path("shared"), "sk-one\n")
	for _, mode := range []os.FileMode{0o640, 0o604, 0o644, 0o620, 0o677} {
		if err := os.Chmod(files.Path("shared"), mode); err != nil {
			t.Fatal(err)
		}
		_, err := Find(ctx, Query{Profile: "shared", Host: DefaultHost, Getenv: environment(), ConfigDir: files.ConfigDir})
		var none *NotFoundError
		var bad *FileModeError
		if !errors.As(err, &none) || !errors.As(none.Attempts[4].Err, &bad) {
			t.Errorf("mode %v: %v", mode, err)
			continue
		}
		if want := fmt.Sprintf("permissions %04o", mode); !strings.Contains(err.Error(), want) {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
	// A new key repairs it.
	if err := files.Set(ctx, "shared", Entry{Key: "sk-two", Host: DefaultHost}); err != nil {
		t.Fatal(err)
	}
	if got, err := files.Get(ctx, "shared"); got.Key != "sk-two" || err != nil {
		t.Errorf("got %q, %v", got.Key, err)
	}

	if err := syscall.Mkfifo(files.Path("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(files.Path("folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, profile := range []string{"fifo", "folder"} {
		if _, err := files.Get(ctx, profile); !errors.Is(err, errNotRegular) {
			t.Errorf("%s: %v", profile, err)
		}
	}
	if _, err := (Files{}).Get(ctx, "default"); !errors.Is(err, errNoConfigDir) {
		t.Errorf("without a folder: %v", err)
	}
}

// Managers of dotfiles keep files elsewhere and link to them: a key is replaced
// and deleted where it is, and folders that are linked to are left as they are.
func TestLinkedFile(t *testing.T) {
	ctx, files, dotfiles := t.Context(), Files{ConfigDir: t.TempDir()}, t.TempDir()
	if err := os.Chmod(dotfiles, 0o755); err != nil {
		t.Fatal(err)
	}
	link := func(to, from string) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(from), 0o700), os.Symlink(to, from)); err != nil {
			t.Fatal(err)
		}
	}
	target, old := filepath.Join(dotfiles, "openai"), Entry{Key: "sk-old", Host: DefaultHost}
	write(t, target, "sk-old\n")
	link(target, files.Path("a"))
	if got, err := files.Get(ctx, "a"); got != old || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	fresh := Entry{Key: "sk-new", Host: DefaultHost}
	if err := files.Set(ctx, "a", fresh); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(files.Path("a")); to != target {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	text, err := os.ReadFile(target)
	if err != nil || strings.Contains(string(text), "sk-old") || !strings.Contains(string(text), "sk-new") {
		t.Errorf("behind the link: %s, %v", text, err)
	}
	room, err := files.reserve("a", fresh)
	if err == nil {
		err = room.commit(old)
	}
	if err != nil {
		t.Fatal(err)
	}
	room.discard()
	if got, err := files.Get(ctx, "a"); got != old || err != nil {
		t.Errorf("after a refresh: %v, %v", got, err)
	}
	lock, err := Lock(ctx, files, "a")
	if err != nil {
		t.Fatal(err)
	}
	lock.Close()
	if err := files.Delete(ctx, "a"); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dotfiles); len(left) != 1 || left[0].Name() != ".openai.lock" {
		t.Errorf("left: %v, %v", left, err)
	}
	if left, err := os.ReadDir(filepath.Dir(files.Path("a"))); len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}

	// What is no file, of the user's, is not ours: the link alone is taken away.
	link(dotfiles, files.Path("b"))
	if err := files.Delete(ctx, "b"); err != nil {
		t.Error(err)
	}
	link(dotfiles, files.Path("b"))
	link(filepath.Join(dotfiles, "none"), files.Path("c"))
	for _, profile := range []string{"b", "c"} {
		if err := files.Set(ctx, profile, fresh); err != nil {
			t.Errorf("%s: %v", profile, err)
		}
		if info, err := os.Lstat(files.Path(profile)); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", profile, info, err)
		}
	}

	// Nor is a file that holds no key, nor what stands beside it.
	for name, text := range map[string]string{"two lines": "-----BEGIN KEY-----\nabc\n", "no host": `{"key":"sk-other"}`, "empty": ""} {
		mine := filepath.Join(t.TempDir(), "mine")
		for _, path := range []string{mine, beside(mine, "new"), beside(mine, "refresh")} {
			write(t, path, text)
		}
		link(mine, files.Path("e"))
		deleted := files.Delete(ctx, "e")
		link(mine, files.Path("e"))
		set := files.Set(ctx, "e", fresh)
		got, get := files.Get(ctx, "e")
		if err := errors.Join(deleted, set, get); err != nil || got != fresh {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
		for _, path := range []string{mine, beside(mine, "new"), beside(mine, "refresh")} {
			if left, err := os.ReadFile(path); err != nil || string(left) != text {
				t.Errorf("%s: %s: %q, %v", name, path, left, err)
			}
		}
		if err := files.Delete(ctx, "e"); err != nil {
			t.Error(err)
		}
	}
	// One that others may get at is a key of ours if Set has written it.
	for text, followed := range map[string]bool{"word\n": false, `{"key":"sk-old","host":"h","set":"2026-01-02T03:04:05Z"}`: true} {
		path := filepath.Join(t.TempDir(), "loose")
		write(t, path, text)
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		link(path, files.Path("f"))
		err := files.Delete(ctx, "f")
		if _, stat := os.Lstat(path); err != nil || followed != errors.Is(stat, os.ErrNotExist) {
			t.Errorf("%s: %v, %v", text, err, stat)
		}
	}

	linked := Files{ConfigDir: t.TempDir()}
	link(dotfiles, filepath.Join(linked.ConfigDir, "keys"))
	if err := linked.Set(ctx, "d", fresh); err != nil {
		t.Fatal(err)
	}
	if got, err := linked.Get(ctx, "d"); got != fresh || err != nil {
		t.Errorf("in a linked folder: %v, %v", got, err)
	}
	if info, err := os.Stat(dotfiles); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the linked folder: %v, %v", info, err)
	}
}

func TestFileOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	files := Files{ConfigDir: t.TempDir()}
	write(t, files.Path("default"), "sk-one\n")
	if err := os.Chown(files.Path("default"), 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if _, err := files.Get(t.Context(), "default"); !errors.Is(err, errNotOwner) {
		t.Errorf("got %v", err)
	}
}

func TestStoredForms(t *testing.T) {
	tests := []struct {
		text string
		want Entry
		ok   bool
	}{
		{`{"key":"sk-one","host":"example.com","set":"2026-01-02T03:04:05Z"}`,
			Entry{Key: "sk-one", Host: "example.com", Set: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}, true},
		{`{"key":"sk-one","host":"example.com","later":{"x":1}}` + "\n", Entry{Key: "sk-one", Host: "example.com"}, true},
		{`{"key":"sk-one","host":"https://Example.com:443/v1"}`, Entry{Key: "sk-one", Host: "example.com"}, true},
		{`{"key":"sk-one","host":"http://example.com"}`, Entry{Key: "sk-one", Host: "http://example.com"}, true},
		{`{"key":"sk-one","host":"unix/run/x.sock"}`, Entry{Key: "sk-one", Host: "unix/run/x.sock"}, true},
		{"sk-one\n", Entry{Key: "sk-one", Host: DefaultHost}, true},
		{`{"key":"sk-one"}`, Entry{}, false},
		{`{"host":"example.com"}`, Entry{}, false},
		{`{"key":"sk one","host":"example.com"}`, Entry{}, false},
		{`{"key":"sk-one","host":"example`, Entry{}, false},
		{`{"key":{"sk-one":1},"host":"example.com"}`, Entry{}, false},
		{"", Entry{}, false},
		{"# my key\nsk-one\n", Entry{}, false},
	}
	for _, test := range tests {
		got, err := decodeEntry(test.text)
		var invalid *InvalidError
		if got != test.want || (err == nil) != test.ok || err != nil && !errors.As(err, &invalid) {
			t.Errorf("%s: %#v with key %q, %v", test.text, got, got.Key, err)
		}
		if err != nil && strings.Contains(err.Error(), "sk-one") {
			t.Errorf("the key is repeated: %v", err)
		}
	}
}

func TestTail(t *testing.T) {
	for key, want := range map[string]string{"": "", "12345678": "", "123456789": "6789", "sk-abcd1234": "1234"} {
		if got := (Entry{Key: key}).Tail(); got != want {
			t.Errorf("%q: %q, want %q", key, got, want)
		}
	}
}
