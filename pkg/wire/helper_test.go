package wire

import (
	"context"
	"errors"
	"testing"
	"time"

	"gptpipe/pkg/llm"
	"gptpipe/test/standin"
)

const testKey = "sk-test-0123456789abcdefghijklmn"

func start(t *testing.T, cfg standin.Config) *standin.Server {
	t.Helper()
	s, err := standin.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// withFaults starts a server that misbehaves by script.
func withFaults(t *testing.T, script string) *standin.Server {
	t.Helper()
	faults, err := standin.ParseFaults(script)
	if err != nil {
		t.Fatal(err)
	}
	return start(t, standin.Config{Faults: faults})
}

// overNetHTTP has everything go through net/http.
var overNetHTTP bool

// The servers of these tests speak plain HTTP, so that package http1 speaks to them where it can. What is seen there is
// to be seen of net/http as well, which speaks to most servers in the world.
func TestOverNetHTTP(t *testing.T) {
	overNetHTTP = true
	defer func() { overNetHTTP = false }()
	for name, test := range map[string]func(*testing.T){
		"StatusFaults":                 TestStatusFaults,
		"RetryAfterDate":               TestRetryAfterDate,
		"SpoiltAnswers":                TestSpoiltAnswers,
		"AnswersThatAreFailures":       TestAnswersThatAreFailures,
		"HarmlessFaults":               TestHarmlessFaults,
		"TrailingGarbage":              TestTrailingGarbage,
		"Reset":                        TestReset,
		"NobodyListens":                TestNobodyListens,
		"HangEndsInTimeout":            TestHangEndsInTimeout,
		"DripEndsInTimeout":            TestDripEndsInTimeout,
		"HugeAnswerIsCutOff":           TestHugeAnswerIsCutOff,
		"RedirectIsNotFollowed":        TestRedirectIsNotFollowed,
		"KeepAlive":                    TestKeepAlive,
		"KeepAliveAfterErrors":         TestKeepAliveAfterErrors,
		"UnixSocket":                   TestUnixSocket,
		"SoftStopTakesTheAnswerIn":     TestSoftStopTakesTheAnswerIn,
		"EndOfLifetimeCutsTheAttempt":  TestEndOfLifetimeCutsTheAttempt,
		"NothingIsBegunAfterASoftStop": TestNothingIsBegunAfterASoftStop,
		"HeaderIsSharedAndUnchanged":   TestHeaderIsSharedAndUnchanged,
		"KeyHeader":                    TestKeyHeader,
		"BodyIsTheSameOnARetry":        TestBodyIsTheSameOnARetry,
		"OtherServers":                 TestOtherServers,
	} {
		t.Run(name, test)
	}
}

// newClient makes a client of a base URL; change, if not nil, has the last word
// on its options.
func newClient(t *testing.T, base string, change func(*Options)) *Client {
	t.Helper()
	endpoint, err := ParseEndpoint(base)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Endpoint: endpoint, API: "chat", Key: testKey, Timeout: time.Minute, Jobs: 4, Lifetime: t.Context()}
	if change != nil {
		change(&o)
	}
	c := NewClient(o)
	if overNetHTTP {
		c.plain = nil
	}
	t.Cleanup(c.transport.CloseIdleConnections)
	return c
}

func speaking(api string) func(*Options) { return func(o *Options) { o.API = api } }

func question(t *testing.T, api, text string) *llm.Request {
	t.Helper()
	body, err := Encode(api, &llm.Prompt{
		Messages: []llm.Message{{Role: "user", Content: text}},
		Params:   llm.Params{Model: "gpt-test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &llm.Request{Model: "gpt-test", Body: body}
}

// ask makes one attempt, streamed or not, and returns what it came to.
func ask(t *testing.T, c *Client, api, text string, stream bool) (resp *llm.Response, deltas string, err error) {
	t.Helper()
	req := question(t, api, text)
	if stream {
		req.OnDelta = func(text string) { deltas += text }
	}
	resp, err = c.Complete(t.Context(), req)
	return resp, deltas, err
}

// failure asserts that err is an *llm.Error and returns it.
func failure(t *testing.T, err error) *llm.Error {
	t.Helper()
	var e *llm.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T), want an *llm.Error", err, err)
	}
	return e
}

// eachWay runs a test for both APIs, streamed and not.
func eachWay(t *testing.T, test func(t *testing.T, api string, stream bool)) {
	eachWayOf(t, []string{"chat", "responses"}, test)
}

func eachWayOf(t *testing.T, apis []string, test func(t *testing.T, api string, stream bool)) {
	for _, api := range apis {
		for _, stream := range []bool{false, true} {
			name := api
			if stream {
				name += " streamed"
			}
			t.Run(name, func(t *testing.T) { test(t, api, stream) })
		}
	}
}

var errStopped = errors.New("stopped on purpose")

func stopped() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errStopped)
	return ctx
}
