package manual

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gptpipe/test/standin"
)

// The examples of all pages, and those that usage texts end with, are typed at
// a shell in an empty home with a few files, and what comes out is what stands
// there. A line "..." stands for any lines. A file that is shown with cat, and
// is not there, is made as it is shown.
func TestExamples(t *testing.T) {
	for _, page := range readPages(t) {
		t.Run(page.Name, func(t *testing.T) {
			t.Parallel()
			displays := page.displays()
			if len(displays) == 0 {
				t.Fatal("no examples")
			}
			runExamples(t, page.Name, displays)
		})
	}
	for _, name := range []string{"gpt-ask", "gpt-chunk", "gpt-map", "gpt-join", "gpt-key", "gpt-cache"} {
		t.Run(name+" --help", func(t *testing.T) {
			t.Parallel()
			usage, err := exec.Command(filepath.Join(bin, name), "--help").Output()
			if err != nil {
				t.Fatal(err)
			}
			_, examples, _ := strings.Cut(string(usage), "\n  $ ")
			if name == "gpt-cache" { // of a cache that is in use
				before := "gpt-map -p 'English for:' words.jsonl >out"
				examples = before + "\n  $ " + before + "\n  $ " + examples
			}
			runExamples(t, name+" --help", []string{strings.ReplaceAll("$ "+examples, "\n  ", "\n")})
		})
	}
}

func runExamples(t *testing.T, name string, displays []string) {
	w := newWorld(t, name, strings.Join(displays, ""))
	for _, display := range displays {
		steps := sessionOf(t, display)
		for i, s := range steps {
			if file, is := strings.CutPrefix(s.command, "cat "); is {
				file = strings.ReplaceAll(file, "~", w.dir)
				if _, err := os.Stat(filepath.Join(w.dir, strings.TrimPrefix(file, w.dir))); err != nil {
					write(t, filepath.Join(w.dir, strings.TrimPrefix(file, w.dir)), w.local(s.want))
				}
			}
			steps[i].command = w.local(s.command)
		}
		got := w.run(t, steps)
		for i, s := range steps {
			shown := s.want != "" || !strings.HasSuffix(name, "--help") // which has no room for all
			if shown && !matches(normal(got[i].out), normal(s.want)) {
				t.Errorf("$ %s\n%swant\n%s", s.command, got[i].out, s.want)
			}
			if asked := i+1 < len(steps) && steps[i+1].command == "echo $?"; got[i].status != "0" && !asked {
				t.Errorf("$ %s\nexit status %s:\n%s", s.command, got[i].status, got[i].out)
			}
		}
	}
}

// A step is a command and what it shows.
type step struct{ command, want, out, status string }

// sessionOf takes a display apart. A command goes on in the next line as long
// as the shell says that it is not whole.
func sessionOf(t *testing.T, display string) []step {
	t.Helper()
	var steps []step
	open := false
	for line := range strings.Lines(display) {
		line = strings.TrimSuffix(line, "\n")
		command, begins := strings.CutPrefix(line, "$ ")
		last := len(steps) - 1
		switch {
		case open:
			steps[last].command += "\n" + line
		case begins:
			steps = append(steps, step{command: command})
			last++
		case last < 0:
			t.Fatalf("an example that does not begin with a command:\n%s", display)
		default:
			steps[last].want += line + "\n"
			continue
		}
		open = strings.HasSuffix(line, `\`) || exec.Command("sh", "-n", "-c", steps[last].command).Run() != nil
	}
	return steps
}

// A world is a home, and servers under the names that the examples use.
type world struct {
	dir   string
	env   []string
	name  string
	there [][2]string // the name in the example, and the one here
}

func newWorld(t *testing.T, name, text string) *world {
	w := &world{dir: t.TempDir(), name: name}
	for file, content := range homeFiles() {
		write(t, filepath.Join(w.dir, file), content)
	}
	if err := os.Chmod(filepath.Join(w.dir, "bin", "ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(w.dir, "bin", "pass"), 0o700); err != nil {
		t.Fatal(err)
	}
	serve := func(alias, at string) {
		here, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		there, err := url.Parse(alias)
		if err != nil {
			t.Fatal(err)
		}
		w.there = append(w.there, [2]string{alias, at})
		if there.Scheme == "https" { // a place of plain http is named with its scheme
			w.there = append(w.there, [2]string{there.Host, "http://" + here.Host})
		}
		w.there = append(w.there, [2]string{there.Host, here.Host})
	}
	api := func(alias string) *standin.Server {
		s, err := standin.Start(standin.Config{
			Reply: reply, Models: models(alias),
			// What the first run of an example cannot get answered.
			Faults: standin.MustFaults("seen<1&body~Kraken:400"),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s
	}
	home := api("")
	serve("https://api.openai.com/v1", home.URL())
	w.env = environment(w.dir, "GORACE=atexit_sleep_ms=0", "GPT_LOG_LEVEL=info")
	if !strings.HasPrefix(name, "gpt-key") { // which stores keys, and tells that this one comes first
		w.env = append(w.env, "OPENAI_API_KEY=sk-example")
	}
	for i, setting := range w.env {
		if rest, is := strings.CutPrefix(setting, "PATH="); is {
			w.env[i] = "PATH=" + w.dir + "/bin:" + rest
		}
	}
	if name != "gpt-config.5" { // whose files are to be heard
		w.env = append(w.env, "OPENAI_BASE_URL="+home.URL())
	}
	for _, alias := range []string{
		"https://gateway.example/v1", "https://RESOURCE.openai.azure.com/openai/v1/",
		"http://127.0.0.1:11434/v1", "http://127.0.0.1:8080/v1", "http://127.0.0.1:8000/v1",
	} {
		if strings.Contains(text, alias) {
			serve(alias, api(alias).URL())
		}
	}
	for _, alias := range []string{"https://login.microsoftonline.com/TENANT/v2.0", "https://id.example"} {
		if strings.Contains(text, alias) {
			serve(alias, issuer(t))
		}
	}
	if strings.Contains(text, "git diff") {
		git := exec.Command("sh", "-c", `git init -q . && git add words && git -c user.name=a -c user.email=a@example commit -qm 1 && echo >>words`)
		git.Dir, git.Env = w.dir, w.env
		if out, err := git.CombinedOutput(); err != nil {
			t.Fatalf("git: %v\n%s", err, out)
		}
	}
	t.Cleanup(func() {
		for _, home := range []string{w.dir, w.dir + "/laptop"} {
			stop := exec.Command(filepath.Join(bin, "gpt-cache"), "stop")
			stop.Env = environment(home)
			_ = stop.Run() // there may be none
		}
	})
	return w
}

// local has the servers of text here.
func (w *world) local(text string) string {
	for _, pair := range w.there {
		if strings.Contains(pair[0], "://") {
			text = strings.ReplaceAll(text, pair[0], strings.TrimSuffix(pair[1], "/"))
		}
	}
	return text
}

// run types the commands at a shell. For gpt-key there is an unlocked keyring.
func (w *world) run(t *testing.T, steps []step) []step {
	t.Helper()
	shown := filepath.Join(t.TempDir(), "shown") // and not what a session bus says
	var script strings.Builder
	fmt.Fprintf(&script, "exec >%s 2>&1\n", shown)
	for _, s := range steps {
		fmt.Fprintf(&script, "%s\nstatus=$?; printf '\\036%%s\\036' $status; (exit $status)\n", s.command)
	}
	shell := []string{"sh", "-c", script.String()}
	if w.name == "gpt-key.1" {
		// It is in the background before it is on the bus, and whoever asks for it too early gets another, without a keyring.
		shell = []string{"dbus-run-session", "--", "sh", "-c",
			`eval "$(printf test | gnome-keyring-daemon --unlock --components=secrets)"
			timeout 20 sh -c "until dbus-send --print-reply=literal --dest=org.freedesktop.DBus / org.freedesktop.DBus.NameHasOwner string:org.freedesktop.secrets | grep -q true; do sleep 0.05; done"
			` + script.String()}
	}
	cmd := exec.CommandContext(t.Context(), shell[0], shell[1:]...)
	cmd.Dir, cmd.Env = w.dir, w.env
	if strings.HasPrefix(w.name, "gpt-key") { // what would be typed
		key, err := os.Open(filepath.Join(w.dir, "key"))
		if err != nil {
			t.Fatal(err)
		}
		defer key.Close()
		cmd.Stdin = key
	}
	_ = cmd.Run() // it shows by itself how each command ended
	data, err := os.ReadFile(shown)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for _, pair := range w.there {
		text = strings.ReplaceAll(text, pair[1], pair[0])
	}
	text = strings.ReplaceAll(text, w.dir, "/home/ann")
	parts := strings.Split(text, "\036")
	if len(parts) != 2*len(steps)+1 {
		t.Fatalf("the shell has ended before its time:\n%s", text)
	}
	got := make([]step, len(steps))
	for i := range steps {
		got[i] = step{out: parts[2*i], status: parts[2*i+1]}
	}
	return got
}

var changing = regexp.MustCompile(`\d\d:\d\d:\d\d(\.\d+)?|\d{4}-\d\d-\d\d`)

// normal leaves out what is another at each time.
func normal(text string) string { return changing.ReplaceAllString(text, "0") }

// matches reports whether text is pattern, in which a line "..." is any lines.
func matches(text, pattern string) bool {
	parts := strings.Split("\n"+pattern, "\n...\n")
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	return regexp.MustCompile(`^(?s:` + strings.Join(parts, `\n(?:.*\n)?`) + `)$`).MatchString("\n" + text)
}

// issuer starts a server of OAuth 2.0 that asks for nobody's consent.
func issuer(t *testing.T) string {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	answer := func(path, format string, args ...any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, format, args...)
		})
	}
	answer("/.well-known/openid-configuration", `{"issuer":%q,"token_endpoint":%q,"device_authorization_endpoint":%q}`,
		server.URL, server.URL+"/token", server.URL+"/device")
	answer("/device", `{"device_code":"d","user_code":"ABCD1234","verification_uri":"https://microsoft.com/devicelogin","expires_in":900,"interval":1}`)
	answer("/token", `{"access_token":"example-token-%d","token_type":"Bearer","expires_in":3600,"refresh_token":"example-refresh"}`, time.Now().Unix())
	return server.URL
}
