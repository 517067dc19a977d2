package cli

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"gptpipe/pkg/panics"
)

var (
	deadly = make(chan os.Signal, 1)                      // ends the process, where no command listens
	ending = []os.Signal{syscall.SIGINT, syscall.SIGTERM} // and SIGHUP, if it was not ignored
)

// endBySignal makes signals end the process with their status, as the first of
// all processes too, which they otherwise pass by.
func endBySignal(sys *System) {
	if !signal.Ignored(syscall.SIGHUP) { // as it is under nohup
		ending = append(ending, syscall.SIGHUP)
	}
	signal.Notify(deadly, ending...)
	panics.Go(func() { exit(sys, &Interrupt{<-deadly}) })
}

// Signals takes SIGINT, SIGTERM and SIGHUP until stop is called; else they end
// the process. SIGHUP is left alone if it was ignored, as under nohup.
func Signals() (signals <-chan os.Signal, stop func()) {
	taken := make(chan os.Signal, 2)
	signal.Notify(taken, ending...)
	signal.Stop(deadly)
	return taken, sync.OnceFunc(func() {
		signal.Notify(deadly, ending...)
		signal.Stop(taken)
	})
}
