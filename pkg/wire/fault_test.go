package wire

import (
	"errors"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"gptpipe/pkg/llm"
	"gptpipe/test/standin"
)

// want is what an error must say of itself. Message is a part of its text.
type want struct {
	typ      llm.Type
	code     string
	status   int
	retry    bool
	wait     time.Duration // 0: the server told none
	overload bool
	message  string
}

func (w want) check(t *testing.T, err error) {
	t.Helper()
	e := failure(t, err)
	got := want{e.Type, e.Code, e.Status, e.Retry, e.Wait, e.Overload, w.message}
	if got != w || e.HasWait != (w.wait > 0) || !strings.Contains(e.Message, w.message) {
		t.Errorf("got  %+v (has a wait: %t) %q\nwant %+v", got, e.HasWait, e.Message, w)
	}
	if e.Message == "" || strings.ContainsAny(e.Message, "\n\r") || len(e.Message) > 1000 {
		t.Errorf("the message does not fit a line: %q", e.Message)
	}
	if strings.Contains(e.Error(), testKey) {
		t.Errorf("the message shows the key: %v", e)
	}
}

// What a server answers instead of an answer, asked in every way.
func TestStatusFaults(t *testing.T) {
	for fault, want := range map[string]want{
		"500":                  {llm.Server, "", 500, true, 0, false, "had an error"},
		"502":                  {llm.Server, "", 502, true, 0, false, "502 Bad Gateway"},
		"503":                  {llm.Server, "server_is_overloaded", 503, true, 0, true, "overloaded"},
		"504":                  {llm.Server, "", 504, true, 0, false, "504 Gateway Timeout"},
		"529":                  {llm.Server, "", 529, true, 0, false, "had an error"},
		"server_is_overloaded": {llm.Server, "server_is_overloaded", 503, true, 0, true, "overloaded"},
		"408":                  {llm.Timeout, "request_timeout", 408, true, 0, false, "timed out"},
		"409":                  {llm.Server, "conflict", 409, true, 0, false, "try again"},
		"400":                  {llm.InvalidRequest, "invalid_value", 400, false, 0, false, "Invalid value"},
		"413":                  {llm.InvalidRequest, "", 413, false, 0, false, "Too Large"},
		"422":                  {llm.InvalidRequest, "", 422, false, 0, false, "Unprocessable"},
		"401":                  {llm.Auth, "invalid_api_key", 401, false, 0, false, "Incorrect API key"},
		"403":                  {llm.Auth, "unsupported_country_region_territory", 403, false, 0, false, "not supported"},
		"404":                  {llm.Auth, "model_not_found", 404, false, 0, false, "does not exist"},
		"402":                  {llm.Quota, "", 402, false, 0, false, "Payment Required"},
		"insufficient_quota":   {llm.Quota, "insufficient_quota", 429, false, 0, false, "exceeded your current quota"},
		"slow_down":            {llm.RateLimit, "slow_down", 429, true, 0, true, "reduce your request rate"},
		"429":                  {llm.RateLimit, "rate_limit_exceeded", 429, true, 0, false, "Rate limit reached"},
		"redirect":             {llm.InvalidRequest, "", 307, false, 0, false, "redirects are not followed; it points to http://localhost:"},

		"429,code=credit_balance_exhausted":          {llm.Quota, "credit_balance_exhausted", 429, false, 0, false, "quota"},
		"429,code=organization_spend_limit_exceeded": {llm.Quota, "organization_spend_limit_exceeded", 429, false, 0, false, "quota"},
		"429,code=project_spend_limit_exceeded":      {llm.Quota, "project_spend_limit_exceeded", 429, false, 0, false, "quota"},
		"429,code=organization_usage_limit_exceeded": {llm.Quota, "organization_usage_limit_exceeded", 429, false, 0, false, "quota"},
		// A wait mends no empty account.
		"insufficient_quota,retry-after=1": {llm.Quota, "insufficient_quota", 429, false, 0, false, "quota"},

		// Told waits, kept to the letter.
		"429,retry-after=1":                       {llm.RateLimit, "rate_limit_exceeded", 429, true, time.Second, false, ""},
		"429,retry-after=0.25":                    {llm.RateLimit, "rate_limit_exceeded", 429, true, 250 * time.Millisecond, false, ""},
		"429,retry-after=3600":                    {llm.RateLimit, "rate_limit_exceeded", 429, true, time.Hour, false, ""},
		"429,retry-after-ms=250":                  {llm.RateLimit, "rate_limit_exceeded", 429, true, 250 * time.Millisecond, false, ""},
		"429,retry-after-ms=250,retry-after=1":    {llm.RateLimit, "rate_limit_exceeded", 429, true, 250 * time.Millisecond, false, ""},
		"429,retry-after-ms=soon,retry-after=1":   {llm.RateLimit, "rate_limit_exceeded", 429, true, time.Second, false, ""},
		"429,x-ratelimit-reset-requests=6m0s":     {llm.RateLimit, "rate_limit_exceeded", 429, true, 6 * time.Minute, false, ""},
		"429,x-ratelimit-reset-tokens=12ms":       {llm.RateLimit, "rate_limit_exceeded", 429, true, 12 * time.Millisecond, false, ""},
		"503,retry-after=20":                      {llm.Server, "server_is_overloaded", 503, true, 20 * time.Second, true, ""},
		"502,retry-after=20":                      {llm.Server, "", 502, true, 20 * time.Second, false, ""},
		"408,retry-after=2":                       {llm.Timeout, "request_timeout", 408, true, 2 * time.Second, false, ""},
		"409,retry-after=2":                       {llm.Server, "conflict", 409, true, 2 * time.Second, false, ""},
		"slow_down,retry-after=2":                 {llm.RateLimit, "slow_down", 429, true, 2 * time.Second, true, ""},
		"429,retry-after=soon":                    {llm.RateLimit, "rate_limit_exceeded", 429, true, 0, false, ""},
		"429,retry-after=-1":                      {llm.RateLimit, "rate_limit_exceeded", 429, true, 0, false, ""},
		"429,retry-after=0":                       {llm.RateLimit, "rate_limit_exceeded", 429, true, 0, false, ""},
		"500,x-ratelimit-reset-requests=6m0s":     {llm.Server, "", 500, true, 0, false, ""}, // tells of the limit, not of this failure
		"400,retry-after=5":                       {llm.InvalidRequest, "invalid_value", 400, false, 0, false, ""},
		"500,x-should-retry=false":                {llm.Server, "", 500, false, 0, false, ""},
		"429,x-should-retry=false,retry-after=1":  {llm.RateLimit, "rate_limit_exceeded", 429, false, time.Second, false, ""},
		"400,x-should-retry=true":                 {llm.InvalidRequest, "invalid_value", 400, true, 0, false, ""},
		"400,x-should-retry=true,retry-after=2":   {llm.InvalidRequest, "invalid_value", 400, true, 2 * time.Second, false, ""},
		"insufficient_quota,x-should-retry=true":  {llm.Quota, "insufficient_quota", 429, false, 0, false, ""},
		"400,x-should-retry=maybe":                {llm.InvalidRequest, "invalid_value", 400, false, 0, false, ""},
		"500,x-should-retry=,retry-after-ms=1500": {llm.Server, "", 500, true, 1500 * time.Millisecond, false, ""},
	} {
		t.Run(fault, func(t *testing.T) {
			s := withFaults(t, fault)
			eachWay(t, func(t *testing.T, api string, stream bool) {
				_, deltas, err := ask(t, newClient(t, s.URL(), speaking(api)), api, "hi", stream)
				want.check(t, err)
				if deltas != "" {
					t.Errorf("text %q of a failed request", deltas)
				}
			})
			if n := len(s.Requests()); n != 4 {
				t.Errorf("%d requests for 4 attempts", n)
			}
		})
	}
}

// A date is by the server's clock, which rounds to seconds.
func TestRetryAfterDate(t *testing.T) {
	s := withFaults(t, "429,retry-after-date=90s")
	_, _, err := ask(t, newClient(t, s.URL(), nil), "chat", "hi", false)
	if e := failure(t, err); !e.HasWait || e.Wait < 89*time.Second || e.Wait > 92*time.Second {
		t.Errorf("wait %v, told 90s", e.Wait)
	}
}

// What breaks an answer on its way, or is no answer.
func TestSpoiltAnswers(t *testing.T) {
	noText := want{llm.BadResponse, "", 200, true, 0, false, ""}
	for fault, test := range map[string]struct {
		want   want
		stream *want // where a stream meets it otherwise
	}{
		"cut-body":        {want: want{llm.Connection, "", 0, true, 0, false, "cut in the middle"}},
		"cut-body=0":      {want: want{llm.Connection, "", 0, true, 0, false, "cut in the middle"}},
		"bad-json":        {want: want{llm.BadResponse, "", 200, true, 0, false, "not the JSON it should be"}},
		"empty-body":      {want: want{llm.BadResponse, "", 200, true, 0, false, "empty"}, stream: &want{llm.BadResponse, "", 200, true, 0, false, "cut before its end"}},
		"empty-choices":   {want: noText},
		"null-content":    {want: noText},
		"error-in-stream": {want: want{llm.Server, "", 200, true, 0, false, "had an error"}},
		"cut-stream=0":    {want: want{llm.Connection, "", 0, true, 0, false, "cut in the middle"}, stream: &want{llm.BadResponse, "", 200, true, 0, false, "cut before its end"}},
	} {
		t.Run(fault, func(t *testing.T) {
			s := withFaults(t, fault)
			eachWay(t, func(t *testing.T, api string, stream bool) {
				_, deltas, err := ask(t, newClient(t, s.URL(), speaking(api)), api, "echo one two three four", stream)
				want := test.want
				if stream && test.stream != nil {
					want = *test.stream
				}
				// Once a piece is out, to ask again would print it twice.
				if deltas != "" {
					want.retry = false
				}
				want.check(t, err)
			})
		})
	}
}

// A stream that fails late has shown its beginning and is not asked again; one
// that fails before the first piece is.
func TestStreamIsRetriedOnlyBeforeItsFirstPiece(t *testing.T) {
	for _, kind := range []string{"cut-body", "cut-stream", "error-in-stream"} {
		for pieces, retry := range map[string]bool{"=0": true, "=2": false} {
			t.Run(kind+pieces, func(t *testing.T) {
				s := withFaults(t, kind+pieces)
				for _, api := range []string{"chat", "responses"} {
					_, deltas, err := ask(t, newClient(t, s.URL(), speaking(api)), api, "echo one two three four", true)
					if e := failure(t, err); e.Retry != retry || (deltas == "") != retry {
						t.Errorf("%s: %q came, retry %t", api, deltas, e.Retry)
					}
				}
			})
		}
	}
}

// These are answers, paid for, whatever they say: no error of the exchange.
func TestAnswersThatAreFailures(t *testing.T) {
	for fault, wanted := range map[string]llm.Type{
		"length":         llm.Length,
		"content-filter": llm.ContentFilter,
		"refusal":        llm.Refusal,
	} {
		t.Run(fault, func(t *testing.T) {
			s := withFaults(t, fault)
			eachWay(t, func(t *testing.T, api string, stream bool) {
				resp, deltas, err := ask(t, newClient(t, s.URL(), speaking(api)), api, "echo one two three four", stream)
				if err != nil {
					t.Fatal(err)
				}
				if e := failure(t, resp.Err()); e.Type != wanted || e.Retry || e.Status != 0 {
					t.Errorf("it amounts to %+v", e)
				}
				text, refusal := "one two ", ""
				if fault == "refusal" {
					text, refusal = "", "I'm sorry, I can't assist with that request."
				}
				if strings.TrimSpace(resp.Text) != strings.TrimSpace(text) && !strings.HasPrefix("one two three four", resp.Text) || resp.Refusal != refusal {
					t.Errorf("%+v", resp)
				}
				if stream && deltas != resp.Text {
					t.Errorf("streamed %q, the whole is %q", deltas, resp.Text)
				}
				if in, out := resp.Tokens(); in == 0 || out == 0 {
					t.Errorf("usage %s", resp.Usage)
				}
			})
		})
	}
}

// Oddities that a reader should put up with.
func TestHarmlessFaults(t *testing.T) {
	for _, fault := range []string{"ok", "wrong-type", "gzip", "bom", "drip=0s", "slow=1ms"} {
		t.Run(fault, func(t *testing.T) {
			s := withFaults(t, fault)
			eachWay(t, func(t *testing.T, api string, stream bool) {
				resp, deltas, err := ask(t, newClient(t, s.URL(), speaking(api)), api, "echo one two héllo 数字", stream)
				if err != nil {
					t.Fatal(err)
				}
				if resp.Text != "one two héllo 数字" || stream && deltas != resp.Text {
					t.Errorf("text %q, streamed %q", resp.Text, deltas)
				}
				if resp.FinishReason != "stop" || resp.Model != "gpt-test" || !strings.HasPrefix(resp.RequestID, "req_") || resp.Elapsed <= 0 {
					t.Errorf("%+v", resp)
				}
				if in, out := resp.Tokens(); in == 0 || out == 0 {
					t.Errorf("usage %s", resp.Usage)
				}
			})
		})
	}
}

// What a proxy adds behind a body makes it unreadable; behind a stream's end
// nobody reads.
func TestTrailingGarbage(t *testing.T) {
	s := withFaults(t, "trailing-garbage")
	eachWay(t, func(t *testing.T, api string, stream bool) {
		_, _, err := ask(t, newClient(t, s.URL(), speaking(api)), api, "echo hi", stream)
		if stream && err != nil || !stream && failure(t, err).Type != llm.BadResponse {
			t.Errorf("error %v", err)
		}
	})
}

func TestReset(t *testing.T) {
	s := withFaults(t, "reset")
	eachWay(t, func(t *testing.T, api string, stream bool) {
		_, _, err := ask(t, newClient(t, s.URL(), speaking(api)), api, "hi", stream)
		want{llm.Connection, "", 0, true, 0, false, "reset"}.check(t, err)
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the cause is lost: %v", err)
		}
	})
}

func TestNobodyListens(t *testing.T) {
	s := start(t, standin.Config{})
	s.Close()
	_, _, err := ask(t, newClient(t, s.URL(), nil), "chat", "hi", false)
	want{llm.Connection, "", 0, true, 0, false, "refused"}.check(t, err)
}

func TestHangEndsInTimeout(t *testing.T) {
	s := withFaults(t, "hang")
	short := func(o *Options) { o.Timeout = 50 * time.Millisecond }
	for _, stream := range []bool{false, true} {
		_, _, err := ask(t, newClient(t, s.URL(), short), "chat", "hi", stream)
		want{llm.Timeout, "", 0, true, 0, false, "no whole answer within 50ms"}.check(t, err)
	}
}

// The timeout is for the whole answer: a server that sends a byte now and then
// must not hold a worker for ever.
func TestDripEndsInTimeout(t *testing.T) {
	s := withFaults(t, "drip=20ms")
	short := func(o *Options) { o.Timeout = 100 * time.Millisecond }
	_, _, err := ask(t, newClient(t, s.URL(), short), "chat", "hi", false)
	want{llm.Timeout, "", 0, true, 0, false, "no whole answer within 100ms"}.check(t, err)
}

// An answer without end must not fill the memory, nor be asked for again.
func TestHugeAnswerIsCutOff(t *testing.T) {
	s := withFaults(t, "huge")
	for _, stream := range []bool{false, true} {
		c := newClient(t, s.URL(), nil)
		c.maxAnswer = 1 << 20
		_, _, err := ask(t, c, "chat", "hi", stream)
		want{llm.BadResponse, "", 200, false, 0, false, "larger than 1 MiB"}.check(t, err)
	}
}

// A redirect would carry prompt and key to another host.
func TestRedirectIsNotFollowed(t *testing.T) {
	s := withFaults(t, "redirect")
	_, _, err := ask(t, newClient(t, s.URL(), nil), "chat", "hi", false)
	failure(t, err)
	for _, q := range s.Requests() {
		if strings.HasPrefix(q.Host, "localhost") {
			t.Errorf("it was followed to %s with Authorization %q", q.Host, q.Header.Get("Authorization"))
		}
	}
	if n := len(s.Requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// A key and a model that the server does refuse, as it would.
func TestRefusedByCheck(t *testing.T) {
	s := start(t, standin.Config{Key: testKey, Models: []string{"gpt-test"}})
	for name, test := range map[string]struct {
		key, model string
		want       want
	}{
		"the right key": {testKey, "gpt-test", want{}},
		"no key":        {"", "gpt-test", want{llm.Auth, "invalid_api_key", http.StatusUnauthorized, false, 0, false, "didn't provide"}},
		"another key":   {"sk-another-key-0123456789", "gpt-test", want{llm.Auth, "invalid_api_key", http.StatusUnauthorized, false, 0, false, "Incorrect"}},
		"no such model": {testKey, "gpt-nine", want{llm.Auth, "model_not_found", http.StatusNotFound, false, 0, false, "gpt-nine"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, s.URL(), func(o *Options) { o.Key = test.key })
			body, err := Encode("chat", &llm.Prompt{Messages: []llm.Message{user("hi")}, Params: llm.Params{Model: test.model}})
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Complete(t.Context(), &llm.Request{Body: body})
			if (test.want == want{}) {
				if err != nil {
					t.Error(err)
				}
				return
			}
			test.want.check(t, err)
		})
	}
}
