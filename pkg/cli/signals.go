package cli

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"gptpipe/pkg/panics"
)

// interrupts are the signals that interrupt. They go to the command that takes
// them; else they end the process, with their status, as the first of all
// processes too, which they otherwise pass by.
var interrupts = struct {
	arrive chan os.Signal
	once   sync.Once // begins to deliver them

	mu    sync.Mutex // held for good by who ends the process
	taker chan os.Signal
	end   func(os.Signal)
}{arrive: make(chan os.Signal, 2), end: func(os.Signal) {}}

func deliver() {
	for s := range interrupts.arrive {
		interrupts.mu.Lock()
		if interrupts.taker == nil {
			interrupts.end(s)
		}
		select {
		case interrupts.taker <- s:
		default: // there is none, or it has enough of them
		}
		interrupts.mu.Unlock()
	}
}

// endBySignal has signals end the process that no command takes. Those that were
// ignored, as under nohup and in the background of a script, are left alone, but
// for SIGTERM, of which Go does not tell.
func endBySignal(sys *System) {
	interrupts.end = func(s os.Signal) { exit(sys, &Interrupt{s}) }
	interrupts.once.Do(func() { panics.Go(deliver) })
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(interrupts.arrive, s)
		}
	}
}

// Signals takes SIGINT, SIGTERM and SIGHUP until stop is called, from who took
// them before, if anybody did; else they end the process. SIGHUP is left alone if
// it was ignored, as under nohup.
func Signals() (signals <-chan os.Signal, stop func()) {
	taken := make(chan os.Signal, 2)
	take := func(taker chan os.Signal) (before chan os.Signal) {
		interrupts.mu.Lock()
		defer interrupts.mu.Unlock()
		before, interrupts.taker = interrupts.taker, taker
		return before
	}
	before := take(taken)
	interrupts.once.Do(func() { panics.Go(deliver) })
	signal.Notify(interrupts.arrive, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(interrupts.arrive, syscall.SIGHUP)
	}
	return taken, sync.OnceFunc(func() { take(before) })
}
