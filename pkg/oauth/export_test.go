package oauth

import (
	"context"

	"golang.org/x/oauth2"
)

// Ask asks for a code, and Poll for its token, for tests that come between.
func Ask(ctx context.Context, p Provider) (*oauth2.DeviceAuthResponse, error) {
	return p.config().DeviceAuth((&carrier{ctx: ctx}).context())
}

func (p Provider) Poll(ctx context.Context, device *oauth2.DeviceAuthResponse) (Token, error) {
	return p.poll(ctx, device)
}
