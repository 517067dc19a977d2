package record

// Error is the value of a record's error field; gpt-record(5) lists the types.
type Error struct {
	Type    string
	Code    string // the server's own code, or empty
	Status  int    // HTTP status, or 0
	Message string
}

// JSON is the error as an object of the four fields; a code or a status that
// is not known is null.
func (e Error) JSON() []byte {
	out := append([]byte(nil), `{"type":`...)
	out = AppendString(out, e.Type)
	out = append(out, `,"code":`...)
	if e.Code == "" {
		out = append(out, "null"...)
	} else {
		out = AppendString(out, e.Code)
	}
	out = append(out, `,"status":`...)
	if e.Status == 0 {
		out = append(out, "null"...)
	} else {
		out = AppendInt(out, int64(e.Status))
	}
	out = append(out, `,"message":`...)
	out = AppendString(out, e.Message)
	return append(out, '}')
}
