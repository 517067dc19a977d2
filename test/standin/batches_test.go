package standin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

func client(s *Server) openai.Client {
	return openai.NewClient(option.WithBaseURL(s.URL()), option.WithAPIKey("sk-test"), option.WithMaxRetries(0))
}

func batchOf(t *testing.T, s *Server, lines ...string) *openai.Batch {
	t.Helper()
	c := client(s)
	file, err := c.Files.New(t.Context(), openai.FileNewParams{
		File: openai.File(strings.NewReader(strings.Join(lines, "\n")+"\n"), "in.jsonl", "application/jsonl"), Purpose: openai.FilePurposeBatch,
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Batches.New(t.Context(), openai.BatchNewParams{
		InputFileID: file.ID, Endpoint: openai.BatchNewParamsEndpointV1ChatCompletions, CompletionWindow: openai.BatchNewParamsCompletionWindow24h,
		Metadata: map[string]string{"tag": "a"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func line(id, prompt string) string {
	return fmt.Sprintf(`{"custom_id":%q,"method":"POST","url":"/v1/chat/completions","body":%s}`, id, chat(prompt))
}

func ended(t *testing.T, s *Server, id string) *openai.Batch {
	t.Helper()
	c := client(s)
	for range 10 {
		b, err := c.Batches.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		switch b.Status {
		case openai.BatchStatusCompleted, openai.BatchStatusFailed, openai.BatchStatusExpired, openai.BatchStatusCancelled:
			return b
		}
	}
	t.Fatal("the batch does not end")
	return nil
}

func content(t *testing.T, s *Server, id string) []map[string]any {
	t.Helper()
	c := client(s)
	r, err := c.Files.Content(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var out []map[string]any
	for d := json.NewDecoder(r.Body); ; {
		var v map[string]any
		if err := d.Decode(&v); err == io.EOF {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
}

// The official client takes a batch through all its states.
func TestBatchByTheOfficialClient(t *testing.T) {
	s := start(t, Config{})
	b := batchOf(t, s, line("a", "echo one"), line("b", "echo two"), `{"custom_id":"c","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-test"}}`)
	if b.Status != openai.BatchStatusValidating {
		t.Errorf("status %s", b.Status)
	}
	c := client(s)
	for _, want := range []openai.BatchStatus{openai.BatchStatusInProgress, openai.BatchStatusFinalizing, openai.BatchStatusCompleted} {
		var err error
		if b, err = c.Batches.Get(t.Context(), b.ID); err != nil || b.Status != want {
			t.Fatalf("status %s, want %s; %v", b.Status, want, err)
		}
	}
	if b.RequestCounts.Total != 3 || b.RequestCounts.Completed != 2 || b.RequestCounts.Failed != 1 || b.Metadata["tag"] != "a" {
		t.Errorf("%+v", b)
	}
	good, bad := content(t, s, b.OutputFileID), content(t, s, b.ErrorFileID)
	if len(good) != 2 || len(bad) != 1 || good[0]["custom_id"] != "b" || bad[0]["custom_id"] != "c" {
		t.Errorf("%v\n%v", good, bad)
	}
	if status := bad[0]["response"].(map[string]any)["status_code"]; status != 400.0 {
		t.Errorf("status %v", status)
	}
	if paid := s.BatchPaid(); len(paid) != 2 || paid[chat("echo one")] != 1 {
		t.Errorf("%v", paid)
	}
	for _, id := range []string{b.InputFileID, b.OutputFileID, b.ErrorFileID} {
		if _, err := c.Files.Delete(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	if s.Files() != 0 {
		t.Errorf("%d files", s.Files())
	}
}

func TestBatchListAndCancel(t *testing.T) {
	s := start(t, Config{})
	var ids []string
	for i := range 5 {
		ids = append([]string{batchOf(t, s, line("a", fmt.Sprint("echo ", i))).ID}, ids...)
	}
	c := client(s)
	var got []string
	pages := c.Batches.ListAutoPaging(t.Context(), openai.BatchListParams{Limit: openai.Int(2)})
	for pages.Next() {
		got = append(got, pages.Current().ID)
	}
	if err := pages.Err(); err != nil || strings.Join(got, " ") != strings.Join(ids, " ") {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := c.Batches.Cancel(t.Context(), ids[0]); err != nil {
		t.Fatal(err)
	}
	if b := ended(t, s, ids[0]); b.Status != openai.BatchStatusCancelled {
		t.Errorf("status %s", b.Status)
	}
}

func TestBatchValidation(t *testing.T) {
	s := start(t, Config{})
	b := ended(t, s, batchOf(t, s, line("a", "x"), "{", line("a", "y"), strings.Replace(line("d", "z"), "gpt-test", "gpt-other", 1),
		strings.Replace(line("e", "z"), "chat/completions", "responses", 1)).ID)
	var got []string
	for _, e := range b.Errors.Data {
		got = append(got, fmt.Sprint(e.Line, " ", e.Code))
	}
	if b.Status != openai.BatchStatusFailed || strings.Join(got, ", ") != "2 invalid_json_line, 3 duplicate_custom_id, 4 mismatched_model, 5 mismatched_url" {
		t.Errorf("%s: %q", b.Status, got)
	}
	if len(s.BatchPaid()) != 0 {
		t.Error("something was paid for")
	}
}

func TestFates(t *testing.T) {
	s := start(t, Config{Batches: func(c BatchCall) Fate {
		switch c.N {
		case 1:
			return Fate{Polls: 1, Line: func(body string) string {
				for _, what := range []string{"expired", "dropped", "garbage", "503"} {
					if strings.Contains(body, what) {
						return what
					}
				}
				return ""
			}}
		case 2:
			return Fate{Polls: 1, End: "expired"}
		}
		return Fate{Lose: true}
	}})
	b := ended(t, s, batchOf(t, s, line("a", "well"), line("b", "expired"), line("c", "dropped"), line("d", "503")).ID)
	bad := content(t, s, b.ErrorFileID)
	if len(bad) != 2 || bad[0]["custom_id"] != "d" || bad[1]["error"].(map[string]any)["code"] != "batch_expired" || len(content(t, s, b.OutputFileID)) != 1 {
		t.Errorf("%v", bad)
	}
	b = ended(t, s, batchOf(t, s, line("a", "x"), line("b", "y")).ID)
	if b.Status != openai.BatchStatusExpired || b.RequestCounts.Completed != 1 || b.RequestCounts.Failed != 1 {
		t.Errorf("%+v", b)
	}
	id := s.storage.batches[1].InputFileID
	g := post(t, s, "/batches", `{"input_file_id":"`+id+`","endpoint":"/v1/chat/completions","completion_window":"24h"}`)
	if g.err == nil || s.Batches() != 3 {
		t.Errorf("status %d, %d batches", g.status, s.Batches())
	}
}

func TestFilesRefuse(t *testing.T) {
	s := start(t, Config{})
	if g := post(t, s, "/files", `{}`); g.status != http.StatusBadRequest {
		t.Errorf("JSON: %d", g.status)
	}
	if g := post(t, s, "/batches", `{"input_file_id":"file-1","endpoint":"/v1/chat/completions","completion_window":"24h"}`); g.status != 400 || !strings.Contains(g.body, "Cannot find file file-1") {
		t.Errorf("no file: %d %s", g.status, g.body)
	}
	c := client(s)
	if _, err := c.Files.Delete(t.Context(), "file-1"); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("delete: %v", err)
	}
}
