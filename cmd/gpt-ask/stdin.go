package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/panics"
)

// silence is how long stdin may bring nothing before that is told: a pipe
// that nobody writes to and nobody closes is common in CI and editors.
const silence = 5 * time.Second

// readStdin reads all of stdin. It says once when nothing comes.
func readStdin(ctx context.Context, sys *cli.System) (string, error) {
	var text []byte
	var err error
	arrived := make(chan struct{}, 1)
	done := make(chan struct{})
	panics.Go(func() {
		defer close(done)
		buf := make([]byte, 64<<10)
		for {
			var n int
			n, err = sys.Stdin.Read(buf)
			text = append(text, buf[:n]...)
			if err != nil {
				return
			}
			select {
			case arrived <- struct{}{}:
			default:
			}
		}
	})
	quiet := time.NewTimer(silence)
	defer quiet.Stop()
	tell := quiet.C
	for {
		select {
		case <-arrived:
			quiet.Reset(silence)
		case <-tell:
			sys.Log.Warnf("waiting for stdin to end; -n leaves it alone")
			tell = nil
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-done:
			if !errors.Is(err, io.EOF) {
				return "", fmt.Errorf("stdin: %w", err)
			}
			return string(text), nil
		}
	}
}
