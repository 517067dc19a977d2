package keeper

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"gptpipe/pkg/hub/place"
	"gptpipe/pkg/hub/proto"
	"gptpipe/pkg/observe"
)

func openStore(t *testing.T, dir string, bound int64, network string) *store {
	t.Helper()
	s := newStore(dir, bound, network)
	t.Cleanup(func() { s.close() })
	if err := s.open(); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *store) idleFor(d time.Duration) {
	s.used.Store(time.Now().Add(-d).UnixNano())
	s.closeIdle()
}

func putNoise(t *testing.T, s *store, n, size int) {
	t.Helper()
	value := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}).Read(value)
	if err := s.put(proto.Put{Key: numbered(n), Value: value, Model: "m"}); err != nil {
		t.Fatal(err)
	}
}

func numbered(n int) proto.Key { return proto.Key{byte(n * 7), byte(n >> 8), byte(n)} }

// A database that was closed because nobody used it is opened again by the next who does, and the counters with it.
func TestIdleStoreClosesAndOpens(t *testing.T) {
	s := newStore(t.TempDir(), DefaultSize, "")
	defer s.close()
	c := newCounters(s)
	put := proto.Put{Key: proto.Key{1}, Value: []byte("x"), TTL: time.Hour}
	if err := s.put(put); err == nil {
		t.Error("a put into a store that is not open") // Serve opens it first
	}
	if err := s.open(); err != nil {
		t.Fatal(err)
	}
	if err := c.load(); err != nil {
		t.Fatal(err)
	}
	if err := s.put(put); err != nil {
		t.Fatal(err)
	}
	c.stored()

	s.closeIdle()
	if s.younger.db == nil {
		t.Fatal("closed while in use")
	}
	s.idleFor(idleTime)
	if s.younger.db != nil {
		t.Fatal("open though idle")
	}
	if value, err := s.get(put.Key); err != nil || string(value) != "x" {
		t.Fatalf("%q, %v", value, err)
	}
	again := newCounters(s)
	if err := again.load(); err != nil || again.stats().Stores != 1 {
		t.Errorf("%+v, %v", again.stats(), err)
	}

	s.close()
	if err := s.put(put); !errors.Is(err, errClosed) {
		t.Errorf("put after the end: %v", err)
	}
}

// What takes long keeps neither the idle timer nor a new generation from anybody else.
func TestLongWorkBlocksNobody(t *testing.T) {
	s := openStore(t, t.TempDir(), MinSize, "")
	putNoise(t, s, 1, 1000)
	s.long.RLock()
	s.mu.RLock() // as compact does
	s.idleFor(time.Hour)
	s.bind()
	if _, err := s.get(numbered(1)); err != nil {
		t.Error(err)
	}
	s.mu.RUnlock()
	s.long.RUnlock()
}

// Which leases and budgets are in use is told without a look at what is stored, which may take long.
func TestSharingReadsNothing(t *testing.T) {
	dir := t.TempDir()
	s := newStore(dir, DefaultSize, "") // which is not open
	k := &keeper{store: s, counters: newCounters(s), leases: newLeases(dir, func(bool) {}), budgets: newBudgets(dir)}
	defer k.leases.close()
	defer k.budgets.close()
	budget := proto.Budget{Name: "b", PerMinute: 1}
	k.budgets.use(newPeer([16]byte{1}, nil), proto.Budgets{budget})
	k.budgets.hold(proto.Hold{Name: "b", For: time.Minute})
	if _, err := k.do(proto.Frame{Code: proto.OpStats}, [16]byte{}); err == nil {
		t.Error("entries are counted in a store that is not open")
	}
	body, err := k.do(proto.Frame{Code: proto.OpStats, Body: []byte(proto.Brief)}, [16]byte{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := proto.ParseStats(body)
	if err != nil || len(got.Sharing.Budgets) != 1 || got.Sharing.Budgets[0].Budget != budget || got.Sharing.Budgets[0].Held == 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// Three times the bound is stored: the disk never takes more than that, what was stored last is there, what was stored
// first is not, and another store finds the same.
func TestBound(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, MinSize, "")
	c := newCounters(s)
	if err := c.load(); err != nil {
		t.Fatal(err)
	}
	c.add([16]byte{1}, proto.Add{Seq: 1, Deltas: map[string]float64{"n": 7}})
	const size = 40 << 10
	n, most := 0, int64(0)
	for ; n*size < 3*MinSize; n++ {
		putNoise(t, s, n, size)
		if n%20 == 0 {
			most = max(most, diskUse(dir))
		}
	}
	t.Logf("%d MB stored under a bound of %d MB: %d MB on disk at most", n*size/1_000_000, MinSize/1_000_000, most/1_000_000)
	if most > MinSize {
		t.Errorf("%d bytes on disk, over the bound", most)
	}
	check := func(s *store) {
		t.Helper()
		there := 0
		for i := range n {
			if _, err := s.get(numbered(i)); err == nil {
				there++
			} else if there > 0 {
				t.Fatalf("entry %d of %d is gone, and an earlier one is there", i, n)
			}
		}
		if there*size < MinSize/5 { // of so small a bound, the logs are much
			t.Errorf("%d of %d entries are left", there, n)
		}
		if count, err := s.count(); err != nil || count != uint64(there) {
			t.Errorf("%d are counted, %d there: %v", count, there, err)
		}
	}
	check(s)
	if d := s.describe(); d.Generations != 2 {
		t.Errorf("%+v", d)
	}
	s.close()
	names, err := filepath.Glob(filepath.Join(dir, "data-*"))
	if err != nil || len(names) != 2 {
		t.Errorf("%v, %v", names, err)
	}
	again := openStore(t, dir, MinSize, "")
	check(again)
	d := newCounters(again)
	if err := d.load(); err != nil || d.all()["n"] != 7 {
		t.Errorf("counters %v, %v", d.all(), err)
	}
}

// The younger's word counts, also that a value has expired, in which case the older's must not come to light.
func TestYoungerHidesOlder(t *testing.T) {
	s := openStore(t, t.TempDir(), MinSize, "")
	put := func(n int, value string, ttl time.Duration) {
		t.Helper()
		if err := s.put(proto.Put{Key: numbered(n), Value: []byte(value), TTL: ttl, Model: value}); err != nil {
			t.Fatal(err)
		}
	}
	turn := func() {
		t.Helper()
		g := s.younger.number
		for n := 1000; s.younger.number == g; n++ {
			putNoise(t, s, n, 100<<10)
		}
	}
	put(1, "old", 0)
	put(2, "old", 0)
	put(3, "old", 0)
	turn()
	put(2, "new", 0)
	put(3, "new", time.Nanosecond)
	for n, want := range map[int]string{1: "old", 2: "new", 3: ""} {
		if got, err := s.get(numbered(n)); string(got) != want || (want == "") != errors.Is(err, errMiss) {
			t.Errorf("%d: %q, %v", n, got, err)
		}
	}
	part, err := s.list(proto.List{Values: true})
	if err != nil {
		t.Fatal(err)
	}
	seen := ""
	for _, e := range part.List {
		if e.Model != "m" {
			seen += fmt.Sprintf("%d %s %s;", e.Key[2], e.Model, e.Value)
		}
	}
	if seen != "1 old old;2 new new;" {
		t.Errorf("listed: %s", seen)
	}
	for range 2 {
		if n, err := s.purge(proto.Purge{Model: "n"}); err != nil || n > 1 {
			t.Errorf("purge: %d, %v", n, err)
		}
		if got, err := s.get(numbered(2)); err == nil {
			t.Errorf("after the purge: %q", got)
		}
	}
	before, _ := s.count()
	if n, err := s.empty(); err != nil || n != before || n == 0 {
		t.Errorf("empty: %d of %d, %v", n, before, err)
	}
	if n, err := s.count(); n != 0 || err != nil {
		t.Errorf("after empty: %d, %v", n, err)
	}
}

// A store that is given a smaller bound than it had keeps to it.
func TestSmallerBound(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, 10*MinSize, "")
	for n := range 600 {
		putNoise(t, s, n, 100<<10)
	}
	s.close()
	again := openStore(t, dir, MinSize, "")
	again.bind()
	again.removing.Wait()
	if n := diskUse(dir); n > MinSize {
		t.Errorf("%d bytes on disk", n)
	}
}

// What a killed keeper had still to do is done by the next.
func TestRemains(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"data-1-3", "data-1-7", "data-1-12", "data-1-11", "data-1-5.gone", "data-1-x", "data-2-13"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s := openStore(t, dir, MinSize, "")
	s.removing.Wait()
	if s.younger.number != 12 || s.older.number != 11 || s.next != 12 {
		t.Errorf("generations %d and %d", s.younger.number, s.older.number)
	}
	for name, want := range map[string]error{
		"data-1-3": fs.ErrNotExist, "data-1-7": fs.ErrNotExist, "data-1-5.gone": fs.ErrNotExist, "data-1-x": nil, "data-2-13": nil,
	} {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSpaceOfWhatWasPurged(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, DefaultSize, "")
	for n := range 10_000 {
		putNoise(t, s, n, 2000)
	}
	for n := range 20 {
		putNoise(t, s, 20_000+n, 1<<20) // in a log of their own
	}
	before := diskUse(dir)
	removed, err := s.purge(proto.Purge{Model: "m"})
	if err != nil || removed != 10_020 {
		t.Fatal(removed, err)
	}
	s.idleFor(idleTime) // compacts
	if s.younger.db == nil {
		t.Error("closed before it was idle again")
	}
	s.idleFor(idleTime)
	after := diskUse(dir)
	t.Logf("%d KB before, %d KB after", before>>10, after>>10)
	if after > before/10 {
		t.Error("the space was not given back")
	}
}

func TestMemory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	s := openStore(t, dir, DefaultSize, "nfs")
	if s.bound != memorySize {
		t.Error(s.bound)
	}
	putNoise(t, s, 1, 1<<20-sealSize-1)
	large := make([]byte, 1<<20-sealSize)
	rand.NewChaCha8([32]byte{}).Read(large)
	if err := s.put(proto.Put{Value: large}); !errors.Is(err, place.ErrNoSpace) {
		t.Errorf("a value that memory does not take: %v", err)
	}
	if s.idle.Stop() {
		t.Error("it would be closed when it is idle, and lost")
	}
	if _, err := s.get(numbered(1)); err != nil {
		t.Error(err)
	}
	s.bound = MinSize
	for n := range 100 {
		putNoise(t, s, 2+n, 1<<19)
	}
	if _, err := s.get(numbered(1)); err == nil {
		t.Error("stored first, and still there")
	}
	if _, err := s.get(numbered(101)); err != nil {
		t.Error("stored last:", err)
	}
	if size := s.size(); size > MinSize {
		t.Errorf("%d bytes held", size)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the disk was touched")
	}
}

func TestSeal(t *testing.T) {
	key, text := []byte("key"), bytes.Repeat([]byte("All happy families are alike. "), 9)
	for _, value := range [][]byte{text, text[:20], {}} {
		b := seal(key, value, 41, 42)
		e, err := unseal(key, b)
		if err != nil || e.stored != 41 || e.expires != 42 {
			t.Fatalf("%+v, %v", e, err)
		}
		if got, err := e.value(); err != nil || !bytes.Equal(got, value) {
			t.Errorf("%q, %v", got, err)
		}
		if _, err := unseal([]byte("other"), b); err == nil {
			t.Error("the value of another key")
		}
		for i := range b {
			b[i] ^= 1
			if _, err := unseal(key, b); err == nil {
				t.Errorf("byte %d changed", i)
			}
			b[i] ^= 1
		}
		if _, err := unseal(key, b[:sealSize-1]); err == nil {
			t.Error("cut")
		}
	}
	if b := seal(key, text, 0, 0); len(b) > len(text)/2 {
		t.Errorf("%d bytes for %d", len(b), len(text))
	}
}

func TestValid(t *testing.T) {
	now := time.Now()
	at := func(d time.Duration) int64 { return now.Add(d).UnixNano() }
	for _, c := range []struct {
		stored, expires int64
		want            bool
	}{
		{at(-time.Hour), at(time.Hour), true},
		{at(-time.Hour), 0, true},
		{at(-time.Hour), at(0), false},
		{at(14 * time.Hour), at(15 * time.Hour), true},  // the clock was set back from local time to UTC
		{at(400 * 24 * time.Hour), 0, false},            // it was a year ahead
		{at(-50 * 365 * 24 * time.Hour), at(-1), false}, // it stood at 1976
		{at(-50 * 365 * 24 * time.Hour), at(1000), true},
	} {
		if got := (sealed{stored: c.stored, expires: c.expires}).valid(now); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestCountersState(t *testing.T) {
	s := newStore(t.TempDir(), DefaultSize, "")
	c := newCounters(s)
	c.add([16]byte{1}, proto.Add{Seq: 3, Deltas: map[string]float64{"a": 1}})
	c.add([16]byte{2}, proto.Add{Seq: 1, Deltas: map[string]float64{"b": 2}})
	c.lookup(true)
	c.sessions[[16]byte{3}] = session{1, time.Now().Add(-2 * sessionLife)}
	state := c.encode()

	d := newCounters(s)
	if err := d.decode(state); err != nil {
		t.Fatal(err)
	}
	if d.hits.Load() != 1 || len(d.sessions) != 2 || d.sessions[[16]byte{1}].seq != 3 || d.all()["b"] != 2 {
		t.Errorf("%+v", d)
	}
	if got := d.add([16]byte{1}, proto.Add{Seq: 3, Deltas: map[string]float64{"a": 1}}); got["a"] != 1 {
		t.Errorf("counted twice: %v", got)
	}
	for n := range state {
		if err := newCounters(s).decode(state[:n]); err == nil {
			t.Errorf("state cut at %d of %d is taken", n, len(state))
		}
	}
}

// Counters that cannot be read, whatever the reason, begin again and are told of once; everything else is served.
func TestUnreadableCounters(t *testing.T) {
	for name, state := range map[string][]byte{
		"too large": make([]byte, proto.MaxValue+1),
		"too short": {1},
		"cut off":   make([]byte, 4*8),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openStore(t, dir, DefaultSize, "")
			if err := s.use(func(db *badger.DB) error { return s.storeState(db, countersEntry, state) }); err != nil {
				t.Fatal(err)
			}
			for told := range 2 {
				if err := s.close(); err != nil {
					t.Fatal(err)
				}
				s = openStore(t, dir, DefaultSize, "")
				c := newCounters(s)
				if err := c.load(); err != nil {
					t.Fatal(err)
				}
				if notice := s.notices.take(); strings.Contains(notice, "begin again") != (told == 0) {
					t.Errorf("time %d: told %q", told+1, notice)
				}
				if got := c.add([16]byte{1}, proto.Add{Seq: uint64(told + 1), Deltas: proto.Counts{"a": 1}}); got["a"] != float64(told+1) {
					t.Errorf("%v", got)
				}
			}
		})
	}
}

// Whatever clients count, the totals can be stored and read again, and everything with a model is in them.
func TestTotalsAreBounded(t *testing.T) {
	series := func(model string) string {
		return observe.Series("gpt_requests_total", "command", "gpt-map", "model", model, "status", "200")
	}
	first, long := series("m0"), strings.Repeat("x", maxSeries)
	deltas := proto.Counts{series(long): 1, series(long + "y"): 1, "no_model_" + long: 1}
	for n := range 2 * observe.MaxModels {
		deltas[series(fmt.Sprint("model", n))] = 1
	}
	s := newStore(t.TempDir(), DefaultSize, "")
	c := newCounters(s)
	c.add([16]byte{1}, proto.Add{Seq: 1, Deltas: proto.Counts{first: 1}})
	all := c.add([16]byte{1}, proto.Add{Seq: 2, Deltas: deltas, Gauges: proto.Counts{"gpt_requests_queued{model=\"new\"}": 5}})
	if want := float64(observe.MaxModels + 3); all[series(observe.OtherModel)] != want || len(all) != observe.MaxModels+2 {
		t.Errorf("%v others, not %v; %d series", all[series(observe.OtherModel)], want, len(all))
	}
	if got := all[`gpt_requests_queued{model="other"}`]; got != 5 {
		t.Errorf("%v queued", got)
	}

	d := newCounters(s)
	if err := d.decode(c.encode()); err != nil || !maps.Equal(d.totals.counts, c.totals.counts) {
		t.Errorf("came back as %d series, %v", len(d.totals.counts), err)
	}
	deltas = proto.Counts{first: 1}
	for n := range 2 * maxTotals / maxSeries {
		deltas[fmt.Sprint("n", n, "_", long[:maxSeries-20])] = 1
	}
	all = d.add([16]byte{2}, proto.Add{Seq: 1, Deltas: deltas})
	if n := len(d.encode()); n > proto.MaxValue/2 || all[first] != 2 {
		t.Errorf("%d bytes; the first stands at %v", n, all[first])
	}
}

func TestFinal(t *testing.T) {
	for text, want := range map[string]bool{
		"manifest has bad magic": true,
		`Opening table: "/c/data-1-1/000001.sst" err: failed to initialize table err: failed to read index. err: EOF`: true,
		"file does not exist for table 12": true,
		`Opening file: "/c/1.sst" err: invalid argument` + "\nwhile mmapping /c/1.sst with size: 0": true,

		`Opening file: "/c/000001.sst" err: open /c/000001.sst: too many open files`:                                                   false,
		`Opening table: "/c/000001.sst" err: failed to initialize table err: input/output error`:                                       false,
		`Cannot acquire directory lock on "/c".  Another process is using this Badger database. err: resource temporarily unavailable`: false,
		"while opening memtables err: while opening fid: 6 err: Create a new file":                                                     false,
		"something new": false,
	} {
		if got := final(errors.New(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	for _, e := range []error{fs.ErrPermission, syscall.ENOSPC, syscall.EMFILE, nil} {
		if final(e) {
			t.Errorf("%v is final", e)
		}
	}
}

// On a full disk an idle database stays open, since to close it would kill the process, and nothing looks at it before
// the next user.
func TestIdleOnFullDisk(t *testing.T) {
	dir := SmallDisk(t)
	s := openStore(t, dir, MinSize, "")
	putNoise(t, s, 1, 1000)
	empty := Fill(t, dir, 0)
	s.idle.Stop() // as when it has run out
	s.idleFor(idleTime)
	if !s.younger.ready(true) || s.idle.Stop() {
		t.Fatal("closed, or the timer runs")
	}
	empty()
	if _, err := s.get(numbered(1)); err != nil || !s.idle.Stop() {
		t.Fatalf("%v, or the timer does not run", err)
	}
	s.idleFor(idleTime)
	if s.younger.db != nil {
		t.Error("open though there is space to close it")
	}

	// What is closed is opened for reading only, and closed again.
	empty = Fill(t, dir, 0)
	if _, err := s.get(numbered(1)); err != nil || !s.younger.readOnly {
		t.Errorf("%v, or open for more than reading", err)
	}
	s.idleFor(idleTime)
	if s.younger.db != nil {
		t.Error("open though it is idle")
	}
	empty()
	putNoise(t, s, 2, 1000)
}

// A compaction closes the databases; one that is begun beside it is closed when it is idle, as any other.
func TestEmptyAfterCompactionIsClosed(t *testing.T) {
	s := openStore(t, t.TempDir(), MinSize, "")
	s.idleFor(idleTime)
	s.idle.Stop()
	if _, err := s.empty(); err != nil {
		t.Fatal(err)
	}
	if s.younger.db != nil && !s.idle.Stop() {
		t.Error("nothing will close it")
	}
}

func TestFarTimes(t *testing.T) {
	s := openStore(t, t.TempDir(), MinSize, "")
	if err := s.put(proto.Put{Key: numbered(1), TTL: 2_200_000 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	far := proto.Entry{Key: numbered(2), Expires: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}
	if stored, err := s.bring(far); !stored || err != nil {
		t.Errorf("%v, %v", stored, err)
	}
	for n := 1; n <= 2; n++ {
		if _, err := s.get(numbered(n)); err != nil {
			t.Error(n, err)
		}
	}
	part, err := s.list(proto.List{From: numbered(2)})
	if err != nil || len(part.List) != 1 || !part.List[0].Stored.IsZero() || part.List[0].Expires.Year() != 2262 {
		t.Errorf("%+v, %v", part, err)
	}
}

// Databases that were moved aside stay as long as there is room for them.
func TestBrokenWithinTheBound(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, MinSize, "")
	for n, size := range []int{20 << 20, 8 << 20} {
		aside := filepath.Join(dir, fmt.Sprintf("%s9%d%s2026", place.Data, n, brokenSuffix))
		if err := os.Mkdir(aside, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(aside, "000001.sst"), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.bind()
	if all := s.broken(); len(all) != 2 {
		t.Fatalf("%+v", all)
	}
	for n := range 6 {
		putNoise(t, s, n, 1<<20)
	}
	s.bind()
	if all := s.broken(); len(all) != 1 || !strings.Contains(all[0].dir, place.Data+"91") {
		t.Errorf("%+v", all)
	}
}

// Counters that could not be stored are stored with the next change.
func TestCountersTickAgain(t *testing.T) {
	s := openStore(t, t.TempDir(), MinSize, "")
	c := newCounters(s)
	if err := c.load(); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.done = true
	s.mu.Unlock()
	c.touch()
	c.timer.Reset(0)
	for c.ticking.Load() {
		time.Sleep(time.Millisecond) // it is what is waited for
	}
	s.mu.Lock()
	s.done = false
	s.mu.Unlock()
	c.stored()
	if !c.ticking.Load() || !c.timer.Stop() {
		t.Error("the timer does not run")
	}
}
