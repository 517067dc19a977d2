package cli

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Protect keeps other processes of the same user away from what this one holds
// in memory, and its memory out of core files: /proc/PID/environ and
// /proc/PID/mem are root's, and ptrace and gcore are refused. It is called
// first, for until then they are not. Nothing keeps root away.
func Protect() {
	// Neither fails on Linux with these arguments: there is nothing to tell.
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
}

// panicked ends the process after a panic of any goroutine as after an error:
// what the panic says may be text that holds a secret, which the runtime would
// print as it is. With sys.Crashes the runtime does.
func panicked(sys *System, value any, stack []byte) {
	if sys.Crashes {
		panic(value)
	}
	exit(sys, Failf(StatusFailed, "internal error: %v\n%s", fmt.Sprint(value), stack))
}
