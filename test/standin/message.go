package standin

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

type message struct {
	Type    string          `json:"type"` // of the Responses API: "message" or nothing
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
}

type part struct {
	Type     string          `json:"type"`
	Text     string          `json:"text"`
	ImageURL json.RawMessage `json:"image_url"`
}

var roles = []string{"system", "assistant", "user", "function", "tool", "developer"}

// chatParts and responsesParts are the types of the parts of a message.
var (
	chatParts      = []string{"text", "image_url", "input_audio", "refusal", "audio", "file"}
	responsesParts = []string{"input_text", "input_image", "output_text", "refusal", "input_file", "computer_screenshot", "summary_text"}
)

// setMessages takes the texts of the messages; param is the name of their array, parts the types that a part may have.
func (a *ask) setMessages(messages []message, param string, parts []string) *apiError {
	var all []string
	for i, m := range messages {
		where := fmt.Sprintf("%s[%d]", param, i)
		if !slices.Contains(roles, m.Role) {
			return invalid(where+".role", "invalid_value", "Invalid value: '%s'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.", m.Role)
		}
		text, e := m.text(where+".content", parts)
		if e != nil {
			return e
		}
		all = append(all, text)
		switch m.Role {
		case "user":
			a.prompt = text
		case "system", "developer":
			a.system = text
		}
	}
	a.text = strings.Join(all, "\n")
	return nil
}

// text is the content of a message: a string, or the texts of its parts.
func (m message) text(where string, types []string) (string, *apiError) {
	var text string
	if string(m.Content) == "null" || m.Content == nil {
		if m.Role == "assistant" { // it may have called a tool instead
			return "", nil
		}
		return "", invalid(where, "", "Invalid value for 'content': expected a string, got null.")
	}
	if json.Unmarshal(m.Content, &text) == nil {
		return text, nil
	}
	var parts []part
	if json.Unmarshal(m.Content, &parts) != nil {
		return "", invalid(where, "invalid_type", "Invalid type for '%s': expected one of a string or array of objects, but got something else instead.", where)
	}
	for i, p := range parts {
		if !slices.Contains(types, p.Type) {
			return "", invalid(fmt.Sprintf("%s[%d].type", where, i), "invalid_value", "Invalid value: '%s'. Supported values are: '%s'.", p.Type, strings.Join(types, "', '"))
		}
		if e := p.checkImage(fmt.Sprintf("%s[%d].image_url", where, i)); e != nil {
			return "", e
		}
		text += p.Text
	}
	return text, nil
}

// checkImage holds the two forms apart: chat completions want {"url": …}, responses the URL itself.
func (p part) checkImage(where string) *apiError {
	var url string
	var object struct {
		URL string `json:"url"`
	}
	switch p.Type {
	case "image_url":
		if json.Unmarshal(p.ImageURL, &object) != nil {
			return invalid(where, "invalid_type", "Invalid type for '%s': expected an object, but got a string instead.", where)
		}
		url = object.URL
	case "input_image":
		if json.Unmarshal(p.ImageURL, &url) != nil {
			return invalid(where, "invalid_type", "Invalid type for '%s': expected an image URL, but got an object instead.", where)
		}
	default:
		return nil
	}
	if !strings.HasPrefix(url, "data:image/") && !strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "http://") {
		return invalid(where, "invalid_value", "Invalid '%s'. Expected a valid URL, but got a value with an invalid format.", where)
	}
	return nil
}
