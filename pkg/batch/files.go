package batch

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"unicode/utf8"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/wire"
)

// upload sends a file and returns its id.
func (r *run) upload(ctx context.Context, path, name string) (string, error) {
	var file struct {
		ID string `json:"id"`
	}
	err := r.patiently(ctx, func() error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		var form bytes.Buffer
		m := multipart.NewWriter(&form)
		m.WriteField("purpose", "batch") // a buffer takes everything
		m.CreateFormFile("file", name)
		head := bytes.Clone(form.Bytes())
		form.Reset()
		m.Close()
		err = r.call(ctx, wire.Call{
			Method: http.MethodPost, Path: "/files", ContentType: m.FormDataContentType(),
			Body:   io.MultiReader(bytes.NewReader(head), io.LimitReader(f, info.Size()), &form),
			Length: int64(len(head)) + info.Size() + int64(form.Len()),
		}, &file)
		if err == nil && file.ID == "" {
			return badAnswer("file id")
		}
		return err
	})
	return file.ID, err
}

// download appends the content of a file to out.
func (r *run) download(ctx context.Context, fileID string, out *os.File) error {
	begin, err := out.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	return r.patiently(ctx, func() error {
		// An attempt before this one may have left a piece.
		if err := out.Truncate(begin); err != nil {
			return err
		}
		if _, err := out.Seek(begin, io.SeekStart); err != nil {
			return err
		}
		if err := r.step("download"); err != nil {
			return err
		}
		answer, err := r.job.Client.Send(ctx, wire.Call{Method: http.MethodGet, Path: "/files/" + url.PathEscape(fileID) + "/content"})
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		return r.copyResults(out, answer.Body)
	})
}

// copyResults copies lines of results, masked, and what is no UTF-8 replaced: such
// a line would be none. The last may have no end.
func (r *run) copyResults(out io.Writer, results io.Reader) error {
	in, w := newLines(results), bufio.NewWriter(out)
	for {
		line, _, err := in.read()
		switch {
		case errors.Is(err, io.EOF):
			return w.Flush()
		case err != nil:
			return err
		}
		if !utf8.Valid(line) {
			line = bytes.ToValidUTF8(line, []byte("\ufffd"))
		}
		w.Write(r.mask(line)) // with an error, all that follows has it too
		if err := w.WriteByte('\n'); err != nil {
			return err
		}
	}
}

func (r *run) mask(line []byte) []byte {
	if r.job.Mask == nil {
		return line
	}
	return r.job.Mask(line)
}

// remove deletes a file at the provider; one that is not there is deleted.
func (r *run) remove(ctx context.Context, fileID string) error {
	err := r.patiently(ctx, func() error {
		var any struct{}
		return r.call(ctx, wire.Call{Method: http.MethodDelete, Path: "/files/" + url.PathEscape(fileID)}, &any)
	})
	var e *llm.Error
	if errors.As(err, &e) && e.Status == http.StatusNotFound {
		return nil
	}
	return err
}
