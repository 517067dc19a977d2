package credential

import (
	"context"
	"fmt"
	"time"

	"gptpipe/pkg/oauth"
)

// How a login was made, and how its next token is got.
const (
	FlowDevice = "device" // by a person, then by the refresh token
	FlowClient = "client" // by the client's secret, each time
)

// A Login is what is stored with an access token, in an Entry whose Key that
// is: enough to get the next.
type Login struct {
	Provider oauth.Provider `json:"provider"`
	Flow     string         `json:"flow"`
	Refresh  string         `json:"refresh,omitempty"` // the refresh token, if there is one
	Expires  time.Time      `json:"expires,omitzero"`  // of the access token; zero: not known
}

func (l Login) String() string { return "login at " + l.Provider.String() }

// GoString hides the secrets from %#v.
func (l Login) GoString() string { return l.String() }

// errEnded is a login that is no credential any more.
var errEnded = fmt.Errorf("%w: gpt-key login makes a new one", oauth.ErrEnded)

// Ended reports whether the access token has expired and nothing gets another.
func (l *Login) Ended() bool {
	return l.Flow != FlowClient && l.Refresh == "" && !l.Expires.IsZero() && !time.Now().Before(l.Expires)
}

// next asks the provider for the next token.
func (l *Login) next(ctx context.Context) (oauth.Token, error) {
	if l.Flow == FlowClient {
		return l.Provider.Client(ctx)
	}
	return l.Provider.Refresh(ctx, l.Refresh)
}

// WithToken is e with token in place of the one that it has. A login by the
// client's secret needs no refresh token and keeps none.
func (e Entry) WithToken(token oauth.Token) Entry {
	login := *e.OAuth
	login.Refresh, login.Expires = token.Refresh, token.Expires
	if login.Flow == FlowClient {
		login.Refresh = ""
	}
	e.Key, e.OAuth, e.unsaved = token.Access, &login, ""
	return e
}
