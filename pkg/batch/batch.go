// Package batch asks a model through a provider's Batch API: requests go up in
// files, the provider answers them within a day at half the price, and the
// answers come down in files, in any order.
//
// Run takes a stream of requests and hands their answers back in the order of
// the requests. It may take days and may be interrupted at any moment, by
// kill -9 too: what it does is written down in a folder, before it is done, and
// a later Run with the same folder goes on with the same batches.
//
//   - Requests are known by a sum of their body, which is their custom_id. So
//     those that were added or edited since are submitted, and no others. Equal
//     requests are one.
//   - A file holds up to 50,000 requests and 200 MB, all of one model. As
//     nobody says which kind of MB it is, the smaller counts: 200,000,000 bytes.
//   - A batch carries a tag of ours in its metadata. When the answer to its
//     creation was lost, the provider's list says whether it was created; if it
//     was not, its file is deleted before another batch is made, so that a
//     creation that comes late has nothing to run.
//   - Requests that expired, or failed for reasons that pass, go into a further
//     batch, Job.Resubmit times at most; a later Run asks those that are left
//     once more, and all others that failed without an answer. A batch that does
//     not fit into what the account may have enqueued waits until others are done.
//   - A batch that has ended may name its files, or fill them, later. Run waits
//     until they have as many results as the batch counts, rather than submit
//     again what was answered.
//   - A batch whose results do not come, or that the provider knows no more, or of
//     which it does not tell whether it was created, is lost for the Run, which
//     takes in all others and then ends with a LostError.
//   - What is paid for is handed to the caller, with Took, before the batch
//     counts as collected: answers of the later batches too, while those of the
//     first are still awaited.
//   - Memory is that of some of the longest lines. The requests, the caller's
//     data and the index of the answers are in the folder, so it needs room for
//     two to three times the input. Remove deletes it once the answers are safe.
//
// The limits are those of
// https://platform.openai.com/docs/api-reference/batch/create; that a batch has
// one model is said under
// https://platform.openai.com/docs/guides/batch. Input files that nobody deleted
// expire there after 30 days.
package batch

import (
	"errors"
	"iter"
	"time"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/wire"
)

// A Request is what is to be asked.
type Request struct {
	Model string
	Body  []byte // as for a live request; empty: nothing is asked

	// Data is handed back with the result. It is the caller's own: the record
	// that the answer belongs to.
	Data []byte
}

// A Result is what became of a request.
type Result struct {
	Data     []byte // valid until the function it was handed to returns
	Asked    bool   // there was a body
	Response *llm.Response
	Err      *llm.Error // or nil; an answer that cannot be used comes with both
}

// An Outcome is what one batch made of a request, whose Data is not there.
type Outcome struct {
	Request
	Response *llm.Response
	Err      *llm.Error // as in Result
	Anew     string     // of the Job that has submitted it
	Reserved bool       // this Run has put it there
	Again    bool       // it goes into a further batch
}

// A Job is what Run does.
type Job struct {
	Client wire.Sender
	URL    string // of each request, see URLOf
	Dir    string // the folder of the job; made, mode 0700, if it is not there

	// Endpoint says whose the batches are: the address and the account. A
	// folder serves one.
	Endpoint string

	// Scope is what beside its body tells a request from others: the number
	// of a sample, what its answer has to fit.
	Scope []string

	// Anew names the stored answers that the caller asks for anew, or is empty.
	// Results that a Run with another value has collected are no longer looked at:
	// Took was told of them, and what is asked all the same is to be submitted.
	Anew string

	// Requests are read once, to their end, before anything is sent. An error
	// ends the run.
	Requests iter.Seq2[Request, error]

	// Mask, if not nil, takes out of a line of the results, which is JSON, what
	// is not to be stored.
	Mask func(line []byte) []byte

	// Read makes a body and its status a response, as Client.ReadAnswer does,
	// and says whether it can be used. One that fails with Retry is asked
	// again.
	Read func(status int, body []byte) (*llm.Response, error)

	// Reserve, if not nil, is asked before a request is put into a batch. With its
	// error nothing more is: Run hands on what comes before, and returns the error
	// when all of that is there.
	Reserve func(Request) error

	// Took, if not nil, is told of each request of a batch that has ended; of one
	// that is lost, of those that have a result. It may be told again by the next
	// Run, when this one dies meanwhile.
	Took func(Outcome) error

	// Emit takes the results, in the order of the requests.
	Emit func(Result) error

	Resubmit int           // how often a request may be submitted again
	Retries  int           // of one call, as in package retry
	MaxWait  time.Duration // the longest wait that the server may ask for

	Report func(Progress) // or nil; told of each change
	Warn   func(error)    // or nil; told of what went wrong and does not end the run

	test tuning
}

// Progress is how far a run is.
type Progress struct {
	Requests  int // that differ from each other
	Completed int // of them
	Failed    int // of them, for good or until they are submitted again
	Batches   []Status
}

// Status is how far a batch is.
type Status struct {
	ID        string // empty: not submitted yet
	State     string // the provider's word, or waiting, or collected
	Requests  int
	Completed int
	Failed    int
}

// ErrInUse says that another process works in the folder.
var ErrInUse = errors.New("another process is at work on these batches")

// ErrForeign says that the folder belongs to another endpoint.
var ErrForeign = errors.New("the batches belong to another endpoint or account")

// URLOf is the URL that the requests of an API have in a batch.
func URLOf(api string) string {
	switch api {
	case "responses":
		return "/v1/responses"
	case "embeddings":
		return "/v1/embeddings"
	case "azure":
		return "/chat/completions" // its deployments are not under /v1
	}
	return "/v1/chat/completions"
}

const (
	maxLines = 50_000
	maxBytes = 200_000_000

	pollFirst = time.Second
	pollMost  = time.Minute

	// settle is how long a creation whose answer was lost may take to show in
	// the list of batches.
	settle = 30 * time.Second

	// lateWait is how long the files of a batch that has ended may stay unnamed.
	lateWait = 10 * time.Minute

	// maxOutage is how long the state of a batch, or its results, may be out of
	// reach.
	maxOutage = time.Hour

	// maxValidating is how many batches are checked at one time, so that most
	// of a large job does not fail at once for lack of room in the queue.
	maxValidating = 4

	// fullWait is how long a full queue that has no batch of ours is left alone.
	fullWait = 5 * time.Minute
)

// tuning is what tests change.
type tuning struct {
	maxLines, maxBytes  int
	pollFirst, pollMost time.Duration
	settle, fullWait    time.Duration
	lateWait, maxOutage time.Duration
	step                func(name string) error // before and after what is done outside
}

func (t *tuning) fill() {
	if t.maxLines == 0 {
		t.maxLines = maxLines
	}
	if t.maxBytes == 0 {
		t.maxBytes = maxBytes
	}
	if t.pollFirst == 0 {
		t.pollFirst, t.pollMost = pollFirst, pollMost
	}
	if t.settle == 0 {
		t.settle = settle
	}
	if t.fullWait == 0 {
		t.fullWait = fullWait
	}
	if t.lateWait == 0 {
		t.lateWait = lateWait
	}
	if t.maxOutage == 0 {
		t.maxOutage = maxOutage
	}
	if t.step == nil {
		t.step = func(string) error { return nil }
	}
}
