package standin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// BatchCall is what decides about the fate of a batch.
type BatchCall struct {
	N      int // number of the batch, from 1
	Active int // batches before it that have not ended
}

// Fate is how a batch goes; the zero Fate is well, and ends with the third poll.
type Fate struct {
	Lose   bool         // it is created, and the connection ends without an answer
	Polls  int          // how often its state is asked for until it ends; 3 if zero
	Reject []BatchError // it fails its validation
	End    string       // completed if empty; expired and cancelled answer every second line

	// Line says what becomes of the line with a body, if anything but an answer: expired, dropped (no line for it),
	// garbage (a line that is none), or a status.
	Line func(body string) string
}

// BatchError is one of the errors of a batch that failed.
type BatchError struct {
	Code    string  `json:"code"`
	Line    int     `json:"line,omitempty"`
	Message string  `json:"message"`
	Param   *string `json:"param"`
}

type storedBatch struct {
	ID               string            `json:"id"`
	Object           string            `json:"object"`
	Endpoint         string            `json:"endpoint"`
	Errors           *batchErrors      `json:"errors"`
	InputFileID      string            `json:"input_file_id"`
	CompletionWindow string            `json:"completion_window"`
	Status           string            `json:"status"`
	OutputFileID     *string           `json:"output_file_id"`
	ErrorFileID      *string           `json:"error_file_id"`
	CreatedAt        int64             `json:"created_at"`
	ExpiresAt        int64             `json:"expires_at"`
	Counts           batchCounts       `json:"request_counts"`
	Metadata         map[string]string `json:"metadata"`

	fate  Fate
	polls int
	lines []batchLine
}

type batchErrors struct {
	Object string       `json:"object"`
	Data   []BatchError `json:"data"`
}

type batchCounts struct {
	Total     int `json:"total"`
	Completed int `json:"completed"`
	Failed    int `json:"failed"`
}

type batchLine struct {
	CustomID string          `json:"custom_id"`
	Method   string          `json:"method"`
	URL      string          `json:"url"`
	Body     json.RawMessage `json:"body"`
}

// A batchResult is a line of an output or error file.
type batchResult struct {
	ID       string         `json:"id"`
	CustomID string         `json:"custom_id"`
	Response *batchResponse `json:"response"`
	Error    *lineError     `json:"error"`
}

type batchResponse struct {
	StatusCode int             `json:"status_code"`
	RequestID  string          `json:"request_id"`
	Body       json.RawMessage `json:"body"`
}

type lineError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Batches counts the batches that were created.
func (s *Server) Batches() int {
	s.storage.mu.Lock()
	defer s.storage.mu.Unlock()
	return len(s.storage.batches)
}

// BatchPaid returns how often each body was answered in a batch, and so paid for.
func (s *Server) BatchPaid() map[string]int {
	s.storage.mu.Lock()
	defer s.storage.mu.Unlock()
	paid := map[string]int{}
	for body, n := range s.storage.paid {
		paid[body] = n
	}
	return paid
}

func (b *storedBatch) ended() bool {
	return slices.Contains([]string{"completed", "failed", "expired", "cancelled"}, b.Status)
}

func (s *Server) batchCall(r *http.Request, parts []string, body []byte) *answer {
	switch {
	case len(parts) == 0 && r.Method == http.MethodPost:
		return s.createBatch(body)
	case len(parts) == 0 && r.Method == http.MethodGet:
		return s.listBatches(r)
	case len(parts) == 0:
		return nil
	}
	i := slices.IndexFunc(s.storage.batches, func(b *storedBatch) bool { return b.ID == parts[0] })
	if i < 0 {
		return noSuch("Batch", parts[0])
	}
	b := s.storage.batches[i]
	switch {
	case len(parts) == 1 && r.Method == http.MethodGet:
		s.advance(b)
	case len(parts) == 2 && parts[1] == "cancel" && r.Method == http.MethodPost:
		if b.ended() {
			return invalid("", "", "Cannot cancel a batch with status '%s'.", b.Status).answer()
		}
		b.Status, b.fate.End = "cancelling", "cancelled"
	default:
		return nil
	}
	return found(b)
}

func (s *Server) createBatch(body []byte) *answer {
	var in struct {
		InputFileID      string            `json:"input_file_id"`
		Endpoint         string            `json:"endpoint"`
		CompletionWindow string            `json:"completion_window"`
		Metadata         map[string]string `json:"metadata"`
	}
	st := &s.storage
	switch {
	case json.Unmarshal(body, &in) != nil:
		return notJSON().answer()
	case in.CompletionWindow != "24h":
		return invalid("completion_window", "invalid_value", "Invalid value: '%s'. Value must be '24h'.", in.CompletionWindow).answer()
	case !slices.Contains([]string{"/v1/chat/completions", "/v1/responses", "/v1/embeddings"}, in.Endpoint):
		return invalid("endpoint", "invalid_value", "Invalid value: '%s'.", in.Endpoint).answer()
	case st.files[in.InputFileID] == nil:
		return invalid("file_id", "", "Cannot find file %s, or project proj_standin does not have access to it.", in.InputFileID).answer()
	}
	call := BatchCall{N: len(st.batches) + 1}
	for _, b := range st.batches {
		if !b.ended() {
			call.Active++
		}
	}
	now := time.Now().Unix()
	b := &storedBatch{
		ID: fmt.Sprintf("batch_%024d", call.N), Object: "batch", Endpoint: in.Endpoint, InputFileID: in.InputFileID,
		CompletionWindow: "24h", Status: "validating", CreatedAt: now, ExpiresAt: now + 24*3600, Metadata: in.Metadata,
	}
	if s.cfg.Batches != nil {
		b.fate = s.cfg.Batches(call)
	}
	st.batches = append(st.batches, b)
	if b.fate.Lose {
		panic(http.ErrAbortHandler)
	}
	return found(b)
}

// listBatches lists the newest first, as the API does.
func (s *Server) listBatches(r *http.Request) *answer {
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil {
		limit = 20
	}
	all := slices.Clone(s.storage.batches)
	slices.Reverse(all)
	if after := r.URL.Query().Get("after"); after != "" {
		i := slices.IndexFunc(all, func(b *storedBatch) bool { return b.ID == after })
		all = all[i+1:]
	}
	page := all[:min(limit, len(all))]
	return found(map[string]any{"object": "list", "data": page, "has_more": len(page) < len(all)})
}

// advance takes a batch one step further.
func (s *Server) advance(b *storedBatch) {
	if b.ended() {
		return
	}
	if b.polls++; b.polls == 1 {
		if e := s.validate(b); e != nil {
			b.Status, b.Errors = "failed", &batchErrors{"list", e}
			return
		}
	}
	polls := b.fate.Polls
	if polls == 0 {
		polls = 3
	}
	switch {
	case b.polls >= polls:
		s.finish(b)
	case b.Status == "cancelling":
	case b.polls == polls-1:
		b.Status = "finalizing"
	default:
		b.Status = "in_progress"
	}
}

// validate finds what the API finds wrong in an input file.
func (s *Server) validate(b *storedBatch) []BatchError {
	if b.fate.Reject != nil {
		return b.fate.Reject
	}
	file := s.storage.files[b.InputFileID]
	if file == nil {
		return []BatchError{{Code: "invalid_file", Message: "The input file is gone."}}
	}
	var errors []BatchError
	seen := map[string]bool{}
	model := ""
	for i, text := range bytes.Split(bytes.TrimSuffix(file.content, []byte("\n")), []byte("\n")) {
		wrong := func(code, message string) {
			errors = append(errors, BatchError{Code: code, Line: i + 1, Message: message})
		}
		var l batchLine
		var body struct{ Model string }
		if json.Unmarshal(text, &l) != nil || json.Unmarshal(l.Body, &body) != nil {
			wrong("invalid_json_line", "This line is not parseable as valid JSON.")
			continue
		}
		if i == 0 {
			model = body.Model
		}
		switch {
		case seen[l.CustomID]:
			wrong("duplicate_custom_id", "The custom_id of this line is that of another.")
		case l.Method != http.MethodPost:
			wrong("invalid_method", "The method has to be POST.")
		case l.URL != b.Endpoint:
			wrong("mismatched_url", "The url of this line is not the endpoint of the batch.")
		case body.Model != model:
			wrong("mismatched_model", "The model of this line is not that of the first.")
		}
		seen[l.CustomID] = true
		b.lines = append(b.lines, l)
	}
	if len(b.lines) > 50_000 {
		errors = []BatchError{{Code: "too_many_tasks", Message: "The batch has more than 50000 requests."}}
	}
	b.Counts.Total = len(b.lines)
	return errors
}

// finish answers the lines, the last first, for the API promises no order.
func (s *Server) finish(b *storedBatch) {
	b.Status = b.fate.End
	if b.Status == "" {
		b.Status = "completed"
	}
	var output, errors bytes.Buffer
	for i, l := range slices.Backward(b.lines) {
		what := ""
		if b.fate.Line != nil {
			what = b.fate.Line(string(l.Body))
		}
		if b.Status != "completed" && i%2 == 1 {
			what = b.Status
		}
		s.answerLine(b, i, l, what, &output, &errors)
	}
	b.OutputFileID = s.result(b, "output", &output)
	b.ErrorFileID = s.result(b, "error", &errors)
}

func (s *Server) answerLine(b *storedBatch, i int, l batchLine, what string, output, errors *bytes.Buffer) {
	to := errors
	result := batchResult{ID: fmt.Sprintf("batch_req_%s_%d", b.ID[len(b.ID)-6:], i), CustomID: l.CustomID}
	switch what {
	case "dropped":
		return
	case "garbage":
		fmt.Fprintf(errors, "{\"custom_id\":%q,\"resp\n", l.CustomID)
		return
	case "expired", "cancelled":
		result.Error = &lineError{"batch_" + what, "This request was not run before the batch was " + what + "."}
	default:
		a := s.lineAnswer(b, i, l, what)
		result.Response = &batchResponse{a.status, fmt.Sprintf("req_%s_%d", b.ID[len(b.ID)-6:], i), a.body}
		if a.status == http.StatusOK {
			to = output
			if s.storage.paid == nil {
				s.storage.paid = map[string]int{}
			}
			s.storage.paid[string(l.Body)]++
		}
	}
	if to == output {
		b.Counts.Completed++
	} else {
		b.Counts.Failed++
	}
	var line bytes.Buffer
	json.Compact(&line, encode(result, ""))
	to.Write(append(line.Bytes(), '\n'))
}

// lineAnswer is what the line would be answered on its own, or an error with the status that is asked for.
func (s *Server) lineAnswer(b *storedBatch, i int, l batchLine, status string) *answer {
	if n, err := strconv.Atoi(status); err == nil {
		e := errorOf(n, "")
		e.status = n
		return e.answer()
	}
	parse, build := parseChat, chatAnswer
	switch b.Endpoint {
	case "/v1/embeddings":
		return embeddings(l.Body)
	case "/v1/responses":
		parse, build = parseResponses, responsesAnswer
	}
	ask, e := parse(l.Body)
	if e == nil && len(s.cfg.Models) > 0 && !slices.Contains(s.cfg.Models, ask.model) {
		e = modelNotFound(ask.model)
	}
	if e != nil {
		return e.answer()
	}
	return build(ask, s.complete(ask, &Request{N: 1_000_000 + i}))
}

// result stores a file of a batch, unless it is empty.
func (s *Server) result(b *storedBatch, what string, content *bytes.Buffer) *string {
	if content.Len() == 0 {
		return nil
	}
	return &s.storage.store(b.ID+"_"+what+".jsonl", "batch_output", content.Bytes()).ID
}
