package standin

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// parcel is an answer as it goes over the wire, faults and all.
type parcel struct {
	contentType string
	pieces      [][]byte      // flushed one by one
	length      int           // Content-Length; -1: none
	abort       bool          // the connection ends without a proper end of the answer
	gap         time.Duration // between pieces
}

// send writes the answer and records it.
func (s *Server) send(w http.ResponseWriter, r *http.Request, q *Request, a *answer, f Fault) {
	p := a.parcel()
	if a.completion {
		p.spoil(a, f)
	}
	h := w.Header()
	h.Set("Content-Type", p.contentType)
	if p.length >= 0 {
		h.Set("Content-Length", strconv.Itoa(p.length))
	}
	if f.kind == "gzip" && a.completion {
		h.Set("Content-Encoding", "gzip")
	}
	for name, value := range a.header {
		h.Set(name, value)
	}
	f.setHeader(h)
	s.log.status(q, a.status)
	w.WriteHeader(a.status)
	flush := http.NewResponseController(w).Flush
	paid := a.completion && !f.spoils(a, r)
	for i, piece := range p.pieces {
		if i > 0 && !pause(r, p.gap) {
			return
		}
		if i == len(p.pieces)-1 {
			// Once it has the last byte a client may ask again or read the log: the books are closed before.
			s.log.paid(q, paid)
			s.log.leave(q)
		}
		if _, err := w.Write(piece); err != nil {
			s.log.paid(q, false)
			return
		}
		if len(p.pieces) > 1 || p.abort {
			flush()
		}
	}
	if p.abort {
		s.log.leave(q)
		panic(http.ErrAbortHandler)
	}
}

func (a *answer) parcel() *parcel {
	if a.stream == nil {
		return &parcel{contentType: "application/json", pieces: [][]byte{a.body}, length: len(a.body)}
	}
	p := &parcel{contentType: "text/event-stream; charset=utf-8", length: -1}
	for _, event := range slices.Concat(a.stream.head, a.stream.text, a.stream.tail) {
		p.pieces = append(p.pieces, []byte(event))
	}
	return p
}

// spoil does to the bytes what the fault asks for.
func (p *parcel) spoil(a *answer, f Fault) {
	events := func(parts ...[]string) {
		p.pieces = nil
		for _, e := range slices.Concat(parts...) {
			p.pieces = append(p.pieces, []byte(e))
		}
	}
	st := a.stream
	body := func(b []byte) { p.pieces, p.length = [][]byte{b}, len(b) }
	switch f.kind {
	case "wrong-type":
		p.contentType = "text/html; charset=utf-8"
	case "empty-body":
		p.pieces = nil
		if st == nil {
			p.length = 0
		}
	case "cut-body", "cut-stream":
		if st == nil {
			p.pieces, p.abort = [][]byte{a.body[:f.before(len(a.body))]}, true
			return
		}
		events(st.head, st.text[:f.before(len(st.text))])
		p.abort = f.kind == "cut-body"
	case "error-in-stream":
		if st == nil {
			body(serverError().answer().body)
			return
		}
		sent := f.before(len(st.text))
		events(st.head, st.text[:sent], st.failure(len(st.head)+sent))
	case "bad-json":
		if st == nil {
			body(a.body[:len(a.body)/2])
			return
		}
		events(st.head, []string{"data: {\"id\":\"chatcmpl-\n\n"}, st.text, st.tail)
	case "gzip":
		p.gzip()
	case "bom":
		p.add("\ufeff", "")
	case "trailing-garbage":
		p.add("", "\n}]\n<!-- cached by a proxy -->\n")
	case "drip":
		var bytes [][]byte
		for _, piece := range p.pieces {
			for i := range piece {
				bytes = append(bytes, piece[i:i+1])
			}
		}
		p.pieces, p.gap = bytes, f.gap
	}
}

func (p *parcel) add(before, after string) {
	last := len(p.pieces) - 1
	p.pieces[last] = append(slices.Clone(p.pieces[last]), after...)
	p.pieces[0] = append([]byte(before), p.pieces[0]...)
	if p.length >= 0 {
		p.length += len(before) + len(after)
	}
}

// gzip compresses what is sent, piece by piece.
func (p *parcel) gzip() {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	total := 0
	for i, piece := range p.pieces {
		z.Write(piece)
		z.Flush()
		if i == len(p.pieces)-1 {
			z.Close()
		}
		p.pieces[i] = bytes.Clone(b.Bytes())
		total += b.Len()
		b.Reset()
	}
	if p.length >= 0 {
		p.length = total
	}
}
