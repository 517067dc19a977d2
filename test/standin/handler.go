package standin

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
)

// ServeHTTP numbers and records the request, picks its fault, and answers.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := s.log.arrive(r)
	defer s.log.open.Done() // runs when the connection is aborted by a panic, too
	defer s.log.leave(q)

	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away in the middle of its request
	}
	s.log.body(q, body)
	fault := s.cfg.Faults(Call{N: q.N, Seen: q.Seen, Path: q.Path, Body: body})

	header := w.Header()
	header.Set("X-Request-Id", fmt.Sprintf("req_%032x", q.N))
	header.Set("Openai-Version", "2020-10-01")
	header.Set("Openai-Processing-Ms", fmt.Sprint(s.cfg.Latency.Milliseconds()))
	admitted := s.admit(header)
	if !admitted {
		fault = Fault{text: "rps"}
	}
	s.log.fault(q, fault.String())
	if !pause(r, s.cfg.Latency+fault.slow) {
		return
	}
	var a *answer
	switch {
	case !admitted:
		a = rateLimited().answer()
	case fault.instead():
		a = s.failure(w, r, q, fault)
	default:
		a = s.answer(r, q, body, fault)
	}
	if a != nil {
		s.send(w, r, q, a, fault)
	}
}

// answer is what the API says when nothing goes wrong, and what it says to a wrong request.
func (s *Server) answer(r *http.Request, q *Request, body []byte, fault Fault) *answer {
	if e := s.checkKey(r); e != nil {
		return e.answer()
	}
	route := r.Method + " " + r.URL.Path
	if route == "GET /v1/models" {
		return &answer{status: http.StatusOK, body: encode(s.models(), "  ")}
	}
	if a := s.stored(r, body); a != nil {
		return a
	}
	if route == "POST /v1/embeddings" {
		return embeddings(body)
	}
	parse, build := parseChat, chatAnswer
	switch route {
	case "POST /v1/chat/completions":
	case "POST /v1/responses":
		parse, build = parseResponses, responsesAnswer
	default:
		return invalidURL(r.Method, r.URL.Path).answer()
	}
	if e := checkType(r.Header.Get("Content-Type")); e != nil {
		return e.answer()
	}
	ask, e := parse(body)
	if e == nil && len(s.cfg.Models) > 0 && !slices.Contains(s.cfg.Models, ask.model) {
		e = modelNotFound(ask.model)
	}
	if e != nil {
		return e.answer()
	}
	c := s.complete(ask, q)
	fault.bend(ask, c)
	a := build(ask, c)
	a.completion = true
	return a
}

func (s *Server) checkKey(r *http.Request) *apiError {
	key := *s.key.Load()
	if key == "" {
		return nil
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		token = r.Header.Get("Api-Key") // as Azure has it
	}
	switch {
	case token == "":
		return missingKey()
	case token != key:
		return wrongKey(token)
	}
	return nil
}

func checkType(contentType string) *apiError {
	if media, _, _ := mime.ParseMediaType(contentType); media == "application/json" {
		return nil
	}
	return invalid("", "unsupported_content_type", "Unsupported content type: '%[1]s'. This API method only accepts 'application/json' requests, but you specified the header 'Content-Type: %[1]s'. Please try again with a supported content type.", contentType)
}

type modelList struct {
	Object string      `json:"object"`
	Data   []modelItem `json:"data"`
}

type modelItem struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

// models lists Config.Models, or one model where every name is taken.
func (s *Server) models() modelList {
	names := s.cfg.Models
	if len(names) == 0 {
		names = []string{"stand-in"}
	}
	list := modelList{Object: "list"}
	for _, name := range names {
		list.Data = append(list.Data, modelItem{name, "model", 1715367049, "system"})
	}
	return list
}

// pause waits and tells whether the client is still there.
func pause(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return r.Context().Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
