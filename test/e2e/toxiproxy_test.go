package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// toxiproxyServer is installed as a program, so that nothing it is made of gets into go.mod.
const toxiproxyServer = "github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0"

// A network is a Toxiproxy with one proxy, through which a server is reached at addr.
type network struct {
	*testing.T
	api, addr string
}

// A toxic is one way for the network to fail, as Toxiproxy's README has them.
type toxic struct {
	Type       string         `json:"type"`
	Name       string         `json:"name"`
	Stream     string         `json:"stream"`   // upstream: what is sent; downstream: what is received
	Toxicity   float64        `json:"toxicity"` // part of the connections
	Attributes map[string]any `json:"attributes"`
}

// newNetwork starts a Toxiproxy in front of a server. The test is skipped where it cannot be installed.
func newNetwork(t *testing.T, server string) *network {
	t.Helper()
	dir := t.TempDir()
	install := exec.Command("go", "install", toxiproxyServer)
	install.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=")
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("toxiproxy: %v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	n := &network{T: t, api: "http://127.0.0.1:" + port}
	cmd := exec.Command("timeout", "600", filepath.Join(dir, "server"), "-host", "127.0.0.1", "-port", port)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Signal(syscall.SIGTERM); cmd.Wait() })
	for try := 0; ; try++ {
		resp, err := http.Get(n.api + "/version")
		if err == nil {
			resp.Body.Close()
			break
		}
		if try == 500 {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	var made struct{ Listen string }
	n.post("/proxies", map[string]any{"name": "api", "listen": "127.0.0.1:0", "upstream": server, "enabled": true}, &made)
	n.addr = made.Listen
	return n
}

func (n *network) add(t toxic) {
	n.Helper()
	t.Name = strings.Join([]string{t.Type, t.Stream}, " ")
	n.post("/proxies/api/toxics", t, nil)
}

// up connects the network, or cuts it: what is under way ends, and nothing is let in.
func (n *network) up(up bool) {
	n.Helper()
	n.post("/proxies/api", map[string]any{"enabled": up, "listen": n.addr}, nil)
}

func (n *network) post(path string, body, answer any) {
	n.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		n.Fatal(err)
	}
	resp, err := http.Post(n.api+path, "application/json", bytes.NewReader(data))
	if err != nil {
		n.Fatal(err)
	}
	defer resp.Body.Close()
	data, err = io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("status %d", resp.StatusCode)
	}
	if err == nil && answer != nil {
		err = json.Unmarshal(data, answer)
	}
	if err != nil {
		n.Fatalf("toxiproxy: %s: %v: %s", path, err, data)
	}
}
