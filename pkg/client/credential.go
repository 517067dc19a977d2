package client

import (
	"context"
	"errors"

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
		Stderr:    c.sys.Stderr,
	}, c.useKey)
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
	c.sys.Redact.Add(k.Secret)
	c.sys.Log.Debugf("key from %s", k.Source)
	c.wire.SetKey(k.Secret, false)
}

// renewing puts the renewal of the credential around next.
func (c *Client) renewing(next llm.Completer) llm.Completer {
	if c.key == nil {
		return next
	}
	return auth.New(next, c.key)
}

// sender is the way to the parts of the API that are no completions.
func (c *Client) sender() wire.Sender {
	if c.key == nil {
		return c.wire
	}
	return auth.NewSender(c.wire, c.key)
}
