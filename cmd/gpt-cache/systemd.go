package main

import (
	"fmt"
	"net"
	"os"
	"strconv"

	"gptpipe/pkg/cli"
)

// passed is the descriptor of the socket that systemd has passed to this process, if it has: sd_listen_fds(3).
func passed(sys *cli.System) []int {
	n, err := strconv.Atoi(sys.Getenv("LISTEN_FDS"))
	if err != nil || n < 1 || sys.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil
	}
	return []int{3}
}

// passedSocket is that socket, or nil if there is none.
func passedSocket(sys *cli.System) (*net.UnixListener, error) {
	fds := passed(sys)
	if fds == nil {
		return nil, nil
	}
	file := os.NewFile(uintptr(fds[0]), "LISTEN_FDS")
	defer file.Close()
	l, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("LISTEN_FDS: %w", err)
	}
	unix, ok := l.(*net.UnixListener)
	if !ok {
		l.Close()
		return nil, fmt.Errorf("LISTEN_FDS: %s is not a unix socket", l.Addr())
	}
	return unix, nil
}

// notify tells systemd that the service is ready, if it wants to know: sd_notify(3). A name that begins with @ is one of
// the abstract namespace, which package net knows.
func notify(sys *cli.System) error {
	path := sys.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	conn, err := net.Dial("unixgram", path)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte("READY=1"))
	return err
}
