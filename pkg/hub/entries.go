package hub

import (
	"context"
	"fmt"
	"iter"

	"gptpipe/pkg/hub/proto"
)

// Entry is a stored value and what is known of it.
type Entry = proto.Entry

// Storage says where and how values are kept.
type Storage = proto.Storage

// Entries gives all entries whose keys are not below from and that have not expired, in the order of keys, with their
// values or without. An error is the last that it gives. It holds no more than a part of them at a time, about a
// megabyte, and what is stored or removed meanwhile may be among them or not.
func (c *Client) Entries(ctx context.Context, from Key, values bool) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for more := true; more; {
			part, err := c.list(ctx, proto.List{From: from, Values: values})
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, e := range part.List {
				if !yield(e, nil) {
					return
				}
			}
			from, more = part.Next, part.More
		}
	}
}

func (c *Client) list(ctx context.Context, l proto.List) (proto.Entries, error) {
	reply, err := c.call(ctx, replyTimeout, proto.OpList, l.Append(nil))
	if err == nil {
		err = refusal(reply)
	}
	if err != nil {
		return proto.Entries{}, err
	}
	return proto.ParseEntries(reply.Body)
}

// Import stores a value as of another time, as Put does as of now. It is not stored if it has expired, or if what is
// there was stored later or at the same time.
func (c *Client) Import(ctx context.Context, e Entry) (stored bool, err error) {
	if len(e.Value) > proto.MaxValue || len(e.Model) > proto.MaxModel {
		return false, permanent(fmt.Errorf("value of %d bytes, model name of %d: %w", len(e.Value), len(e.Model), ErrTooLarge))
	}
	reply, err := c.call(ctx, replyTimeout, proto.OpImport, e.Append(make([]byte, 0, len(e.Value)+len(e.Model)+128)))
	if err == nil {
		err = refusal(reply)
	}
	if err != nil {
		return false, err
	}
	n, err := proto.ParseCount(reply.Body)
	return n > 0, err
}

// Compact gives back the disk space of what was replaced or removed. It may take a second for each 300 MB.
func (c *Client) Compact(ctx context.Context) error {
	reply, err := c.call(ctx, 0, proto.OpCompact, nil)
	if err != nil {
		return err
	}
	return refusal(reply)
}

// Storage asks the keeper where and how it keeps values.
func (c *Client) Storage(ctx context.Context) (Storage, error) {
	reply, err := c.call(ctx, replyTimeout, proto.OpStorage, nil)
	if err == nil {
		err = refusal(reply)
	}
	if err != nil {
		return Storage{}, err
	}
	return proto.ParseStorage(reply.Body)
}
