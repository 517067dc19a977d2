package cli

import "testing"

func TestStatusIsCutBetweenItsParts(t *testing.T) {
	const line = "gpt-map: 168/3000 [##..], 12.5/s, 1 failed"
	for width, want := range map[int]string{
		80: line,
		43: line,
		42: "gpt-map: 168/3000 [##..], 12.5/s",
		33: "gpt-map: 168/3000 [##..], 12.5/s",
		32: "gpt-map: 168/3000 [##..]",
		26: "gpt-map: 168/3000 [##..]",
		24: "gpt-map: 168/3000",
		19: "gpt-map: 168/3000",
		17: "",
		1:  "",
	} {
		if got := fit(line, width); got != want || len(got) >= width {
			t.Errorf("%d columns: %q, want %q", width, got, want)
		}
	}
}
