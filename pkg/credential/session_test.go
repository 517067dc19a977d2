package credential

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

const scenarioVariable = "CREDENTIAL_TEST_SCENARIO"

func TestMain(m *testing.M) {
	name := os.Getenv(scenarioVariable)
	if name == "" {
		os.Exit(m.Run())
	}
	// gnome-keyring itself gives up on a prompt after 25 s: that is too late.
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := scenarios[name](ctx); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// A session is a user's: folders of their own, and a session bus for every
// run.
type session struct {
	t    *testing.T
	home string
	bus  []string // arguments of dbus-run-session
}

func newSession(t *testing.T) *session {
	t.Parallel()
	for program, pkg := range map[string]string{"gnome-keyring-daemon": "gnome-keyring", "dbus-run-session": "dbus-daemon"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed (package %s)", program, pkg)
		}
	}
	// Short, for it holds sockets.
	home, err := os.MkdirTemp("", "keyring")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	return &session{t: t, home: home}
}

// services makes the bus know these services alone, each with the command that
// starts it.
func (s *session) services(commands map[string]string) {
	dir := filepath.Join(s.home, "services")
	for name, command := range commands {
		write(s.t, filepath.Join(dir, name+".service"), fmt.Sprintf("[D-BUS Service]\nName=%s\nExec=%s\n", name, command))
	}
	config := filepath.Join(s.home, "bus.conf")
	write(s.t, config, fmt.Sprintf(`<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir=%s</listen>
  <servicedir>%s</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>`, s.home, dir))
	s.bus = []string{"--config-file=" + config}
}

// run does a scenario inside the session.
func (s *session) run(scenario string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "dbus-run-session", append(s.bus, "--", os.Args[0])...)
	cmd.Env = []string{
		scenarioVariable + "=" + scenario,
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + s.home,
		"XDG_RUNTIME_DIR=" + s.home,
		"GORACE=atexit_sleep_ms=0",
	}
	// A file, for services that the bus has started keep a pipe open.
	said, err := os.Create(filepath.Join(s.home, "said"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer said.Close()
	cmd.Stdout = said
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(said.Name())
		s.t.Errorf("%s: %v\n%s", scenario, err, text)
	}
}

// startKeyring starts gnome-keyring-daemon on this process's bus, with an
// unlocked login keyring. It ends with the bus. It is in the background before it
// is on the bus, and whoever asks for it too early has the bus start another,
// without a keyring.
func startKeyring() error {
	cmd := exec.Command("gnome-keyring-daemon", "--unlock", "--components=secrets")
	cmd.Stdin = strings.NewReader("test")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("gnome-keyring-daemon: %w: %s", err, out)
	}
	conn, err := dbus.ConnectSessionBus()
	if err != nil {
		return err
	}
	defer conn.Close()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		there := false
		if err := conn.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, secretsName).Store(&there); err != nil || there {
			return err
		}
	}
	return errors.New("gnome-keyring-daemon is not on the bus")
}
