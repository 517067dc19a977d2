package auth_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"

	"gptpipe/pkg/auth"
	"gptpipe/pkg/llm"
	"gptpipe/pkg/wire"
)

// keys are had one after the other, each when the one before has been refused.
type keys struct {
	list []string
	err  error // when there is none left
}

func (k *keys) Secret(context.Context) (string, error) { return k.list[0], nil }

func (k *keys) Replaced(_ context.Context, refused string) (bool, error) {
	if k.list[0] != refused {
		return true, nil
	}
	if len(k.list) == 1 {
		return false, k.err
	}
	k.list = k.list[1:]
	return true, nil
}

// server takes one key and notes which it saw.
type server struct {
	keys  *keys
	takes string
	seen  []string
}

var errRefused = llm.Error{Type: llm.Auth, Status: http.StatusUnauthorized, Message: "wrong key"}

func (s *server) Complete(context.Context, *llm.Request) (*llm.Response, error) {
	if s.seen = append(s.seen, s.keys.list[0]); s.keys.list[0] != s.takes {
		e := errRefused
		return nil, &e
	}
	return &llm.Response{Text: "yes"}, nil
}

func (s *server) Send(ctx context.Context, _ wire.Call) (*http.Response, error) {
	if _, err := s.Complete(ctx, nil); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: 200}, nil
}

func TestComplete(t *testing.T) {
	gone := errors.New("gone")
	for name, test := range map[string]struct {
		keys  keys
		takes string
		seen  []string
		err   string
	}{
		"right":            {keys{list: []string{"a"}}, "a", []string{"a"}, ""},
		"rotated":          {keys{list: []string{"a", "b"}}, "b", []string{"a", "b"}, ""},
		"no other":         {keys{list: []string{"a"}}, "b", []string{"a"}, "auth (401): wrong key"},
		"rotated to wrong": {keys{list: []string{"a", "b"}}, "c", []string{"a", "b"}, "auth (401): wrong key"},
		"none left":        {keys{list: []string{"a"}, err: gone}, "b", []string{"a"}, "auth: gone"},
		"for now":          {keys{list: []string{"a"}, err: passing{}}, "b", []string{"a"}, "connection: later"},
		"too many":         {keys{list: []string{"a", "b", "c", "d"}}, "d", []string{"a", "b", "c"}, "auth (401): wrong key"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{keys: &test.keys, takes: test.takes}
			resp, err := auth.New(s, &test.keys).Complete(t.Context(), &llm.Request{})
			switch {
			case test.err == "" && (err != nil || resp.Text != "yes"):
				t.Errorf("%v, error %v", resp, err)
			case test.err != "" && (err == nil || err.Error() != test.err):
				t.Errorf("error %v", err)
			}
			if !slices.Equal(s.seen, test.seen) {
				t.Errorf("tried with %q", s.seen)
			}
		})
	}
}

// Some servers refuse a key with another status.
func TestRefusedWithAnotherStatus(t *testing.T) {
	defer func(e llm.Error) { errRefused = e }(errRefused)
	errRefused = llm.Error{Type: llm.Auth, Code: llm.InvalidKey, Status: http.StatusBadRequest, Message: "wrong key"}
	k := &keys{list: []string{"a", "b"}}
	if resp, err := auth.New(&server{keys: k, takes: "b"}, k).Complete(t.Context(), &llm.Request{}); err != nil || resp.Text != "yes" {
		t.Errorf("%v, error %v", resp, err)
	}
}

type passing struct{}

func (passing) Error() string   { return "later" }
func (passing) Temporary() bool { return true }

// A call whose body has been read is not made again here, but may be.
func TestSend(t *testing.T) {
	k := &keys{list: []string{"a", "b"}}
	s := &server{keys: k, takes: "b"}
	sender := auth.NewSender(s, k)
	_, err := sender.Send(t.Context(), wire.Call{})
	if e, ok := errors.AsType[*llm.Error](err); !ok || !e.Retry || e.Final() || !e.HasWait || e.Wait != 0 {
		t.Errorf("error %#v", err)
	}
	if answer, err := sender.Send(t.Context(), wire.Call{}); err != nil || answer.StatusCode != 200 {
		t.Errorf("%v, error %v", answer, err)
	}
	s.takes = "c"
	_, err = sender.Send(t.Context(), wire.Call{})
	if e, ok := errors.AsType[*llm.Error](err); !ok || e.Retry || !e.Final() {
		t.Errorf("error %#v", err)
	}
}
