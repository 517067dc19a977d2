// Package panics starts goroutines whose panics pass through one place.
//
// What a panic says may hold a secret, and the runtime would print it as it is.
// Every goroutine of a program that has secrets, a timer's too, is begun by Go or
// runs a Func; main sets by Handle what becomes of a panic, and defers Caught
// itself.
// Goroutines that libraries begin are out of reach.
package panics

import (
	"runtime/debug"
	"sync/atomic"
)

var handler atomic.Pointer[func(value any, stack []byte)]

// Handle has f called with each panic, on the goroutine that had it; f is to end
// the process. Until then, panics are the runtime's.
func Handle(f func(value any, stack []byte)) { handler.Store(&f) }

// Go calls f on a goroutine of its own.
func Go(f func()) { go Func(f)() }

// Func is f for those who begin goroutines by themselves.
func Func(f func()) func() {
	return func() {
		defer Caught()
		f()
	}
}

// Caught takes the panic of a function that defers it.
func Caught() {
	handle := handler.Load()
	if handle == nil {
		return
	}
	if value := recover(); value != nil {
		(*handle)(value, debug.Stack())
	}
}
