package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/llm"
	"gptpipe/pkg/record"
)

// A chat is a conversation in a file: JSON Lines of role and content. It is
// locked from the question to the answer, so that two processes cannot mix
// their turns. Without a file it is empty and stays so.
type chat struct {
	file  *os.File
	turns []llm.Message
	open  bool // the last line has no newline
}

// openChat reads the conversation so far; the file is made when it is missing.
func openChat(name string, log *cli.Log) (*chat, error) {
	if name == "" {
		return &chat{}, nil
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, cli.Usagef("--chat: %w", err)
	}
	c := &chat{file: f}
	if err := c.lock(log); err != nil {
		f.Close()
		return nil, fmt.Errorf("--chat %s: %w", name, err)
	}
	if err := c.read(); err != nil {
		f.Close()
		return nil, cli.Usagef("--chat %s: %w", name, err)
	}
	return c, nil
}

func (c *chat) lock(log *cli.Log) error {
	err := unix.Flock(int(c.file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		log.Infof("waiting for another process that uses %s", c.file.Name())
		err = unix.Flock(int(c.file.Fd()), unix.LOCK_EX)
	}
	return err
}

func (c *chat) read() error {
	lines := record.NewReader(c.file, false)
	for {
		r, err := lines.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		role, hasRole := r.Text("role")
		content, hasContent := r.Text("content")
		if !hasRole || !hasContent {
			return fmt.Errorf(`line %d: not {"role","content"}`, r.Line)
		}
		c.turns = append(c.turns, llm.Message{Role: role, Content: content})
	}
	info, err := c.file.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := c.file.ReadAt(last, info.Size()-1); err != nil {
		return err
	}
	c.open = last[0] != '\n'
	return nil
}

// append adds a question and its answer in one write.
func (c *chat) append(question, answer string) error {
	if c.file == nil {
		return nil
	}
	var out []byte
	if c.open {
		out = append(out, '\n')
	}
	for _, m := range []llm.Message{{Role: "user", Content: question}, {Role: "assistant", Content: answer}} {
		var r record.Record
		r.Set("role", record.AppendString(nil, m.Role))
		r.Set("content", record.AppendString(nil, m.Content))
		out = append(append(out, r.Bytes()...), '\n')
	}
	if _, err := c.file.Write(out); err != nil {
		return fmt.Errorf("--chat: the answer could not be kept: %w", err)
	}
	return nil
}

// Close lets go of the lock.
func (c *chat) Close() {
	if c.file != nil {
		c.file.Close()
	}
}
