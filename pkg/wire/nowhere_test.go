package wire

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"gptpipe/pkg/llm"
)

// nowhereBodies are what servers say where they have no API.
var nowhereBodies = []said{
	{"Go, Ollama", 404, "404 page not found"},
	{"FastAPI", 404, `{"detail":"Not Found"}`},
	{"FastAPI, another method", 405, `{"detail":"Method Not Allowed"}`},
	{"nginx", 404, "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"},
	{"nginx, another method", 405, "<html><head><title>405 Not Allowed</title></head></html>"},
	{"Apache, on a host of models", 404, "<html><body><h1>Not Found</h1><p>The requested URL was not found on this server.</p><address>Apache Server at models.example.org Port 443</address></body></html>"},
	{"nothing", 404, ""},
	{"OpenAI", 404, `{"error":{"message":"Invalid URL (POST /v1/v1/chat/completions)","type":"invalid_request_error","param":null,"code":null}}`},                                         // harry0703/MoneyPrinterTurbo#57
	{"Groq", 404, `{"error":{"type":"invalid_request_error","code":"unknown_url","message":"Unknown request URL: POST /chat/completions. Please check the URL for typos","param":null}}`}, // nomic-ai/gpt4all#3214
	{"Azure", 404, `{"error":{"code":"404","message": "Resource not found"}}`},                                                                                                            // stulzq/azure-openai-proxy#52
	{"Azure, API Management", 404, `{ "statusCode": 404, "message": "Resource not found" }`},                                                                                              // Pythagora-io/gpt-pilot#839
	{"Anthropic", 404, `{"type":"error","error":{"type":"not_found_error","message":"Not Found"}}`},                                                                                       // danielmiessler/Fabric#1140
	{"llama.cpp", 404, `{"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}`},                                                                                      // its handler of 404, tools/server
	{"Mistral, Kong", 404, `{"message":"no Route matched with those values"}`},                                                                                                            // Kong's router
	{"Express", 404, "<!DOCTYPE html><html><body><pre>Cannot POST /chat/completions</pre></body></html>"},                                                                                 // finalhandler
	{"Fastify", 404, `{"message":"Route POST:/chat/completions not found","error":"Not Found","statusCode":404}`},                                                                         // its default handler of 404
	{"Spring", 404, `{"timestamp":"2026-01-01T00:00:00","status":404,"error":"Not Found","path":"/chat/completions"}`},
	{"LM Studio", 200, `{"error":"Unexpected endpoint or method. (POST /chat/completions)"}`}, // lmstudio-ai/lmstudio-bug-tracker#618
}

// Where nothing has been answered and there is no API, the run ends with the URL that was asked; one answer, or an
// objection to what was asked, shows that there is one, and then it is the failure of a record.
func TestNowhere(t *testing.T) {
	answer := said{"an answer", 200, `{"model":"m","choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}`}
	objection := said{"an objection", 400, `{"error":{"message":"This model's maximum context length is 8192 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`}
	var next said
	base := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(next.status)
		w.Write([]byte(next.body))
	})
	try := func(c *Client, s said) *llm.Error {
		next = s
		_, _, err := ask(t, c, "chat", "hi", false)
		return llm.Failed(err)
	}
	for _, s := range nowhereBodies {
		e := try(newClient(t, base, nil), s)
		if e == nil || e.Type != llm.InvalidRequest || !e.Final() || e.Retry || !strings.Contains(e.Message, base+"/chat/completions") || len(e.Message) > 1000 {
			t.Errorf("%s: %+v", s.server, e)
		}
		for _, before := range []said{answer, objection} {
			c := newClient(t, base, nil)
			try(c, before)
			if e := try(c, s); e == nil || e.Type != llm.InvalidRequest || e.Final() {
				t.Errorf("%s after %s: %+v", s.server, before.server, e)
			}
		}
		c := newClient(t, base, nil)
		try(c, said{"another machine", 500, `{"error":{"message":"boom"}}`})
		if e := try(c, s); e == nil || !e.Final() {
			t.Errorf("%s after a failure of the server: %+v", s.server, e)
		}
	}
	if e := try(newClient(t, base, nil), said{"a file", 404, `{"error":{"message":"File file-1 does not exist","type":"invalid_request_error","param":null,"code":null}}`}); e == nil || e.Final() {
		t.Errorf("what one record is about: %+v", e)
	}
}

// Nothing has been answered yet in a run that goes on from an earlier one, and has but the record to ask that a proxy
// does not let through.
func TestNotLetThrough(t *testing.T) {
	var asked []string
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = append(asked, r.URL.Path)
		if bytes.Contains(body, []byte("attack")) {
			w.WriteHeader(http.StatusMethodNotAllowed)
			io.WriteString(w, "<html><body>blocked</body></html>")
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"error":{"message":"you must provide a model parameter","type":"invalid_request_error"}}`)
	})
	c := newClient(t, base, nil)
	for range 2 {
		_, _, err := ask(t, c, "chat", "attack", false)
		if e := llm.Failed(err); e == nil || e.Type != llm.InvalidRequest || e.Final() {
			t.Errorf("%+v", e)
		}
	}
	if len(asked) != 3 || asked[1] != asked[0] {
		t.Errorf("%q were asked", asked)
	}
}
