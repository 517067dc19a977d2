//go:build dist

package deploy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"gptpipe/test/standin"
)

// buildah runs it with a store of the test's own. Neither vfs nor chroot needs more than root in a container has.
func buildah(t *testing.T, store string, args ...string) *exec.Cmd {
	return exec.Command("buildah", append([]string{"--root", store, "--runroot", store + "-run", "--storage-driver", "vfs"}, args...)...)
}

// The image is built without a network, and runs as somebody else than root.
func TestImage(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("buildah's isolation by chroot takes root")
	}
	server, err := standin.Start(standin.Config{TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	plain, err := standin.Start(standin.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()

	store := filepath.Join(t.TempDir(), "store")
	tool := strings.Join(buildah(t, store).Args, " ")
	must(t, root, nil, "unshare", "--net", "sh", "-c", `umask 077; exec make image "$@"`, "make", "BIN="+bin, "DOCKER="+tool, "CERTIFICATES="+server.CAFile())
	text := func(args ...string) string {
		t.Helper()
		b := buildah(t, store, args...)
		out, err := b.CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v\n%s", b.Args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	config := text("inspect", "--type", "image", "--format", "{{.OCIv1.Config.User}} {{.OCIv1.Config.Volumes}} {{.FromImage}}", "gptpipe")
	if config != "65532:65532 map[/home/gpt:{}] localhost/gptpipe:latest" {
		t.Error(config)
	}
	container := text("from", "--pull-never", "gptpipe")
	volume := filepath.Join(t.TempDir(), "volume")
	if err := errors.Join(os.Mkdir(volume, 0o700), os.Chown(volume, 65532, 65532)); err != nil {
		t.Fatal(err)
	}
	for dir := volume; dir != os.TempDir(); { // the container's user must be able to come here
		dir = filepath.Dir(dir)
		if dir != os.TempDir() {
			os.Chmod(dir, 0o755)
		}
	}

	// The certificates are where Go looks for them; here, the stand-in's own.
	run := func(args ...string) []string {
		return append([]string{"run", "--isolation", "chroot", "-v", volume + ":/home/gpt"}, args...)
	}
	if got := text(run("-e", "OPENAI_BASE_URL="+server.URL(), "-e", "OPENAI_API_KEY=key", container, "--", "gpt-ask", "-n", "echo encrypted")...); got != "encrypted" {
		t.Error(got)
	}
	if got := text(run("-e", "OPENAI_BASE_URL="+plain.URL(), container, "--", "gpt-ask", "-n", "echo hello")...); got != "hello" {
		t.Error(got)
	}

	// As the first process of a container: all processes that have the volume share it.
	rootfs := text("mount", container)
	for path, want := range map[string]string{"copyright": "gptpipe authors", "THIRD-PARTY": "github.com/dgraph-io/badger/v4"} {
		if !strings.Contains(read(t, filepath.Join(rootfs, "usr/share/doc/gptpipe", path)), want) {
			t.Errorf("%s does not have %s", path, want)
		}
	}
	metrics := freePort(t)
	keeper := exec.Command("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec",
		`mount --bind "$0" "$1/home/gpt"; exec chroot --userspec=65532:65532 "$1" /usr/bin/gpt-cache serve --metrics-listen "$2"`, volume, rootfs, metrics)
	keeper.Env = []string{"HOME=/home/gpt", "PATH=" + os.Getenv("PATH")}
	var said strings.Builder
	keeper.Stdout, keeper.Stderr = &said, &said
	if err := keeper.Start(); err != nil {
		t.Fatal(err)
	}
	defer keeper.Process.Kill()
	scrape := func() string {
		resp, err := http.Get("http://" + metrics + "/metrics")
		if err != nil {
			return ""
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			return ""
		}
		return string(body)
	}
	for deadline := time.Now().Add(20 * time.Second); scrape() == ""; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no metrics: ", said.String())
		}
	}
	before := plain.Paid()
	if got := text(run("-e", "OPENAI_BASE_URL="+plain.URL(), container, "--", "gpt-ask", "-n", "echo hello")...); got != "hello" || plain.Paid() != before {
		t.Errorf("%s, %d requests: not from the volume's cache", got, plain.Paid()-before)
	}
	if got := scrape(); !strings.Contains(got, `gpt_cache_hits_total{command="gpt-ask",model="gpt-5-mini"} 1`) {
		t.Error(got)
	}
	child := strings.Fields(read(t, fmt.Sprintf("/proc/%d/task/%[1]d/children", keeper.Process.Pid)))
	if len(child) != 1 || !firstProcess.MatchString(read(t, "/proc/"+child[0]+"/status")) {
		t.Fatalf("%q is not the first process of a namespace", child)
	}
	must(t, ".", nil, "kill", "-TERM", child[0])
	if err := keeper.Wait(); err != nil || keeper.ProcessState.Sys().(syscall.WaitStatus).Signaled() {
		t.Errorf("it ended with %v: %s", err, &said)
	}
}

// firstProcess is in the status of a process that has the id 1 in its namespace: proc_pid_status(5).
var firstProcess = regexp.MustCompile(`\nNSpid:.*\t1\n`)

// freePort is an address that nobody listens at just now.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}
