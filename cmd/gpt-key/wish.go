package main

import (
	"cmp"
	"flag"
	"path/filepath"
	"strings"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/credential"
)

// A wish is the login that was asked for.
type wish struct {
	issuer, tokenURL, deviceURL string
	clientID, flow              string
	scopes                      scopes
}

func (w *wish) addFlags(set *flag.FlagSet) {
	set.StringVar(&w.issuer, "issuer", "", "")
	set.StringVar(&w.tokenURL, "token-url", "", "")
	set.StringVar(&w.deviceURL, "device-url", "", "")
	set.StringVar(&w.clientID, "client-id", "", "")
	set.StringVar(&w.flow, "flow", "", "")
	set.Var(&w.scopes, "scope", "")
}

// scopes are given one a flag, or several with spaces between.
type scopes []string

func (s *scopes) String() string { return strings.Join(*s, " ") }

// Set adds to what was given before.
func (s *scopes) Set(text string) error {
	*s = append(*s, strings.Fields(text)...)
	return nil
}

// complete takes what is not given from the profile's settings.
func (w *wish) complete(s *settings) error {
	var stored wish
	profile := cli.NewFlags()
	stored.addFlags(&profile.Shared)
	if s.configDir != "" {
		if err := profile.FileSome(filepath.Join(s.configDir, "profiles", s.profile)); err != nil {
			return err
		}
	}
	if w.issuer == "" && w.tokenURL == "" { // the URLs belong together
		w.issuer, w.tokenURL = stored.issuer, stored.tokenURL
		w.deviceURL = cmp.Or(w.deviceURL, stored.deviceURL)
	}
	w.clientID = cmp.Or(w.clientID, stored.clientID)
	w.flow = cmp.Or(w.flow, stored.flow, credential.FlowDevice)
	if len(w.scopes) == 0 {
		w.scopes = stored.scopes
	}
	return w.judge()
}

// judge says what is missing, before anything is asked.
func (w *wish) judge() error {
	switch {
	case w.issuer == "" && w.tokenURL == "":
		return cli.WithHint(cli.Usagef("which server? --issuer URL, or --token-url URL, names it"),
			"OpenAI's own keys are not tokens of OAuth 2.0: gpt-key set stores those")
	case w.issuer != "" && w.tokenURL != "":
		return cli.Usagef("--issuer finds the URLs by itself: give it or --token-url")
	case w.clientID == "":
		return cli.Usagef("--client-id is missing: the server's administrators give one")
	case w.flow != credential.FlowDevice && w.flow != credential.FlowClient:
		return cli.Usagef("--flow %s is neither device nor client", cli.Value(w.flow))
	case w.flow == credential.FlowDevice && w.tokenURL != "" && w.deviceURL == "":
		return cli.Usagef("--flow device needs --device-url beside --token-url")
	}
	return nil
}
