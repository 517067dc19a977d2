package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gptpipe/test/standin"
)

// A real Prometheus scrapes the keeper while a run lasts, and sees what is in flight and what is done; also one that has
// answers alone.
func TestPrometheusScrapes(t *testing.T) {
	t.Run("the user's cache", func(t *testing.T) { scrape(t) })
	t.Run("another", func(t *testing.T) { scrape(t, "--cache", t.TempDir()) })
}

func scrape(t *testing.T, cache ...string) {
	t.Parallel()
	j := newJob(t, standin.Config{Latency: time.Second})
	j.records, j.jobs, j.flags = 300, 7, cache
	scraped, web := freePort(t), freePort(t)
	j.background("gpt-cache", append([]string{"serve", "--metrics-listen", scraped}, cache...)...)

	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("scrape_configs: [{job_name: gptpipe, scrape_interval: 200ms, scrape_timeout: 200ms, static_configs: [{targets: ['%s']}]}]\n", scraped)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	prometheus := exec.Command("prometheus", "--config.file="+config, "--storage.tsdb.path="+dir, "--web.listen-address="+web)
	runInBackground(t, prometheus)

	run := j.command()
	runInBackground(t, run)
	ask := func(query, want string) {
		t.Helper()
		var got string
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
			if got = value(web, query); got == want {
				return
			}
		}
		t.Fatalf("%s is %s, not %s", query, got, want)
	}
	ask(`up{job="gptpipe"}`, "1")
	ask(`gpt_requests_in_flight{command="gpt-map",model="gpt-5-mini"}`, "7")
	ask(`gpt_requests_total{command="gpt-map",status="200"} > bool 13`, "1")
	ask(`gpt_users`, "1")
	if err := run.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	ask(`absent(gpt_requests_in_flight)`, "1") // what is killed has nothing in flight
}

// background runs a command of ours as long as the test.
func (j *job) background(name string, args ...string) {
	cmd := exec.Command(filepath.Join(bin, name), args...)
	cmd.Env = j.env
	runInBackground(j.T, cmd)
}

func runInBackground(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%.4000s", cmd.Path, out.String())
		}
	})
}

// value asks Prometheus for the value of an expression.
func value(web, query string) string {
	resp, err := http.Get("http://" + web + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	var answer struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	if err != nil || json.Unmarshal(body, &answer) != nil || len(answer.Data.Result) != 1 {
		return string(body)
	}
	return fmt.Sprint(answer.Data.Result[0].Value[1])
}

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

// Many processes write one file: it never goes back, and who comes last has all.
func TestMetricsFileOfMany(t *testing.T) {
	t.Parallel()
	const rounds, processes = 3, 8
	j := newJob(t, standin.Config{})
	path := filepath.Join(j.dir, "m.prom")
	counted := func() (n int) {
		text, err := os.ReadFile(path)
		if err != nil && !os.IsNotExist(err) {
			t.Error(err)
		}
		for line := range strings.Lines(string(text)) {
			var add int
			if _, err := fmt.Sscanf(line, `gpt_requests_total{command="gpt-ask",model="gpt-5-mini",status="200"} %d`, &add); err == nil {
				n += add
			}
		}
		return n
	}
	for round := range rounds {
		done := make(chan error, processes)
		for range processes {
			cmd := exec.Command(filepath.Join(bin, "gpt-ask"), "--no-cache", "--metrics-file", path, "echo hi")
			cmd.Env = j.env
			go func() { done <- cmd.Run() }()
		}
		for left, last := processes, 0; left > 0; {
			select {
			case err := <-done:
				if left--; err != nil {
					t.Error(err)
				}
			default:
				n := counted()
				if n < last {
					t.Errorf("%d requests after %d", n, last)
				}
				last = n
			}
		}
		if n, want := counted(), (round+1)*processes; n != want {
			t.Errorf("%d requests are in the file, %d were made", n, want)
		}
	}
}
