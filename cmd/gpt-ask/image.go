package main

import (
	"encoding/base64"
	"net/http"
	"os"
	"strings"

	"gptpipe/pkg/cli"
)

// readImages reads image files as data URLs, the form in which the API takes
// them.
func readImages(files []string) ([]string, error) {
	var urls []string
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, cli.Usagef("--image: %w", err)
		}
		kind := http.DetectContentType(data)
		if !strings.HasPrefix(kind, "image/") {
			return nil, cli.Usagef("--image %s: not an image, but %s", name, kind)
		}
		urls = append(urls, "data:"+kind+";base64,"+base64.StdEncoding.EncodeToString(data))
	}
	return urls, nil
}
