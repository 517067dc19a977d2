package keeper

import (
	"os"
	"path/filepath"
	"testing"

	"gptpipe/pkg/hub/place"
)

const badgerStack = `

goroutine 42 [running]:
panic({0x1, 0x2})
	/go/src/runtime/panic.go:792 +0x132
encoding/binary.littleEndian.Uint32(...)
	/go/src/encoding/binary/binary.go:80
github.com/dgraph-io/badger/v4/table.(*Table).initIndex(0xc000)
	/badger/table/table.go:430 +0x1
created by github.com/dgraph-io/badger/v4.newLevelsController in goroutine 1
	/badger/levels.go:150 +0x1

goroutine 1 [select]:
gptpipe/pkg/keeper.Serve()
	/keeper.go:100
`

// A crash counts against the database only if Badger had it from the database.
func TestDatabaseCrash(t *testing.T) {
	for report, want := range map[string]string{
		"panic: runtime error: index out of range [3]" + badgerStack:                                           "panic: runtime error: index out of range [3]",
		"panic: open /c/1.sst: too many open files" + badgerStack:                                              "",
		"unexpected fault address 0x7f\nfatal error: fault\n[signal SIGBUS: bus error code=0x2]" + badgerStack: "",
		"":                      "",
		"panic: cut in the mid": "",
		"panic: ours\n\ngoroutine 1 [running]:\ngptpipe/pkg/keeper.(*store).purge.func1()\n\t/purge.go:1\n" +
			"github.com/dgraph-io/badger/v4.(*DB).View()\n\t/txn.go:1\n": "",
		"panic: Assert failed\n\ngoroutine 1 [running]:\npanic(0x1)\n\t/panic.go\n" +
			"gptpipe/pkg/keeper.loggedFatal.Write({}, {0x1, 0x2, 0x3})\n\t/crash.go:1\nlog.(*Logger).output()\n\t/log.go:1\n" +
			"github.com/dgraph-io/badger/v4/y.AssertTrue()\n\t/error.go:1\n": "panic: Assert failed",
	} {
		if got := databaseCrash([]byte(report)); got != want {
			t.Errorf("%.60q: %q", report, got)
		}
	}
}

// Crashes count in a row: a close that goes well ends it, and to be killed neither counts nor ends it.
func TestCrashesInARow(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, place.Crash)
	crash := func(s *store, report string) {
		t.Helper()
		if _, err := s.crashes.file.WriteString(report); err != nil {
			t.Fatal(err)
		}
	}
	after := func(count int) *store {
		t.Helper()
		s := openStore(t, dir, MinSize, "")
		if s.crashes.count != count {
			t.Errorf("%d crashes are counted, not %d", s.crashes.count, count)
		}
		// A kill leaves the database as a crash does, and a copy of the file as it is now, for the next.
		head, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.close() })
		s.close()
		if err := os.WriteFile(path, head, 0o600); err != nil {
			t.Fatal(err)
		}
		s.crashes.file, _ = os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		return s
	}
	report := "panic: runtime error: index out of range [3]" + badgerStack
	crash(after(0), report)
	after(1)
	crash(after(1), report)
	crash(after(2), report)
	s := after(0)
	if all := s.broken(); len(all) != 1 || all[0].why != "the keeper crashed 3 times: panic: runtime error: index out of range [3]" {
		t.Errorf("%+v", all)
	}
	if s.notices.take() == "" || s.notices.take() != "" {
		t.Error("it is to be told once")
	}
	crash(after(0), report)
	s = openStore(t, dir, MinSize, "")
	s.close()
	after(0)
	if b, err := os.ReadFile(path + lastSuffix); err != nil || len(b) < len(report) {
		t.Errorf("the report is not kept: %v", err)
	}
}
