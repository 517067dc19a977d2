package aimock

import (
	"testing"

	"gptpipe/test/node"
)

// Start runs a mock until the end of the test. The test is skipped, with the reason, where node or the module is missing.
func Start(t testing.TB) *Server {
	t.Helper()
	return &Server{t: t, root: node.Start(t, "aimock")}
}
