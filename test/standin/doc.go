// Package standin is a server that speaks enough of the OpenAI API to test a client, and misbehaves on purpose.
//
// It knows POST /v1/chat/completions and POST /v1/responses, streaming and not, and GET /v1/models. Bodies, events, header
// fields and errors have the form of the real ones, and requests are refused for the reasons for which the real API refuses
// them: not JSON, no model, no messages, an unknown parameter, both max_tokens and max_completion_tokens, JSON mode without
// the word JSON in a message, a strict schema that is not strict, and some more. There is one choice, whatever n says, and no
// tool is ever called.
//
// The model is a function of the prompt, [Reply], or one of the caller's. A prompt that begins with the word echo-system is
// answered with the system message. Where JSON is asked for, an answer that is a JSON object stays as it is; any other
// becomes {"answer": TEXT}, or an object that fits the schema with TEXT in its strings.
//
//	s, err := standin.Start(standin.Config{Faults: standin.MustFaults("every=4:500")})
//	defer s.Close()
//	// … a client of s.URL() …
//	if twice := s.PaidTwice(); len(twice) > 0 { … }
//
// # Faults
//
// What goes wrong is a script in text form, or a Go function. A script is a list of rules joined by semicolons; the first
// rule of which all conditions hold decides:
//
//	script    = rule *( ";" rule )
//	rule      = [ condition *( "&" condition ) ":" ] fault
//	fault     = kind *( "," option )
//
// Conditions; a rule without any holds always:
//
//	every=N    requests N, 2N, 3N …, in order of arrival
//	first=N    requests 1 to N
//	after=N    all requests after the Nth
//	at=N       the Nth request
//	seen=N     a request whose very body has been seen N times before (0: a new one, 1: its first repetition)
//	seen<N     likewise, fewer than N times
//	body~RE    the body, JSON as it was sent, matches the regular expression; must be the last condition, and takes
//	           all to the last colon of the rule
//
// Neither a semicolon nor, in a fault, a colon can be written; an expression may use \x3b. Kinds:
//
//	ok                 nothing goes wrong: an exception from the rules behind it
//	400 … 599          that status with the error that the API sends with it; 502 and 504 come as a proxy's HTML page,
//	                   404 is model_not_found, 429 rate_limit_exceeded, 503 server_is_overloaded
//	insufficient_quota, slow_down    429 with that code
//	server_is_overloaded             503 with that code
//	reset              the connection is reset before the answer (TCP RST, or RST_STREAM in HTTP/2)
//	hang               no answer until the client goes or Config.HangFor is over, then the connection ends
//	huge               a JSON string without end, until the client goes or Config.HangFor is over
//	redirect           307 to the same URL under another host name, localhost for 127.0.0.1
//	cut-body[=N]       the connection ends after N bytes of an answer whose Content-Length promises more; in a stream,
//	                   after N pieces of text; default: half
//	cut-stream[=N]     a stream ends properly after N pieces of text, with neither finish_reason nor [DONE]; an answer
//	                   that is no stream is cut as by cut-body
//	error-in-stream[=N]  an error object after N pieces of text; for an answer that is no stream, status 200 with it
//	bad-json           half a JSON body; in a stream, one event that is not JSON
//	empty-body         status 200 and nothing else
//	empty-choices      no choices, no output
//	null-content       a message whose content is null
//	length, content-filter    half an answer with that finish_reason
//	refusal            a refusal in place of the content
//	not-json-answer    an answer that is not JSON, whatever was asked for
//	schema-mismatch    a JSON object that no simple schema takes
//	wrong-type         Content-Type text/html
//	gzip               Content-Encoding gzip, asked for or not
//	bom                a byte order mark before the body
//	trailing-garbage   something behind the body that is not JSON
//	drip[=DURATION]    the answer comes byte by byte, one each DURATION (1ms)
//	slow=DURATION      nothing goes wrong, but later
//
// Options:
//
//	slow=DURATION              wait before the answer
//	code=NAME                  another error code, as in 429,code=project_spend_limit_exceeded
//	retry-after-date=DURATION  Retry-After with the date that is DURATION ahead, rounded up to the second
//	NAME=VALUE                 any other option is a field of the header, as in 429,retry-after-ms=250 or
//	                           500,x-should-retry=false or 429,x-ratelimit-reset-requests=6m0s
//
// One request in four fails, and the first two are told to wait a second:
//
//	first=2:429,retry-after=1;every=4:500
//
// # Files and batches
//
// POST /v1/files takes the input file of a batch; POST, GET /v1/batches and GET /v1/batches/ID, POST /v1/batches/ID/cancel
// make one, list them, and take one a step further with each poll; GET and DELETE /v1/files/ID and GET /v1/files/ID/content
// are there as well. Files are checked as the API checks them, within the limits of a batch. What goes wrong with a batch is
// its [Fate]; faults apply to these requests as to others.
//
// # What was paid for
//
// A request counts as paid for when a good answer was sent whole: one that a client has no reason to ask for again. Cut,
// empty and unreadable answers do not count, though they have status 200; length, content-filter and refusal do, as they are
// what the model said. A body in [Server.PaidTwice] is money lost, or an answer asked for twice on purpose.
package standin
