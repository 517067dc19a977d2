package main

const usage = `usage: gpt-key set [--profile NAME] [--file] [--base-url URL]
       gpt-key status [--profile NAME] [--base-url URL] [--key-command CMD]
       gpt-key delete [--profile NAME]

Keeps the keys of gpt-ask and gpt-map, and shows which one they will use.

set     reads a key, unseen at a terminal, else from stdin, and stores it in
        the system keyring, for use with the host of the base URL alone
status  shows which source of a key wins, and why the others do not; status 4
        when there is none
delete  removes the stored key, from the keyring and from its file

      --profile NAME     which key (default: default)
      --file             store it in a file, mode 0600, not in the keyring
      --base-url URL     API root (default https://api.openai.com/v1)
      --key-command CMD  run by sh; the first line of its stdout is the key
  -h, --help             print this and exit
      --version          print the version and exit

Sources, the first found wins: --key-command, $OPENAI_API_KEY (passed over
when a profile is named), $CREDENTIALS_DIRECTORY/openai-api-key, the keyring,
$XDG_CONFIG_HOME/gptpipe/keys/NAME. A key is never an argument: every user of
the machine could see it.

  $ pass show openai | gpt-key set --file
  gpt-key: stored the key in /home/ann/.config/gptpipe/keys/default, for api.openai.com alone (profile default)
`
