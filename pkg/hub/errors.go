package hub

import (
	"errors"

	"gptpipe/pkg/hub/place"
)

// An Error says why shared state could not be had or used.
type Error struct {
	// Permanent means that trying again, in this process, is of no use.
	Permanent bool
	Err       error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// What an Error may wrap, besides errors of the file system such as fs.ErrPermission and syscall.EROFS.
var (
	// ErrNoKeeper: nobody serves the folder, and Config.Command is nil or cannot be run.
	ErrNoKeeper = errors.New("no keeper")
	// ErrKeeperFailed: a keeper was started and ended at once with a failure.
	ErrKeeperFailed = errors.New("keeper failed")
	// ErrVersion: the keeper that serves the folder speaks another version of the protocol.
	ErrVersion = errors.New("keeper has another version")
	// ErrSilent: the keeper is there and does not answer in time.
	ErrSilent = errors.New("keeper does not answer")
	// ErrLost: the connection broke again each time that the request was sent.
	ErrLost = errors.New("connection to the keeper lost")
	// ErrTooLarge: the value, or the model's name, is larger than the keeper takes. Nothing was sent.
	ErrTooLarge = errors.New("too large to be stored")
	// ErrRefused: the keeper could not do what was asked; its words follow.
	ErrRefused = errors.New("keeper refused")
	// ErrClosed: the client was closed.
	ErrClosed = errors.New("client is closed")

	// ErrNoSpace: the disk is too full to store. What is stored can be read, and limits and leases hold.
	ErrNoSpace = place.ErrNoSpace
	// ErrForeign: the folder or the keeper belongs to another user.
	ErrForeign = place.ErrForeign
	// ErrShared: the folder holds other things and others may enter it.
	ErrShared = place.ErrShared
)

func permanent(err error) error { return &Error{Permanent: true, Err: err} }
func passing(err error) error   { return &Error{Err: err} }

func isPermanent(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Permanent
}
