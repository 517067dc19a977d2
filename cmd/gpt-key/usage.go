package main

const usage = `usage: gpt-key set [--profile NAME] [--file] [--base-url URL]
       gpt-key list
       gpt-key status [--profile NAME] [--base-url URL] [--key-command CMD]
                      [--max-age D] [--allow-http]
       gpt-key rotate [--profile NAME] [--base-url URL] [--allow-http]
                      [--api chat|responses|azure]
       gpt-key delete [--profile NAME]
       gpt-key login --issuer URL | --token-url URL [--device-url URL]
                     --client-id ID [--scope S] [--flow device|client]
                     [--profile NAME] [--file] [--base-url URL]
       gpt-key logout [--profile NAME]
       gpt-key audit [--since D] [--profile NAME] [--json]
       gpt-key models [--profile NAME] [--base-url URL] [--key-command CMD]
                      [--api chat|responses|azure] [--allow-http] [--cached]

Keeps the keys of gpt-ask and gpt-map, and shows which one they will use.

set     reads a key, unseen at a terminal, else from stdin, and stores it in
        the system keyring, for use with the host of the base URL alone
list    shows what is stored
status  shows which source of a key wins, and why the others do not; status 4
        when there is none, 2 when the base URL is one that gets none
rotate  reads a new key, and puts it in the place of the stored one once the
        API takes it; without an answer the old one stays
delete  removes the stored key, from the keyring and from its file
login   gets a token from an OAuth 2.0 server (Entra ID, a company's gateway;
        not OpenAI) and stores it likewise; the other commands keep it fresh
logout  has the server revoke the tokens, where it can, and deletes them
audit   shows who used which key, when, where and for how much
models  lists the models that the API offers the key

      --profile NAME     which key (default: default)
      --file             store it in a file, mode 0600, not in the keyring
      --base-url URL     API root (default https://api.openai.com/v1)
      --key-command CMD  run by sh; the first line of its stdout is the key
      --max-age D        tell of a key that is older (default 90d)
      --api API          chat, responses or azure: how the key is sent
      --allow-http       send the key over plain http, for all to see
      --since D          not what is older: a duration (12h, 30d) or a date
      --json             the log as it is, JSON Lines
      --cached           a list of the last day will do, for completions
      --issuer URL       OAuth 2.0 server, which is asked for its URLs
      --token-url URL, --device-url URL
                         its endpoints, where it cannot be asked
      --client-id ID     what the server calls this client
      --scope S          what the token is for (repeatable)
      --flow device|client
                         who logs in: a person, with a browser (default); or
                         the client, by its secret, read from stdin
  -h, --help             print this and exit
      --version          print the version and exit

Sources, the first found wins: --key-command, $OPENAI_API_KEY (passed over
when a profile is named), $CREDENTIALS_DIRECTORY/openai-api-key, the keyring,
$XDG_CONFIG_HOME/gptpipe/keys/NAME. A key is never an argument: every user of
the machine could see it.

  $ pass show openai | gpt-key set --file
  gpt-key: stored the key in /home/ann/.config/gptpipe/keys/default, for api.openai.com alone (profile default)
`
