package standin

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"sync"
	"time"
)

// storage holds what was uploaded, and the batches. Its zero value is ready.
type storage struct {
	mu      sync.Mutex
	last    int
	files   map[string]*storedFile
	batches []*storedBatch // in order of creation
	paid    map[string]int // by body: how often it was answered in a batch
}

type storedFile struct {
	ID        string `json:"id"`
	Object    string `json:"object"`
	Bytes     int    `json:"bytes"`
	CreatedAt int64  `json:"created_at"`
	Filename  string `json:"filename"`
	Purpose   string `json:"purpose"`
	Status    string `json:"status"`
	content   []byte
}

// maxFile is where the stand-in takes the 200 MB of a batch's file to end.
const maxFile = 200_000_000

func (st *storage) store(name, purpose string, content []byte) *storedFile {
	if st.files == nil {
		st.files = map[string]*storedFile{}
	}
	st.last++
	f := &storedFile{
		ID: fmt.Sprintf("file-%022d", st.last), Object: "file", Bytes: len(content), CreatedAt: time.Now().Unix(),
		Filename: name, Purpose: purpose, Status: "processed", content: content,
	}
	st.files[f.ID] = f
	return f
}

// Files counts the files that were uploaded or made by batches and have not been deleted.
func (s *Server) Files() int {
	s.storage.mu.Lock()
	defer s.storage.mu.Unlock()
	return len(s.storage.files)
}

// stored answers requests for files and batches; nil for any other.
func (s *Server) stored(r *http.Request, body []byte) *answer {
	path, ok := strings.CutPrefix(r.URL.Path, "/v1/")
	if !ok {
		return nil
	}
	parts := strings.Split(path, "/")
	s.storage.mu.Lock()
	defer s.storage.mu.Unlock()
	switch parts[0] {
	case "files":
		return s.fileCall(r, parts[1:], body)
	case "batches":
		return s.batchCall(r, parts[1:], body)
	}
	return nil
}

func (s *Server) fileCall(r *http.Request, parts []string, body []byte) *answer {
	if len(parts) == 0 {
		if r.Method != http.MethodPost {
			return nil
		}
		return s.upload(r, body)
	}
	f := s.storage.files[parts[0]]
	if f == nil {
		return noSuch("File", parts[0])
	}
	switch {
	case len(parts) == 2 && parts[1] == "content" && r.Method == http.MethodGet:
		return &answer{status: http.StatusOK, header: map[string]string{"Content-Type": "application/octet-stream"}, body: f.content}
	case len(parts) == 1 && r.Method == http.MethodGet:
		return found(f)
	case len(parts) == 1 && r.Method == http.MethodDelete:
		delete(s.storage.files, f.ID)
		return found(map[string]any{"id": f.ID, "object": "file", "deleted": true})
	}
	return nil
}

func (s *Server) upload(r *http.Request, body []byte) *answer {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "multipart/form-data" {
		return invalid("", "", "Missing required parameter: 'file'").answer()
	}
	form := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	fields := map[string][]byte{}
	name := ""
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return invalid("", "", "The form is broken: %v", err).answer()
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return invalid("", "", "The form is broken: %v", err).answer()
		}
		fields[part.FormName()] = content
		if part.FormName() == "file" {
			name = part.FileName()
		}
	}
	switch {
	case name == "":
		return invalid("file", "", "Missing required parameter: 'file'").answer()
	case string(fields["purpose"]) != "batch":
		return invalid("purpose", "invalid_value", "Invalid value for 'purpose': '%s'.", fields["purpose"]).answer()
	case len(fields["file"]) > maxFile:
		return invalid("", "", "File is too large.").answer()
	}
	return found(s.storage.store(name, "batch", fields["file"]))
}

func found(v any) *answer { return &answer{status: http.StatusOK, body: append(encode(v, "  "), '\n')} }

func noSuch(what, id string) *answer {
	return (&apiError{http.StatusNotFound, fmt.Sprintf("No such %s object: %s", what, id), "invalid_request_error", "id", ""}).answer()
}
