package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"gpt-key": func() {
		if d, err := time.ParseDuration(os.Getenv("GPT_KEY_TEST_PATIENCE")); err == nil {
			silence, checkTimeout = d, d
		}
		main()
	}, "another-entry": anotherEntry})
}

// anotherEntry stores its input in the keyring for the profile that it is given,
// as a program does that knows the entry by one attribute more.
func anotherEntry() {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	bus, err := dbus.ConnectSessionBus()
	if err != nil {
		log.Fatal(err)
	}
	const name, root = "org.freedesktop.secrets", "/org/freedesktop/secrets"
	var session dbus.ObjectPath
	err = bus.Object(name, root).Call("org.freedesktop.Secret.Service.OpenSession", 0, "plain", dbus.MakeVariant("")).
		Store(new(dbus.Variant), &session)
	if err != nil {
		log.Fatal(err)
	}
	type secret struct {
		Session           dbus.ObjectPath
		Parameters, Value []byte
		Type              string
	}
	attributes := map[string]string{"service": "gptpipe", "username": os.Args[1], "by": "another program"}
	err = bus.Object(name, root+"/collection/login").Call("org.freedesktop.Secret.Collection.CreateItem", 0,
		map[string]dbus.Variant{
			"org.freedesktop.Secret.Item.Label":      dbus.MakeVariant("another entry"),
			"org.freedesktop.Secret.Item.Attributes": dbus.MakeVariant(attributes),
		}, secret{session, nil, bytes.TrimSpace(text), "text/plain"}, false).Err
	if err != nil {
		log.Fatal(err)
	}
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir+"/home")
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			env.Setenv("TZ", "UTC")
			env.Setenv("API", api(env))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exitcode": exitcode},
	})
}

// api starts a server that takes keys that end in "good", and under /STATUS
// answers with that status alone. A redirect leads to where any key is taken.
func api(env *testscript.Env) string {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.Header.Get("Authorization")+r.Header.Get("Api-Key"), "good") {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, `{"error":{"message":"Incorrect API key provided: %s","code":"invalid_api_key"}}`, r.Header.Get("Authorization"))
			return
		}
		key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		fmt.Fprintf(w, `{"data":[{"id":"llama3:8b"},{"id":"gpt-5-mini"},{"id":"$(reboot)"},{"id":"-x"},{"id":"gpt-5-mini"},{"id":"x/%s"},{"id":"%s"}]}`,
			key, base64.RawStdEncoding.EncodeToString([]byte(key)))
	})
	mux.HandleFunc("GET /azure/models", func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.Header.Get("Api-Key"), "good") {
			w.WriteHeader(http.StatusForbidden)
		}
	})
	mux.HandleFunc("GET /drip/models", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			io.WriteString(w, " ")
			w.(http.Flusher).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	})
	mux.HandleFunc("GET /silent/models", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("GET /any", func(http.ResponseWriter, *http.Request) { env.T().Log("the redirect was followed") })
	mux.HandleFunc("GET /{status}/models", func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(r.PathValue("status"))
		w.Header().Set("Location", "/any")
		w.WriteHeader(status)
	})
	server := httptest.NewServer(mux)
	env.Defer(server.Close)
	return server.URL
}

// exitcode N COMMAND ARG... runs a command that is to end with status N.
func exitcode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exitcode N command [args...]")
	}
	got := 0
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if want, err := strconv.Atoi(args[0]); err != nil || got != want {
		ts.Fatalf("exit status %d, want %s", got, args[0])
	}
}
