package keeper

import "time"

// SetLeaseLife is for the keepers of tests that cannot wait so long.
func SetLeaseLife(d time.Duration) { leaseLife = d }
