package proto

// The operations on leases.
const (
	OpAsk     byte = 16 + iota // body: Ask; answered by OK and the value, or by Granted
	OpRelease                  // body: the Ask; ends its lease, or its wait
	OpRenew                    // renews all leases of the connection
	OpRetake                   // body: Asks; takes leases that the last keeper granted
)

// Granted is the status of the reply to an Ask that got the lease. Its body is a Count: the nanoseconds after which the
// lease ends unless it is renewed.
const Granted byte = 16

// Ask asks for a value, or for the lease on its key. The client's session and ID tell one Ask from all others, over
// all connections that it is sent on.
type Ask struct {
	ID  uint64
	Key Key
}

const askSize = 8 + len(Key{})

func (a Ask) Append(b []byte) []byte { return append(appendUint64(b, a.ID), a.Key[:]...) }

// ParseAsk reads an Ask.
func ParseAsk(b []byte) (Ask, error) {
	d := decoder{b: b}
	a := d.ask()
	return a, d.err()
}

func (d *decoder) ask() Ask {
	a := Ask{ID: d.uint64()}
	copy(a.Key[:], d.take(uint64(len(a.Key))))
	return a
}

// Asks are several of them.
type Asks []Ask

func (list Asks) Append(b []byte) []byte {
	for _, a := range list {
		b = a.Append(b)
	}
	return b
}

// ParseAsks reads an Asks.
func ParseAsks(b []byte) (Asks, error) {
	d := decoder{b: b}
	list := make(Asks, 0, len(b)/askSize)
	for len(d.b) > 0 {
		list = append(list, d.ask())
	}
	return list, d.err()
}
