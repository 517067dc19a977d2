// Package node runs servers written for Node.js, for tests that need a real counterpart.
//
// A server is a folder under test/ with a package.json, which names one module and its version, and a server.mjs, which says
// its address, http://127.0.0.1:PORT, in one line on stdout, and ends when its stdin closes. install.sh installs the modules,
// and says when there is no node or one that is older than 20.15.
package node

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Start runs the server in test/name until the end of the test, and returns its address. The test is skipped, with the
// reason, where node or the module is missing.
func Start(t testing.TB, name string, args ...string) string {
	t.Helper()
	program, dir, err := find(name)
	if err != nil {
		t.Skipf("%s: %v", name, err)
	}
	cmd := exec.Command(program, append([]string{filepath.Join(dir, "server.mjs")}, args...)...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	// The process ends when its stdin closes, with us if need be; one that does not is killed.
	t.Cleanup(func() {
		stdin.Close()
		last := time.AfterFunc(5*time.Second, func() { cmd.Process.Kill() })
		cmd.Wait()
		last.Stop()
	})
	late := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadString('\n') // written once it listens
	late.Stop()
	root := strings.TrimSpace(line)
	if err != nil || !strings.HasPrefix(root, "http://127.0.0.1:") {
		t.Fatalf("%s: did not start: said %q, error %v", name, line, err)
	}
	return root
}

// find returns the path of node and the folder of the server, or what is missing.
func find(name string) (program, dir string, err error) {
	if program, err = exec.LookPath("node"); err != nil {
		return "", "", errors.New("node is not installed; 20.15 or later is needed")
	}
	if err := check(program); err != nil {
		return "", "", err
	}
	if dir, err = folder(name); err != nil {
		return "", "", err
	}
	var wanted struct{ Dependencies map[string]string }
	if err := readJSON(filepath.Join(dir, "package.json"), &wanted); err != nil {
		return "", "", err
	}
	for module, version := range wanted.Dependencies {
		var have struct{ Version string }
		if err := readJSON(filepath.Join(dir, "node_modules", module, "package.json"), &have); err != nil || have.Version != version {
			return "", "", fmt.Errorf("%s %s is not installed; run npm ci --prefix test/%s", module, version, name)
		}
	}
	return program, dir, nil
}

func check(program string) error {
	out, err := exec.Command(program, "--version").Output()
	if err != nil {
		return fmt.Errorf("%s --version: %w", program, err)
	}
	var major, minor int
	version := strings.TrimSpace(string(out))
	if _, err := fmt.Sscanf(version, "v%d.%d", &major, &minor); err != nil {
		return fmt.Errorf("%s --version says %q", program, version)
	}
	if major < 20 || major == 20 && minor < 15 {
		return fmt.Errorf("node is %s; 20.15 or later is needed", version)
	}
	return nil
}

// folder finds test/name in the folder of the test's package or one above it.
func folder(name string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		server := filepath.Join(dir, "test", name)
		if _, err := os.Stat(filepath.Join(server, "server.mjs")); err == nil {
			return server, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("there is no test/%s in this folder or above", name)
		}
		dir = up
	}
}

func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}
