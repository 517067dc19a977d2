package standin

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// failure writes what stands in the place of an answer, or returns it to be written.
func (s *Server) failure(w http.ResponseWriter, r *http.Request, q *Request, f Fault) *answer {
	switch f.kind {
	case "status":
		return f.statusAnswer()
	case "redirect":
		return &answer{
			status: http.StatusTemporaryRedirect,
			header: map[string]string{"Location": otherHost(r), "Content-Type": "text/html; charset=utf-8"},
			body:   []byte("<html><head><title>307 Temporary Redirect</title></head></html>\n"),
		}
	case "reset":
		s.log.leave(q)
		reset(w)
	case "hang":
		pause(r, s.cfg.HangFor)
		s.log.leave(q)
		panic(http.ErrAbortHandler)
	case "huge":
		s.huge(w, r, q)
	}
	return nil
}

// reset closes the connection so that the client meets a TCP reset; in HTTP/2, a reset of the stream.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	raw := conn
	if t, ok := conn.(*tls.Conn); ok {
		raw = t.NetConn()
	}
	if t, ok := raw.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	raw.Close()
}

// huge sends one JSON string without end, in one line, until the client goes or Config.HangFor is over.
func (s *Server) huge(w http.ResponseWriter, r *http.Request, q *Request) {
	s.log.status(q, http.StatusOK)
	w.Header().Set("Content-Type", "application/json")
	start := `{"id":"chatcmpl-huge","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"`
	var in struct{ Stream bool }
	if json.Unmarshal([]byte(q.Body), &in); in.Stream {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		start = "data: " + start
	}
	block := bytes.Repeat([]byte("more and more and "), 4096)
	end := time.Now().Add(s.cfg.HangFor)
	for _, err := w.Write([]byte(start)); err == nil && r.Context().Err() == nil && time.Now().Before(end); {
		_, err = w.Write(block)
	}
	s.log.leave(q)
	panic(http.ErrAbortHandler)
}

// otherHost is the URL of the request under another name of the same host, so that a client that follows it is seen doing so.
func otherHost(r *http.Request) string {
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host, port = r.Host, ""
	}
	other := "localhost"
	if host == other {
		other = "127.0.0.1"
	}
	if port != "" {
		other = net.JoinHostPort(other, port)
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + other + r.URL.Path
}

func (f Fault) statusAnswer() *answer {
	if f.status == http.StatusBadGateway || f.status == http.StatusGatewayTimeout {
		title := fmt.Sprint(f.status, " ", http.StatusText(f.status))
		return &answer{
			status: f.status,
			header: map[string]string{"Content-Type": "text/html"},
			body: []byte("<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title +
				"</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"),
		}
	}
	e := errorOf(f.status, f.code)
	if f.code != "" {
		e.code = f.code
	}
	e.status = f.status
	return e.answer()
}

// errorOf is the error that the API sends with a status.
func errorOf(status int, code string) *apiError {
	switch status {
	case http.StatusBadRequest:
		return invalid("messages", "invalid_value", "Invalid value for 'messages'.")
	case http.StatusUnauthorized:
		return wrongKey("sk-standin-0000000000000000")
	case http.StatusForbidden:
		return &apiError{message: "Country, region, or territory not supported", kind: "request_forbidden", code: "unsupported_country_region_territory"}
	case http.StatusNotFound:
		return modelNotFound("stand-in")
	case http.StatusRequestTimeout:
		return &apiError{message: "Request timed out.", kind: "server_error", code: "request_timeout"}
	case http.StatusConflict:
		return &apiError{message: "Another process updated the resource. Please try again.", kind: "invalid_request_error", code: "conflict"}
	case http.StatusTooManyRequests:
		switch {
		case code == "slow_down":
			return &apiError{message: "Too many requests in a short time. Please reduce your request rate.", kind: "requests"}
		case code == "insufficient_quota" || strings.HasSuffix(code, "_exceeded") && code != "rate_limit_exceeded" || strings.HasSuffix(code, "_exhausted"):
			return &apiError{message: "You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.", kind: "insufficient_quota"}
		}
		return rateLimited()
	case http.StatusServiceUnavailable:
		return &apiError{message: "Our servers are currently overloaded. Please try again later.", kind: "service_unavailable_error", code: "server_is_overloaded"}
	}
	if status < 500 {
		return &apiError{message: http.StatusText(status), kind: "invalid_request_error"}
	}
	return serverError()
}
