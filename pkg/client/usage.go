package client

// Usage is the part of a command's usage text that tells of those API flags
// that gpt-ask and gpt-map have in common to the letter.
const Usage = `      --temperature X, --max-tokens N, --seed N, --option KEY=JSON
      --rps X, --rpm N, --tpm N
                         requests a second or minute, tokens a minute
      --retries N        further attempts (default 5)
      --timeout D, --max-wait D
                         each attempt (5m); longest wait a server may ask (10m)
      --no-cache, --refresh, --cache-ttl D, --sample N, --cache DIR, --linger D
      --base-url URL, --allow-http, --api chat|responses|azure
      --profile NAME, --key-command CMD, --organization ID, --project ID
      --metrics-file FILE, --log-level LEVEL, -q, --quiet
`
