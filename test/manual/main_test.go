package manual

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

var bin string // folder of the built commands

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "gptpipe-manual-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		bin = dir
		if out, err := exec.Command("go", "build", "-o", dir+"/", "gptpipe/cmd/...").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// environment is that of a user with an empty home, the built commands, and the
// settings given.
func environment(home string, settings ...string) []string {
	return append([]string{
		"HOME=" + home, "PATH=" + bin + ":" + os.Getenv("PATH"), "GPT_LINGER=1s", "LC_ALL=C.UTF-8", "TZ=UTC", "TERM=dumb",
	}, settings...)
}
