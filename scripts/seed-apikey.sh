#!/usr/bin/env bash
# Creates an API key on a running stack and prints its secret, which is shown only now:
#
#   export SKILLBOX_API_KEY=$(scripts/seed-apikey.sh)
#   scripts/seed-apikey.sh ci executions:run skills:read
#
# The first argument is a label, the others are scopes; without any it gets all but admin.
# SKILLBOX_SERVER_URL is the stack, SKILLBOX_ADMIN_KEY_FILE holds a key that may create keys: the
# first key of `deploy/compose/init` unless set. `skillbox apikey create` does the same.
set -eu -o pipefail
here=$(cd "$(dirname "$0")" && pwd)
readonly url=${SKILLBOX_SERVER_URL:-http://localhost:8080}
readonly key_file=${SKILLBOX_ADMIN_KEY_FILE:-$here/../deploy/compose/secrets/api_key}
readonly name=${1:-seed}
[ $# -eq 0 ] || shift

# Words of these letters need no escapes in JSON.
for word in "$name" "$@"; do
  [[ $word =~ ^[A-Za-z0-9._:-]+$ ]] || { echo "seed-apikey: not a label or scope: $word" >&2; exit 2; }
done
scopes=$(printf '"%s",' "$@")
[ $# -gt 0 ] || scopes=

# The key goes through stdin, because everybody may list the command lines of processes.
reply=$(printf 'header = "Authorization: Bearer %s"\n' "$(cat "$key_file")" |
  curl --silent --show-error --noproxy '*' --config - "$url/v1/api-keys" \
    --data "{\"name\":\"$name\",\"scopes\":[${scopes%,}]}")
secret=$(printf '%s' "$reply" | sed -nE 's/.*"secret": *"([^"]+)".*/\1/p')
[ -n "$secret" ] || { echo "seed-apikey: $url refused: $reply" >&2; exit 1; }
printf '%s\n' "$secret"
