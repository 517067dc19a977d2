package keeper

import (
	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"gptpipe/pkg/hub/proto"
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

	o.MemTableSize = 4 << 20
	o.NumMemtables = 2
	o.BlockCacheSize = 8 << 20
	o.IndexCacheSize = 0
	o.Compression = options.Snappy
	o.ChecksumVerificationMode = options.OnBlockRead

	o.NumCompactors = 2
	o.NumLevelZeroTables = 8
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
