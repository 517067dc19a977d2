package cost

import (
	"encoding/base64"
	"image"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"math"
	"strings"

	"gptpipe/pkg/scan"
)

// A vision is how a model counts images, after "Images and vision", section
// "Calculating costs", of OpenAI's documentation: by tiles of 512 pixels, or by
// patches of 32.
type vision struct {
	base, tile int // tokens of any image, and of each tile
	patch      int // hundredths of a token a patch; 0: it goes by tiles
}

// visions are the models that a rule is published for. What is said of the
// later ones differs from place to place.
var visions = map[string]vision{
	"gpt-4o":            {base: 85, tile: 170},
	"gpt-4o-mini":       {base: 2833, tile: 5667},
	"gpt-4-turbo":       {base: 85, tile: 170},
	"gpt-4.1":           {base: 85, tile: 170},
	"gpt-5":             {base: 70, tile: 140},
	"gpt-5-chat-latest": {base: 70, tile: 140},
	"o1":                {base: 75, tile: 150},
	"o1-pro":            {base: 75, tile: 150},
	"o3":                {base: 75, tile: 150},
	"gpt-4.1-mini":      {patch: 162},
	"gpt-4.1-nano":      {patch: 246},
	"gpt-5-mini":        {patch: 162},
	"gpt-5-nano":        {patch: 246},
	"o4-mini":           {patch: 172},
}

const (
	tileSide   = 512
	longSide   = 2048 // an image is scaled down to fit a square of it
	shortSide  = 768  // and its short side to this
	mostTiles  = longSide / tileSide * 2
	patchSide  = 32
	maxPatches = 1536
)

// image counts a part that is an image. That of chat completions is an object
// with the URL and the detail, that of responses is the URL with the detail
// beside it.
func (t *tally) image(source, detail []byte) error {
	if scan.First(source) == '{' {
		object := source
		err := scan.Fields(object, func(name, value []byte) error {
			switch string(name) {
			case "url":
				source = value
			case "detail":
				detail = value
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if t.vision == (vision{}) {
		t.unknown("there is no rule for images of this model")
		return nil
	}
	url, err := scan.Text(source)
	if err != nil {
		return err
	}
	n := t.vision.most()
	width, height, ok := dimensions(url)
	switch {
	case t.vision.patch == 0 && string(detail) == `"low"`:
		n = t.vision.base
	case ok:
		n = t.vision.tokens(width, height)
	default:
		t.Estimated += n // the largest stands for one whose size is not in the body
	}
	t.Tokens += n
	return nil
}

// dimensions reads the size of an image, in pixels, from a data URL.
func dimensions(url string) (width, height int, ok bool) {
	_, data, ok := strings.Cut(url, ";base64,")
	if !ok || !strings.HasPrefix(url, "data:") {
		return 0, 0, false
	}
	config, _, err := image.DecodeConfig(base64.NewDecoder(base64.StdEncoding, strings.NewReader(data)))
	return config.Width, config.Height, err == nil && config.Width > 0 && config.Height > 0
}

// most is what an image of any size takes at most.
func (v vision) most() int {
	if v.patch > 0 {
		return ceil(maxPatches * float64(v.patch) / 100)
	}
	return v.base + mostTiles*v.tile
}

// tokens is what an image takes, in high detail.
func (v vision) tokens(width, height int) int {
	w, h := float64(width), float64(height)
	if v.patch > 0 {
		return ceil(patches(w, h) * float64(v.patch) / 100)
	}
	if scale := longSide / max(w, h); scale < 1 {
		w, h = w*scale, h*scale
	}
	if scale := shortSide / min(w, h); scale < 1 {
		w, h = w*scale, h*scale
	}
	return v.base + v.tile*ceil(w/tileSide)*ceil(h/tileSide)
}

// patches is how many cover an image, which is scaled down until whole ones in
// one direction do so within the limit.
func patches(w, h float64) float64 {
	if n := ceil(w/patchSide) * ceil(h/patchSide); n <= maxPatches {
		return float64(n)
	}
	scale := math.Sqrt(maxPatches * patchSide * patchSide / (w * h))
	across, down := w*scale/patchSide, h*scale/patchSide
	if min(across, down) < 1 {
		return maxPatches // a strip, of which the rule says nothing
	}
	scale = min(math.Floor(across)/across, math.Floor(down)/down)
	return min(math.Round(across*scale)*math.Round(down*scale), maxPatches)
}

// ceil rounds up what is more than a whole number by more than a rounding error.
func ceil(x float64) int { return int(math.Ceil(x - 1e-9)) }
