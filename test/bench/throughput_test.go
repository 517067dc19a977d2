package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// What is asked and answered is small, so that it is the client's work that is
// measured.
const (
	question = `{"model":"gpt-5-mini","messages":[{"role":"user","content":"Translate.\n\nchien"}]}`
	reply    = `{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"gpt-5-mini-2025-08-07",` +
		`"choices":[{"index":0,"message":{"role":"assistant","content":"dog","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],` +
		`"usage":{"prompt_tokens":12,"completion_tokens":1,"total_tokens":13,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}`
)

const jobs = 64

// BenchmarkThroughput asks as many small questions a second as there can be,
// client and server on the same processors: a bare loop over net/http, wrk
// where it is installed, and gpt-map with records, template and order, cache
// off. Each in turn, and the ratio to the bare loop of the same turn.
func BenchmarkThroughput(b *testing.B) {
	const n = 100_000
	input := records(b, n)
	addr := plainServer(b, 0)
	var loop, mapped, wrk []float64
	for b.Loop() {
		loop = append(loop, rate(n, func() { b.Log(helper(b, "loop", addr, strconv.Itoa(n), strconv.Itoa(jobs))) }))
		mapped = append(mapped, rate(n, func() { b.Log(mapRecords(b, addr, input, jobs)) }))
		if r, ok := runWrk(b, addr); ok {
			wrk = append(wrk, r)
		}
	}
	b.ReportMetric(median(loop), "net/http-loop/s")
	b.ReportMetric(median(mapped), "gpt-map/s")
	b.ReportMetric(median(ratios(mapped, loop)), "gpt-map/loop")
	if wrk != nil {
		b.ReportMetric(median(wrk), "wrk/s")
		b.ReportMetric(median(ratios(mapped, wrk)), "gpt-map/wrk")
	}
}

// BenchmarkLatency asks a server that takes 200 ms for every answer, with many
// jobs: the share of what so many jobs could do at most.
func BenchmarkLatency(b *testing.B) {
	const latency = 200 * time.Millisecond
	for _, jobs := range []int{1000, 4000} {
		b.Run(fmt.Sprintf("j=%d", jobs), func(b *testing.B) {
			n := 40 * jobs // 8 s
			input := records(b, n)
			addr := plainServer(b, latency)
			var share []float64
			for b.Loop() {
				ideal := float64(n) / float64(jobs) * latency.Seconds()
				share = append(share, 100*ideal*rate(n, func() { b.Log(mapRecords(b, addr, input, jobs)) })/float64(n))
			}
			b.ReportMetric(median(share), "%-of-ideal")
		})
	}
}

// BenchmarkHits asks what has been asked before: records in, records out, every
// answer from the keeper.
func BenchmarkHits(b *testing.B) {
	const n = 100_000
	input := records(b, n)
	addr := plainServer(b, 0)
	u := &user{b, []string{"HOME=" + b.TempDir(), "PATH=" + bin, "OPENAI_BASE_URL=http://" + addr + "/v1"}}
	b.Cleanup(u.stopKeeper)
	u.mapRecords(input, jobs)
	var hits []float64
	for b.Loop() {
		hits = append(hits, rate(n, func() { b.Log(u.mapRecords(input, jobs)) }))
	}
	b.ReportMetric(median(hits), "hits/s")
}

func records(b *testing.B, n int) (path string) {
	var lines bytes.Buffer
	for i := range n {
		fmt.Fprintf(&lines, "{\"id\":%d,\"text\":\"chien %d\"}\n", i, i)
	}
	path = filepath.Join(b.TempDir(), "records.jsonl")
	if err := os.WriteFile(path, lines.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

func mapRecords(b *testing.B, addr, input string, jobs int) string {
	b.Helper()
	u := &user{b, []string{"HOME=" + b.TempDir(), "PATH=" + bin, "OPENAI_BASE_URL=http://" + addr + "/v1"}}
	return u.mapRecords(input, jobs, "--no-cache")
}

// mapRecords answers how much processor time gpt-map took.
func (u *user) mapRecords(input string, jobs int, flags ...string) string {
	u.Helper()
	output := filepath.Join(u.TempDir(), "out.jsonl")
	out, err := os.Create(output)
	if err != nil {
		u.Fatal(err)
	}
	defer out.Close()
	cmd := u.command("gpt-map", append(flags, "-j", strconv.Itoa(jobs), "-p", "Translate.", input)...)
	cmd.Stdout = out
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Run(); err != nil {
		u.Fatalf("%v\n%s", err, errs.Bytes())
	}
	got, err := os.ReadFile(output)
	if err != nil || bytes.Count(got, []byte(`"response":"dog"`)) != strings.Count(readFile(u, input), "\n") {
		u.Fatalf("not all were answered: %v", err)
	}
	return "gpt-map: " + used(cmd)
}

func used(cmd *exec.Cmd) string {
	s := cmd.ProcessState
	return fmt.Sprintf("%v user, %v system", s.UserTime().Round(time.Millisecond), s.SystemTime().Round(time.Millisecond))
}

func readFile(b testing.TB, path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	return string(data)
}

func runWrk(b *testing.B, addr string) (perSecond float64, ok bool) {
	path, err := exec.LookPath("wrk")
	if err != nil {
		b.Log("wrk is not installed")
		return 0, false
	}
	script := filepath.Join(b.TempDir(), "post.lua")
	os.WriteFile(script, []byte("wrk.method='POST'\nwrk.headers['Content-Type']='application/json'\nwrk.body=[["+question+"]]\n"), 0o600)
	out, err := exec.Command(path, "-t1", "-c"+strconv.Itoa(jobs), "-d5s", "-s", script, "http://"+addr+"/v1/chat/completions").Output()
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(out), "Requests/sec:")
	perSecond, err = strconv.ParseFloat(strings.Fields(after)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return perSecond, true
}

func rate(n int, fn func()) float64 {
	begin := time.Now()
	fn()
	return float64(n) / time.Since(begin).Seconds()
}

func ratios(a, b []float64) (r []float64) {
	for i := range a {
		r = append(r, a[i]/b[i])
	}
	return r
}

func median(all []float64) float64 {
	all = slices.Clone(all)
	slices.Sort(all)
	return all[len(all)/2]
}

// The server and the bare loop are processes of their own: this program, told
// by the environment what to be.
const roleEnv = "GPTPIPE_BENCH_ROLE"

func init() {
	switch os.Getenv(roleEnv) {
	case "server":
		serve(os.Args[1:])
	case "loop":
		loop(os.Args[1:])
	default:
		return
	}
	os.Exit(0)
}

func helper(b *testing.B, role string, args ...string) string {
	b.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%s: %v\n%s", role, err, out)
	}
	return role + ": " + used(cmd)
}

// plainServer starts a server that does as little as a server can.
func plainServer(b *testing.B, latency time.Duration) (addr string) {
	cmd := exec.Command(os.Args[0], latency.String())
	cmd.Env = append(os.Environ(), roleEnv+"=server")
	in, err := cmd.StdinPipe() // whose end is the server's
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(line)
}

func serve(args []string) {
	latency, err := time.ParseDuration(args[0])
	if err != nil {
		panic(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go answer(conn, latency)
		}
	}()
	io.Copy(io.Discard, os.Stdin)
}

func answer(conn net.Conn, latency time.Duration) {
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 4096)
	out := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: req_1\r\nContent-Length: " +
		strconv.Itoa(len(reply)) + "\r\n\r\n" + reply)
	for {
		length := 0
		for {
			line, err := r.ReadSlice('\n')
			if err != nil {
				return
			}
			if len(line) <= 2 {
				break
			}
			if name, value, _ := bytes.Cut(line, []byte(":")); len(name) == 14 && bytes.EqualFold(name, []byte("content-length")) {
				length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
			}
		}
		if _, err := r.Discard(length); err != nil {
			return
		}
		time.Sleep(latency)
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

// loop sends n questions over so many connections and looks at no answer.
func loop(args []string) {
	n, _ := strconv.Atoi(args[1])
	jobs, _ := strconv.Atoi(args[2])
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: jobs, MaxConnsPerHost: jobs}}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range jobs {
		wg.Go(func() {
			for next.Add(1) <= int64(n) {
				req, err := http.NewRequestWithContext(context.Background(), "POST", "http://"+args[0]+"/v1/chat/completions", strings.NewReader(question))
				if err != nil {
					panic(err)
				}
				req.Header.Set("Content-Type", "application/json")
				resp, err := client.Do(req)
				if err != nil {
					panic(err)
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
	wg.Wait()
}
