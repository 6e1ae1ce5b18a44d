#!/usr/bin/env bash
# The REST API with nothing but curl: upload a skill, run it, read its log, fetch its files.
set -euo pipefail

server=${SKILLBOX_SERVER_URL:-http://localhost:8080}
: "${SKILLBOX_API_KEY:?set it to an API key of $server}"
skills=$(cd "$(dirname "$0")/../skills" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The key comes from a file: other users of this machine can read a command line.
printf 'Authorization: Bearer %s\n' "$SKILLBOX_API_KEY" >"$work/headers"
call() { curl --silent --show-error --fail-with-body --header "@$work/headers" "$@"; }
# Prints a member of the JSON object on stdin.
member() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
say() { printf '\n== %s\n' "$1"; }

say "Is the server there?"
curl --silent --show-error --fail "$server/health"

say "Upload a skill: a zip archive with a SKILL.md"
(cd "$skills" && python3 -m zipfile -c "$work/skill.zip" data-analysis/)
call --form "file=@$work/skill.zip;type=application/zip" "$server/v1/skills"

say "List the skills"
call "$server/v1/skills"

say "Run it; the reply comes when it has ended"
call --data '{"skill":"data-analysis","input":{"data":[1,2,3,4,5]}}' \
  "$server/v1/executions" | tee "$work/result.json"
id=$(member execution_id <"$work/result.json")

say "Its log"
call "$server/v1/executions/$id/logs"

say "Everything that happened, as Server-Sent Events; follow a run that goes on the same way"
call --no-buffer "$server/v1/executions/$id/events"

say "Its files: the address is signed and needs no key"
curl --silent --show-error --fail "$(member files_url <"$work/result.json")" | tar -xzvf - -C "$work"
cat "$work/report.md"

say "Start a run without waiting for it; sent again with the same key, it is the same run"
call --header "Prefer: respond-async" --header "Idempotency-Key: quickstart-$id" \
  --data '{"skill":"data-analysis","input":{"data":[7,9]}}' \
  "$server/v1/executions" | tee "$work/started.json"
call "$server/v1/executions/$(member execution_id <"$work/started.json")?wait=30s"

say "An error is a status and a JSON body"
call --data '{"skill":"no-such-skill"}' "$server/v1/executions" || true
echo
