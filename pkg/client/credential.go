package client

import (
	"context"
	"errors"
	"net/http"
	"time"

	"gptpipe/pkg/audit"
	"gptpipe/pkg/auth"
	"gptpipe/pkg/cli"
	"gptpipe/pkg/credential"
	"gptpipe/pkg/llm"
	"gptpipe/pkg/wire"
)

// loginSettings are the lines of a profile's configuration that gpt-key login reads.
var loginSettings = []string{"issuer", "token-url", "device-url", "client-id", "scope", "flow"}

// openKey finds the credential. On this machine a server may need none, and
// then there is none.
func (c *Client) openKey(ctx context.Context, f *Flags) error {
	host, err := credential.HostOf(f.baseURL)
	if err != nil {
		return cli.Usagef("%w", err)
	}
	c.key, err = credential.Open(ctx, credential.Query{
		Profile:   f.profile,
		Named:     f.namedProfile,
		Host:      host,
		Command:   f.keyCommand,
		Getenv:    c.sys.Getenv,
		ConfigDir: cli.ConfigDir(c.sys.Getenv),
		StateDir:  cli.StateDir(c.sys.Getenv),
		Timeout:   time.Duration(f.timeout),
		Stderr:    c.sys.Redact.Writer(c.sys.Stderr),
		Waiting:   func() { c.sys.Log.Warnf("waiting for the key command") },
	}, c.useKey, func(err error) { c.sys.Log.Warnf("%v", err) })
	var none *credential.NotFoundError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &none) && c.plan.endpoint.Local():
		return nil
	}
	return cli.WithHint(cli.Failf(cli.StatusRefused, "%w", err), "gpt-key set stores a key; or set OPENAI_API_KEY")
}

// useKey has requests go out with a key from now on.
func (c *Client) useKey(k credential.Key) {
	c.sys.Redact.Add(k.Secrets()...)
	c.sys.Log.Debugf("key from %s", k.Source)
	c.wire.SetKey(k.Secret, k.Token)
	c.endUse()
	c.beginUse(k)
}

// A use is what the audit log is told of a key when it is not used any more.
type use struct {
	audit            *audit.Use
	requests, tokens int64 // before
}

// beginUse notes in the audit log that a key is used. A log that cannot be
// written is told of once, and is no reason not to go on.
func (c *Client) beginUse(k credential.Key) {
	log := cli.AuditLog(c.sys.Getenv)
	if log == "" {
		c.unlogged.Do(func() {
			c.sys.Log.Infof("no audit log: neither $XDG_STATE_HOME nor $HOME is set")
		})
		return
	}
	r := audit.Record{
		Command:  c.sys.Name,
		Profile:  c.profile,
		Source:   k.Source,
		Key:      audit.Fingerprint(k.Secret),
		Endpoint: c.plan.endpoint.String(),
	}
	if !c.lines {
		r.Model = c.label(c.Model())
	}
	u, err := audit.Start(log, r)
	if err != nil {
		c.sys.Log.Warnf("the use of the key is not in the audit log: %v", err)
		return
	}
	c.use = &use{audit: u}
	c.use.requests, c.use.tokens = c.counters.Used()
}

// endUse notes in the audit log what the key was used for, if its begin is there.
func (c *Client) endUse() {
	if c.use == nil {
		return
	}
	requests, tokens := c.counters.Used()
	if err := c.use.audit.End(requests-c.use.requests, tokens-c.use.tokens); err != nil {
		c.sys.Log.Warnf("the end of the use of the key is not in the audit log: %v", err)
	}
	c.use = nil
}

// renewing puts the renewal of the credential around next.
func (c *Client) renewing(next llm.Completer) llm.Completer {
	if c.key == nil {
		return keyless(next)
	}
	return auth.New(next, c.key)
}

// keyless says of a refusal that no key was sent: one may be stored that is
// bound elsewhere, or locked away.
func keyless(next llm.Completer) llm.Completer {
	return llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		resp, err := next.Complete(ctx, req)
		noteKeyless(err)
		return resp, err
	})
}

func noteKeyless(err error) {
	if e := llm.Failed(err); e != nil && e.KeyRefused() {
		e.Message += " (no key was sent: gpt-key status says why)"
	}
}

// sender is the way to the parts of the API that are no completions.
func (c *Client) sender() wire.Sender {
	if c.key == nil {
		return keylessSender{counted{c}}
	}
	return auth.NewSender(counted{c}, c.key)
}

// keylessSender is keyless for calls.
type keylessSender struct{ wire.Sender }

func (s keylessSender) Send(ctx context.Context, call wire.Call) (*http.Response, error) {
	answer, err := s.Sender.Send(ctx, call)
	noteKeyless(err)
	return answer, err
}

// counted counts the calls that it sends.
type counted struct{ *Client }

func (c counted) Send(ctx context.Context, call wire.Call) (answer *http.Response, err error) {
	err = c.counters.Call(c.sys.Name, c.Model(), func() error {
		answer, err = c.wire.Send(ctx, call)
		return err
	})
	return answer, err
}
