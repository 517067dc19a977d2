package keeper

import (
	"log"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"syscall"
)

// Settle makes the process fit to be a keeper: small, and private in what it writes. It is for the program that does
// nothing but Serve, and writes nothing by package log.
func Settle() {
	syscall.Umask(0o077) // Badger makes its files for everybody
	log.SetOutput(loggedFatal{})
	debug.SetGCPercent(50)
	// Above what a busy compaction holds: with a limit below that the collector runs all the time, and a put takes
	// four times as long.
	debug.SetMemoryLimit(256 << 20)
}

// CloseInherited closes the descriptors that the process was started with, besides the standard ones and those to spare.
// A keeper that was started from within `$(…)`, or by a make with a job server, would keep the other end waiting as long
// as it lives. It must be called first in main: what has no close-on-exec mark then came from outside, since all that Go
// opens has.
func CloseInherited(spare ...int) error {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil || fd <= 2 || slices.Contains(spare, fd) {
			continue
		}
		flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
		if errno == 0 && flags&syscall.FD_CLOEXEC == 0 {
			syscall.Close(fd)
		}
	}
	return nil
}
