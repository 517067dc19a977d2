package wire

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

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
// and nothing is there, no record will fare better; but once there have been
// answers, it is a proxy or one machine of several that has lost its way for a
// moment, or lets one record not through. A run that goes on from an earlier one
// may have but such records to ask, so that it is not for them to say: see nothing.
func (c *Client) judge(e *llm.Error, req *llm.Request) {
	switch {
	case e.Err != errNowhere:
		if objects(e) {
			c.isServed()
		}
	case !c.served.Load() && c.nothing(req.Path):
		e.Fatal, e.Retry = true, false
		e.Message = fmt.Sprintf("nothing answers at %s, the base URL may be wrong: %s", c.endpoint.at(c.formatFor(req).path), e.Message)
	}
}

// objects reports whether a failure is the word of an API on what was asked.
func objects(e *llm.Error) bool { return e.Type == llm.InvalidRequest && e.Body != nil }

// nothing asks for nothing at all, once: an API says what it misses, which is free,
// and nobody has a reason to keep that from it.
func (c *Client) nothing(path string) bool {
	c.finding.Lock()
	defer c.finding.Unlock()
	if c.served.Load() || c.nowhere {
		return !c.served.Load()
	}
	_, err := c.attempt(&llm.Request{Path: path, Body: []byte("{}")}, time.Now())
	var e *llm.Error
	switch {
	case err == nil, errors.As(err, &e) && e.Err != errNowhere && objects(e):
		c.isServed()
	case e != nil && e.Err == errNowhere:
		c.nowhere = true
	}
	return c.nowhere
}

func (c *Client) isServed() {
	if !c.served.Load() { // most often it is known, and is not to be written again by all
		c.served.Store(true)
	}
}
