module gptpipe

go 1.26.0

// What the commands are made of, each with its reason.
require (
	github.com/clipperhouse/uax29/v2 v2.7.0 // graphemes, words and sentences of Unicode (UAX #29); ten times as fast as rivo/uniseg
	github.com/dgraph-io/badger/v4 v4.9.6 // the shared cache; linked by gpt-cache alone
	github.com/godbus/dbus/v5 v5.2.2 // what is wrong with the keyring, which go-keyring does not say
	github.com/klauspost/compress v1.18.0 // zstd of stored answers; Badger brings it along
	github.com/peterbourgon/ff/v3 v3.4.0 // flags from the environment and the configuration
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3 // answers checked against a schema; every draft, no network
	github.com/zalando/go-keyring v0.2.8 // keys in the system keyring
	golang.org/x/oauth2 v0.37.0 // the grants of OAuth 2.0, device authorization among them
	golang.org/x/sys v0.49.0 // file locks and terminals
	golang.org/x/term v0.47.0 // is it a terminal, and how wide
	golang.org/x/time v0.16.0 // rate limits
)

// What only tests need.
require (
	github.com/dlclark/regexp2 v1.11.5 // the oracle of the tokenizers' patterns, which look ahead
	github.com/openai/openai-go/v3 v3.96.0 // the oracle of what the API takes and sends
	github.com/prometheus/client_model v0.6.3 // with common
	github.com/prometheus/common v0.73.1 // the parser of what --metrics-file writes
	github.com/rogpeppe/go-internal v1.16.0 // testscript: shell scripts as tests
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/coder/websocket v1.8.15 // indirect
	github.com/danieljoos/wincred v1.2.3 // indirect
	github.com/dgraph-io/ristretto/v2 v2.2.0 // indirect
	github.com/dustin/go-humanize v1.0.1 // indirect
	github.com/go-logr/logr v1.4.3 // indirect
	github.com/go-logr/stdr v1.2.2 // indirect
	github.com/google/flatbuffers v25.2.10+incompatible // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/pandatix/go-abnf v0.5.3 // indirect
	github.com/tidwall/gjson v1.20.0 // indirect
	github.com/tidwall/match v1.1.1 // indirect
	github.com/tidwall/pretty v1.2.1 // indirect
	github.com/tidwall/sjson v1.2.5 // indirect
	go.opentelemetry.io/auto/sdk v1.2.1 // indirect
	go.opentelemetry.io/otel v1.41.0 // indirect
	go.opentelemetry.io/otel/metric v1.41.0 // indirect
	go.opentelemetry.io/otel/trace v1.41.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	golang.org/x/tools v0.51.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)
