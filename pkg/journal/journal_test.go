package journal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gptpipe/pkg/llm"
)

func open(t *testing.T, path string, refresh bool) *Journal {
	t.Helper()
	j, err := Open(path, refresh, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func keyOf(n int) Key { return sha256.Sum256(fmt.Append(nil, n)) }

func answer(n int) json.RawMessage { return fmt.Appendf(nil, `{"text":"answer %d"}`, n) }

// has checks that the journal has the answers from 0 to n, and none after that.
func has(t *testing.T, j *Journal, n int) {
	t.Helper()
	if j.Found() != n {
		t.Errorf("found %d, not %d", j.Found(), n)
	}
	for i := range n + 3 {
		got, ok, err := j.Get(keyOf(i))
		if err != nil || ok != (i < n) || ok && !bytes.Equal(got, answer(i)) {
			t.Errorf("%d of %d: %s, %v, %v", i, n, got, ok, err)
		}
	}
}

func put(t *testing.T, j *Journal, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := j.Put(keyOf(i), answer(i)); err != nil {
			t.Fatal(err)
		}
	}
}

// Who looks takes no lock, changes nothing, and passes over a line that is not whole.
func TestLook(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "folder")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "out.partial")
	writer := open(t, path, false)
	put(t, writer, 0, 10)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"key":"torn`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(path, 0o400), os.Chmod(dir, 0o500)); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o700)
	j, err := Look(path, false)
	if err != nil {
		t.Fatal(err)
	}
	has(t, j, 10)
	put(t, j, 10, 11)
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the journal was changed: %v", err)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("left behind: %v, %v", names, err)
	}
	if _, err := Look(filepath.Join(dir, "none"), false); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
}

func TestNoLinkLeadsAway(t *testing.T) {
	dir := t.TempDir()
	other, path := filepath.Join(dir, "other"), filepath.Join(dir, "out.partial")
	if err := os.Symlink(other, path); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, false, 0); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("opened through a link: %v", err)
	}
	if _, err := os.Lstat(other); !errors.Is(err, os.ErrNotExist) {
		t.Error("a file was made where the link leads")
	}
}

func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.partial")
	for n := 0; n <= 3000; n += 1000 {
		j := open(t, path, false)
		has(t, j, n)
		put(t, j, n, n+1000)
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
			t.Error(info.Mode(), err)
		}
		if _, err := Open(path, false, 0); !errors.Is(err, ErrInUse) {
			t.Errorf("a second one: %v", err)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	}
	j := open(t, path, false)
	if err := errors.Join(j.Remove(), j.Close()); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// Wherever the file was cut off, what stands before is found and what is put then comes after it.
func TestCutOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.partial")
	j := open(t, path, false)
	put(t, j, 0, 4)
	j.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := 0; cut <= len(whole); cut += 1 + cut%7 {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		n := max(0, bytes.Count(whole[:cut], []byte{'\n'})-1)
		j := open(t, path, false)
		has(t, j, n)
		put(t, j, n, 5)
		j.Close()
		j = open(t, path, false)
		has(t, j, 5)
		j.Close()
	}
}

// Damage within costs the answers that it hit, and no more.
func TestDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.partial")
	j := open(t, path, false)
	put(t, j, 0, 20)
	j.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for range 300 {
		damaged := bytes.Clone(whole)
		at := len(header) + rand.N(len(whole)-len(header))
		length := min(1+rand.N(40), len(damaged)-at)
		clear(damaged[at : at+length]) // as after a loss of power
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		j := open(t, path, false)
		wrong, missing := 0, 0
		for i := range 20 {
			got, ok, err := j.Get(keyOf(i))
			switch {
			case err != nil:
				t.Fatal(err)
			case !ok:
				missing++
			case !bytes.Equal(got, answer(i)):
				wrong++ // its text was hit, which nothing tells
			}
		}
		if missing > 2 || wrong > 0 {
			t.Errorf("%d zeros at %d: %d are missing, %d wrong", length, at, missing, wrong)
		}
		j.Close()
	}
}

// A file that is somebody's own is left as it is.
func TestForeignFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.partial")
	for _, text := range []string{"my notes", "{}\n", header[:5] + "x", strings.Repeat("x", 1000)} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, false, 0); !errors.Is(err, ErrForeign) {
			t.Errorf("%.20q: %v", text, err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%.20q became %.20q, %v", text, got, err)
		}
	}
}

func TestPipeForAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.partial")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, false, 0); !errors.Is(err, ErrForeign) {
		t.Errorf("to write: %v", err)
	}
	if _, err := Look(path, false); !errors.Is(err, ErrForeign) {
		t.Errorf("to look: %v", err)
	}
}

// Where the machine went down before the beginning was on its disk there are zeros; what stands behind them counts.
func TestZerosForAHeader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.partial")
	j := open(t, path, false)
	put(t, j, 0, 60)
	j.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, lost := range []int{1, 10, len(header) - 1, len(header), 4096, len(whole)} {
		file := bytes.Clone(whole[:max(lost, len(whole))])
		if lost < len(header) { // the length did not reach the disk either
			file = file[:lost]
		}
		copy(file, make([]byte, lost))
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		j := open(t, path, false)
		want := bytes.Count(file[min(lost, len(file)):], []byte(keyPrefix))
		if j.Found() != want {
			t.Errorf("%d zeros: found %d, not %d", lost, j.Found(), want)
		}
		put(t, j, 0, 5)
		j.Close()
		j = open(t, path, false)
		if _, ok, err := j.Get(keyOf(4)); !ok || err != nil {
			t.Errorf("%d zeros: %v, %v", lost, ok, err)
		}
		j.Close()
	}
}

// onSmallDisk is the path of a journal on a disk of so many MiB, most of which others do not take.
func onSmallDisk(t *testing.T, size int) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a file system")
	}
	small := t.TempDir()
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, fmt.Sprintf("size=%dm", size)); err != nil {
		t.Skipf("no file system can be mounted here: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(small, syscall.MNT_DETACH) })
	return filepath.Join(small, "out.partial")
}

// askAll asks for answers, so many at once, until there is an error, and returns how many were given and the error.
func askAll(t *testing.T, j *Journal, jobs int, size func(n int64) int) (given int64, err error) {
	t.Helper()
	var asked, answered atomic.Int64
	model := llm.Func(func(context.Context, *llm.Request) (*llm.Response, error) {
		n := answered.Add(1)
		return &llm.Response{Text: strings.Repeat("x", size(n))}, nil
	})
	c := New(model, j, func(req *llm.Request) Key { return sha256.Sum256(req.Body) })
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	var wg sync.WaitGroup
	for range jobs {
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := c.Complete(ctx, &llm.Request{Body: fmt.Append(nil, asked.Add(1))}); err != nil {
					stop(err)
				}
			}
		})
	}
	wg.Wait()
	return answered.Load(), context.Cause(ctx)
}

// When the disk is full, that is said, and all that was asked for by then is taken, however long the answers are; and room
// that is not used is given back.
func TestReserve(t *testing.T) {
	for _, size := range []int{1_000, 60_000, 200_000} {
		for _, jobs := range []int{1, 16} {
			path := onSmallDisk(t, 8)
			j, err := Open(path, false, 256<<10)
			if err != nil {
				t.Fatal(err)
			}
			given, err := askAll(t, j, jobs, func(int64) int { return size })
			var full *FullError
			if !errors.As(err, &full) || !errors.Is(err, syscall.ENOSPC) || full.Dir != filepath.Dir(path) || full.Need < int64(size) {
				t.Errorf("%d bytes: %v", size, err)
			}
			if j.Lost() != 0 {
				t.Errorf("%d bytes: %d are lost", size, j.Lost())
			}
			j.Close()
			var stat syscall.Stat_t
			if err := syscall.Stat(path, &stat); err != nil || stat.Blocks*512 > j.size+4096 {
				t.Errorf("%d bytes of the disk are in use for %d, %v", stat.Blocks*512, j.size, err)
			}
			if err := syscall.Mount("tmpfs", filepath.Dir(path), "tmpfs", syscall.MS_REMOUNT, "size=16m"); err != nil { // for the index
				t.Fatal(err)
			}
			j = open(t, path, false)
			if int64(j.Found()) != given || given < 3<<20/int64(size+100) {
				t.Errorf("%d bytes: found %d of %d", size, j.Found(), given)
			}
			j.Close()
		}
	}
}

// Room that is taken ahead is not missed where there is none for it.
func TestNoRoomAhead(t *testing.T) {
	path := onSmallDisk(t, 8) // of a kind on which room is not given beyond the longest a file may be
	j, err := Open(path, false, 256<<10)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	longest() // as it was
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 300 << 10, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	first, second := j.room.take(t.Context()), j.room.allocate()
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if first != nil || !errors.Is(second, syscall.EFBIG) {
		t.Errorf("%v; %v", first, second)
	}
}

// Answers that become longer are reserved more for, and one that does not fit all the same is rescued, or told of.
func TestAnswersThatGrow(t *testing.T) {
	for _, rescue := range []bool{true, false} {
		path := onSmallDisk(t, 8)
		j, err := Open(path, false, 64<<10)
		if err != nil {
			t.Fatal(err)
		}
		output := filepath.Join(filepath.Dir(path), "output")
		if err := os.WriteFile(output, make([]byte, 3<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		called := 0
		if rescue {
			j.Rescue(func(err error) {
				if called++; !Full(err) {
					t.Error(err)
				}
				if err := os.Remove(output); err != nil {
					t.Error(err)
				}
			})
		}
		const jobs, short = 8, 200
		var large sync.WaitGroup // those that come together
		large.Add(jobs)
		given, _ := askAll(t, j, jobs, func(n int64) int {
			if n <= short {
				return 2000
			}
			if n <= short+jobs {
				large.Done()
				large.Wait()
			}
			return 800_000
		})
		if lost := j.Lost(); rescue && (lost > 0 || called > 1) || !rescue && lost == 0 {
			t.Errorf("rescue %v, called %d times: %d of %d are lost", rescue, called, lost, given)
		}
		lost := int64(j.Lost())
		j.Close()
		j = open(t, path, false)
		if int64(j.Found()) != given-lost {
			t.Errorf("found %d of %d, of which %d were lost", j.Found(), given, lost)
		}
		j.Close()
	}
}

// A disk that has not room for all that could be in flight has fewer in flight, which is told, and stops nothing; and
// what waits for room gives up with the run.
func TestRoomIsWaitedFor(t *testing.T) {
	j, err := Open(onSmallDisk(t, 1), false, 256<<10)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	scarce := 0
	j.Scarce(func() { scarce++ })
	if err := j.room.take(t.Context()); err != nil { // 256 KiB here, and for the output
		t.Fatal(err)
	}
	ctx, stop := context.WithCancelCause(t.Context())
	stop(errors.New("enough"))
	if err := j.room.take(ctx); err == nil || err.Error() != "enough" {
		t.Error(err)
	}
	waited := make(chan error)
	for range 3 {
		go func() {
			err := j.room.take(t.Context())
			j.room.give()
			waited <- err
		}()
	}
	select {
	case err := <-waited:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(50 * time.Millisecond): // in which it does not
	}
	j.room.give()
	for range 3 {
		if err := <-waited; err != nil {
			t.Error(err)
		}
	}
	if scarce != 1 {
		t.Errorf("told %d times", scarce)
	}
}

// A run that asks anew finds what such a run put, and the later answer counts.
func TestRefresh(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.partial")
	old, renewed := json.RawMessage(`{"text":"old"}`), json.RawMessage(`{"text":"new"}`)
	j := open(t, path, false)
	j.Put(keyOf(1), old)
	j.Put(keyOf(2), old)
	j.Close()
	j = open(t, path, true)
	if _, ok, err := j.Get(keyOf(1)); ok || err != nil {
		t.Error("an answer from before", err)
	}
	j.Put(keyOf(1), renewed)
	j.Close()
	for _, refresh := range []bool{false, true} {
		j = open(t, path, refresh)
		if got, _, err := j.Get(keyOf(1)); !bytes.Equal(got, renewed) || err != nil {
			t.Errorf("%s, %v", got, err)
		}
		if _, ok, err := j.Get(keyOf(2)); ok == refresh || err != nil {
			t.Error(ok, err)
		}
		j.Close()
	}
}

// Answers of many megabytes, from many goroutines.
func TestLargeAndConcurrent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.partial")
	large := func(n int) json.RawMessage {
		return fmt.Appendf(nil, `{"text":"%s %d"}`, strings.Repeat("x", n%7*300_000), n)
	}
	j := open(t, path, false)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 10 {
				if err := j.Put(keyOf(10*g+i), large(10*g+i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	j.Close()
	j = open(t, path, false)
	for i := range 80 {
		wg.Go(func() {
			if got, ok, err := j.Get(keyOf(i)); !ok || err != nil || !bytes.Equal(got, large(i)) {
				t.Errorf("%d: %v, %v, %d bytes", i, ok, err, len(got))
			}
		})
	}
	wg.Wait()
}

// What did not fit is not there, and nothing half of it; what is shorter may fit.
func TestFullDisk(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "out.partial"), false)
	put(t, j, 0, 3)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	// A file that may not grow stands for a disk that is full. The Go runtime ignores SIGXFSZ.
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: uint64(j.size) + 200, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	err := j.Put(keyOf(3), append(answer(3), strings.Repeat(" ", 1000)...))
	shorter := j.Put(keyOf(3), answer(3))
	if rerr := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); rerr != nil {
		t.Fatal(rerr)
	}
	if err == nil || shorter != nil {
		t.Fatalf("%v; a shorter one: %v", err, shorter)
	}
	j.Close()
	has(t, open(t, j.file.Name(), false), 4)
}

// What is in the journal is not asked; what was answered is in it, failures that were answers too, and other failures not.
// Close waits for what is on its way to the disk, and says if it does not get there.
func TestCloseWhileSyncing(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "out.partial"), false)
	began, goOn := make(chan bool), make(chan bool)
	j.toDisk = func() error {
		close(began)
		<-goOn
		return syscall.EIO
	}
	if err := j.Put(keyOf(0), answer(0)); err != nil {
		t.Fatal(err)
	}
	j.syncing.Reset(0) // it is due in a second
	<-began
	closed := make(chan error, 1)
	go func() { closed <- j.Close() }()
	select {
	case err := <-closed:
		t.Fatalf("closed before: %v", err)
	case <-time.After(50 * time.Millisecond): // in which it is not
	}
	close(goOn)
	if err := <-closed; !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
}

func TestCompleter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.partial")
	asked := 0
	const body = "{\"a\":\"<b>&amp;\u2028\\u003c\"}"
	model := llm.Func(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
		asked++
		switch string(req.Body) {
		case "cut":
			resp := &llm.Response{Text: "half", FinishReason: "length"}
			return resp, resp.Err()
		case "down":
			return nil, &llm.Error{Type: llm.Server}
		}
		return &llm.Response{Text: "re: " + string(req.Body), RequestID: "r", Body: []byte(body)}, nil
	})
	sum := func(req *llm.Request) Key { return sha256.Sum256(req.Body) }
	for run, wantAsked := range []int{3, 1} {
		j := open(t, path, false)
		c := New(model, j, sum)
		asked = 0
		resp, err := c.Complete(t.Context(), &llm.Request{Body: []byte("hello")})
		if err != nil || resp.Text != "re: hello" || resp.RequestID != "r" || string(resp.Body) != body || resp.Cached != (run > 0) {
			t.Errorf("%+v, %v", resp, err)
		}
		var e *llm.Error
		if resp, err := c.Complete(t.Context(), &llm.Request{Body: []byte("cut")}); !errors.As(err, &e) || e.Type != llm.Length || resp.Text != "half" {
			t.Errorf("%+v, %v", resp, err)
		}
		if _, err := c.Complete(t.Context(), &llm.Request{Body: []byte("down")}); !errors.As(err, &e) || e.Type != llm.Server {
			t.Error(err)
		}
		if asked != wantAsked {
			t.Errorf("asked %d times, not %d", asked, wantAsked)
		}
		j.Close()
	}
	// What was cut is asked for again once, however often the run is repeated.
	for run, wantAsked := range []int{1, 0} {
		j := open(t, path, false)
		c := New(model, j, sum)
		asked = 0
		for _, body := range []string{"hello", "cut"} {
			resp, err := c.Complete(t.Context(), &llm.Request{Body: []byte(body), Again: true})
			if resp == nil || (err != nil) != (body == "cut") {
				t.Errorf("run %d, %s: %+v, %v", run, body, resp, err)
			}
		}
		if asked != wantAsked {
			t.Errorf("run %d again asked %d times, not %d", run, asked, wantAsked)
		}
		j.Close()
	}
	// An answer to what was asked again is one for all.
	well := llm.Func(func(context.Context, *llm.Request) (*llm.Response, error) { return &llm.Response{Text: "whole"}, nil })
	other := filepath.Join(t.TempDir(), "out.partial")
	for run, next := range []llm.Completer{model, well, model} {
		j := open(t, other, false)
		asked = 0
		resp, err := New(next, j, sum).Complete(t.Context(), &llm.Request{Body: []byte("cut"), Again: run == 1})
		if run == 0 && (err == nil || asked != 1) || run > 0 && (err != nil || resp.Text != "whole" || asked != 0) {
			t.Errorf("run %d: %+v, %v, asked %d times", run, resp, err, asked)
		}
		j.Close()
	}

	j := open(t, path, false)
	j.file.Close()
	var w *WriteError
	if _, err := New(model, j, sum).Complete(t.Context(), &llm.Request{Body: []byte("new")}); !errors.As(err, &w) {
		t.Error(err)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte(header))
	f.Add([]byte(header + keyPrefix + strings.Repeat("0", 64) + `","answer":{"text":"x"}}` + "\n"))
	f.Add([]byte(header + keyPrefix + "\n\n" + keyPrefix))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "j")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := Open(path, false, 0)
		if errors.Is(err, ErrForeign) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		found := j.Found()
		if _, _, err := j.Get(Key{}); err != nil {
			t.Error(err)
		}
		put(t, j, 7, 8)
		j.Close()
		j = open(t, path, false)
		if got, ok, err := j.Get(keyOf(7)); !ok || err != nil || !bytes.Equal(got, answer(7)) {
			t.Errorf("%s, %v, %v", got, ok, err)
		}
		if n := j.Found(); n != found && n != found+1 {
			t.Errorf("%d answers were found, and now %d", found, n)
		}
	})
}

func BenchmarkPut(b *testing.B) {
	j, err := Open(filepath.Join(b.TempDir(), "j"), false, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	for i := range b.N {
		if err := j.Put(keyOf(i), answer(i)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	path := filepath.Join(b.TempDir(), "j")
	j, _ := Open(path, false, 0)
	for i := range 100_000 {
		j.Put(keyOf(i), answer(i))
	}
	j.Close()
	j, err := Open(path, false, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	b.ResetTimer()
	for i := range b.N {
		if _, ok, err := j.Get(keyOf(i % 100_000)); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
