package wire

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"gptpipe/pkg/llm"
)

// errNowhere is the cause of a failure that says there is nothing at the URL.
var errNowhere = errors.New("nothing is there")

// nowhereWords are of servers that answer in the form of an API to say that a URL
// is none of it: a few words alone, or that name method and path.
var nowhereWords = regexp.MustCompile(`(?i)^(?:(?:404:? )?(?:(?:the |requested )*(?:page|file|resource|path|route|url|endpoint) )?(?:was )?not found[.!]?$|no route matched\b|[^'"\x60{\[]{0,40}\bPOST[ :]{1,2}/)`)

// nowhere reports whether a failure is about the URL: none but an error object of
// an API is about what was asked.
func nowhere(e *llm.Error, w words, status int) bool {
	switch {
	case e.Type != llm.InvalidRequest:
		return false
	case status == http.StatusMethodNotAllowed:
		return true
	}
	return status == http.StatusNotFound && (!w.object || nowhereWords.MatchString(e.Message))
}

// judge looks whether there is an API at all. Where nothing has been answered yet
// and nothing is there, no record is the cause, and none will fare better; but once
// there have been answers, it is a proxy or one machine of several that has lost
// its way for a moment.
func (c *Client) judge(e *llm.Error, path string) {
	switch {
	case e.Err != errNowhere:
		if e.Type == llm.InvalidRequest && e.Body != nil {
			c.isServed()
		}
	case !c.served.Load():
		e.Fatal, e.Retry = true, false
		e.Message = fmt.Sprintf("nothing answers at %s, the base URL may be wrong: %s", c.endpoint.at(path), e.Message)
	}
}

func (c *Client) isServed() {
	if !c.served.Load() { // most often it is known, and is not to be written again by all
		c.served.Store(true)
	}
}
