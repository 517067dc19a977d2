package aimock

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

// Start runs a mock until the end of the test. The test is skipped, with the reason, where node or the module is missing.
func Start(t testing.TB) *Server {
	t.Helper()
	node, dir, err := find()
	if err != nil {
		t.Skipf("aimock: %v", err)
	}
	cmd := exec.Command(node, filepath.Join(dir, "server.mjs"))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatalf("aimock: %v", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("aimock: %v", err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("aimock: %v", err)
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
		t.Fatalf("aimock: did not start: said %q, error %v", line, err)
	}
	return &Server{t: t, root: root}
}

// find returns the path of node and the folder of this package, or what is missing.
func find() (node, dir string, err error) {
	if node, err = exec.LookPath("node"); err != nil {
		return "", "", errors.New("node is not installed; 20.15 or later is needed")
	}
	if err := checkNode(node); err != nil {
		return "", "", err
	}
	if dir, err = folder(); err != nil {
		return "", "", err
	}
	want, err := wanted(filepath.Join(dir, "package.json"))
	if err != nil {
		return "", "", err
	}
	var have struct{ Version string }
	if err := readJSON(filepath.Join(dir, "node_modules/@copilotkit/aimock/package.json"), &have); err != nil || have.Version != want {
		return "", "", fmt.Errorf("@copilotkit/aimock %s is not installed; run npm ci --prefix test/aimock", want)
	}
	return node, dir, nil
}

func checkNode(node string) error {
	out, err := exec.Command(node, "--version").Output()
	if err != nil {
		return fmt.Errorf("%s --version: %w", node, err)
	}
	var major, minor int
	version := strings.TrimSpace(string(out))
	if _, err := fmt.Sscanf(version, "v%d.%d", &major, &minor); err != nil {
		return fmt.Errorf("%s --version says %q", node, version)
	}
	if major < 20 || major == 20 && minor < 15 {
		return fmt.Errorf("node is %s; 20.15 or later is needed", version)
	}
	return nil
}

// folder finds test/aimock in the folder of the test's package or one above it.
func folder() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		aimock := filepath.Join(dir, "test", "aimock")
		if _, err := os.Stat(filepath.Join(aimock, "server.mjs")); err == nil {
			return aimock, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("there is no test/aimock in this folder or above")
		}
		dir = up
	}
}

// wanted is the version that package.json asks for.
func wanted(path string) (string, error) {
	var p struct{ Dependencies map[string]string }
	err := readJSON(path, &p)
	return p.Dependencies["@copilotkit/aimock"], err
}

func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}
