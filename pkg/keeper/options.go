package keeper

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"gptpipe/pkg/hub/proto"
)

const (
	memTable        = 4 << 20 // bytes in memory before they become a table
	levelZeroTables = 8       // before they are compacted
	memoryValue     = 1 << 20 // bytes that a sealed value in memory stays below: Badger panics at that many
)

// badgerOptions keep Badger small: the keeper is a guest on somebody's machine. Its own options map 2.3 GB.
//
// The size of tables decides about memory, for a compaction builds up to a dozen at once, in buffers of twice that
// size. With tables of 16 MiB and a log of 8 MiB, 200 MB of puts at full speed took 480 MB; with 4 MiB each they took
// 190 MB and hardly longer, and with 2 MiB longer by half.
func badgerOptions(dir string) badger.Options {
	o := badger.DefaultOptions(dir)
	o.Logger = nil
	o.MetricsEnabled = false
	o.DetectConflicts = false // no transaction here reads what it writes
	o.SyncWrites = false      // the logs are mapped files, which outlive the process

	o.MemTableSize = memTable
	o.NumMemtables = 2
	// Values come compressed, see compress.go. So blocks are read where they are mapped, and no cache holds copies of them.
	o.Compression = options.None
	o.BlockCacheSize = 0
	o.IndexCacheSize = 0
	o.ChecksumVerificationMode = options.OnBlockRead

	o.NumCompactors = 2
	o.NumLevelZeroTables = levelZeroTables
	o.NumLevelZeroTablesStall = 24
	o.BaseTableSize = 4 << 20
	o.BaseLevelSize = 64 << 20

	// Each keeper that writes to the value log leaves another file of it, so values stay in the tree but for those that
	// a transaction cannot hold, which is 15 % of MemTableSize. A file must take the largest.
	o.ValueThreshold = 512 << 10
	o.ValueLogFileSize = proto.MaxValue + 1<<20
	o.ValueLogMaxEntries = 100_000
	return o
}

// crowded says whether a database wants a compaction of level 0 when it is closed.
//
// It does if it has as many tables there as Badger lets there be. An open database sees to them within a second or so;
// keepers that live shorter, as with a linger of 0, would leave a table each and never get there. And it does if it has
// no tables elsewhere, for then compact cannot bring what was deleted and the marks of it together.
func crowded(dir string) bool {
	f, err := os.Open(filepath.Join(dir, badger.ManifestFilename))
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	defer f.Close()
	m, _, err := badger.ReplayManifestFile(f, 0, badger.DefaultOptions(dir).WithLogger(nil))
	if err != nil {
		return false
	}
	return len(m.Levels) <= 1 || len(m.Levels[0].Tables) >= levelZeroTables
}

// memoryOptions are for a database that is on no disk. There are no compactions: they would keep an idle keeper awake,
// and the whole generation goes soon enough.
func memoryOptions() badger.Options {
	o := badgerOptions("")
	o.InMemory = true
	o.MemTableSize = 8 << 20 // of which a value is 15 % at most
	o.ValueThreshold = memoryValue
	o.NumCompactors = 0
	o.NumLevelZeroTables = memorySize / int(o.MemTableSize)
	o.NumLevelZeroTablesStall = 100 * o.NumLevelZeroTables // never
	return o
}
