package standin

import (
	"strings"
	"testing"
)

func TestScripts(t *testing.T) {
	// Each script is asked about six requests; a digit stands for how often that body was seen before.
	for script, want := range map[string]string{
		"":                              "- - - - - -",
		"500":                           "500 500 500 500 500 500",
		"every=4:500":                   "- - - 500 - -",
		"every=1:500":                   "500 500 500 500 500 500",
		"first=2:429,retry-after=1":     "429,retry-after=1 429,retry-after=1 - - - -",
		"after=4:hang":                  "- - - - hang hang",
		"at=3:reset":                    "- - reset - - -",
		"seen=0:500":                    "500 500 - 500 - -",
		"seen<2:500":                    "500 500 500 500 - 500",
		"body~b:400":                    "- 400 - - - 400",
		"body~^a|c$:400":                "400 - 400 400 400 -",
		"seen=0&body~a:400":             "400 - - - - -",
		"at=1:ok;first=2:503;every=3:x": "error",
		"at=1:ok;first=2:503; every=3:cut-stream=1 ;": "ok 503 cut-stream=1 - - cut-stream=1",
	} {
		faults, err := ParseFaults(script)
		if err != nil {
			if want != "error" {
				t.Errorf("%q: %v", script, err)
			}
			continue
		}
		var got []string
		seen := map[string]int{}
		for i, body := range []string{"a", "b", "a", "c", "a", "b"} {
			f := faults(Call{N: i + 1, Seen: seen[body], Body: []byte(body)}).String()
			if f == "" {
				f = "-"
			}
			got = append(got, f)
			seen[body]++
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %s, want %s", script, strings.Join(got, " "), want)
		}
	}
}

func TestWrongScripts(t *testing.T) {
	for _, script := range []string{
		"200", "600", "nonsense", "every=0:500", "every=x:500", "every:500", "every=-1:500", "sometimes=1:500", "body~(:500",
		"500,fast", "slow", "slow=1", "slow=1s,retry-after-date=x", "cut-body=x", "cut-body=-1", "hang=1s", "drip=x", "at=1:", ":",
	} {
		if _, err := ParseFaults(script); err == nil {
			t.Errorf("%q is taken", script)
		} else if !strings.Contains(err.Error(), "fault ") {
			t.Errorf("%q: the error %q does not name the rule", script, err)
		}
	}
}

func FuzzParseFaults(f *testing.F) {
	f.Add("first=2:429,retry-after=1;every=4:500")
	f.Add("seen<2&body~x:cut-body=3;drip=1ms,slow=1s")
	f.Fuzz(func(t *testing.T, script string) {
		if faults, err := ParseFaults(script); err == nil {
			faults(Call{N: 1, Body: []byte("{}")})
		}
	})
}
