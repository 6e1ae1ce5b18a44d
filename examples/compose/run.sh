#!/bin/sh
# Runs inside the image of the command line: seeds a key, uploads the example skills, runs each
# and says how it ended. Two of them are meant to fail. The exit code says whether all was well.
set -eu

# The first key may do everything; the examples get one that may not make keys.
SKILLBOX_API_KEY=$(cat /run/secrets/api_key)
export SKILLBOX_API_KEY
SKILLBOX_API_KEY=$(skillbox apikey create --name examples 2>/dev/null)

for folder in /examples/skills/*/; do
  skillbox skill push "$folder" 2>/dev/null
done

failures=0
# run WANTED SKILL [OPTION…]: WANTED is the exit code, see `skillbox run --help`.
run() {
  wanted=$1 skill=$2
  shift
  code=0
  skillbox run "$@" >/tmp/result.json 2>/tmp/messages || code=$?
  if [ "$code" = "$wanted" ]; then verdict=ok; else verdict=WRONG failures=$((failures + 1)); fi
  echo "$verdict $skill: $(python3 -c '
import json
result = json.load(open("/tmp/result.json"))
print(result["status"], "in", result["duration_ms"], "ms:", json.dumps(result["output"])[:70])
' 2>/dev/null || cat /tmp/messages)"
}

run 0 data-analysis --input '{"data":[1,2,3,4,5]}'
run 0 text-summary --input '{"text":"Skills run in boxes. A box is used once. Tea is nice.","sentences":1}'
run 0 word-counter --input '{"text":"The cat saw the dog.","top":2}'
run 0 json-transform --input '{"records":[{"name":"Ada"}],"steps":[{"limit":1}]}'
run 0 system-report
run 0 environment-check --input '{"variables":{}}'
run 0 many-files --input '{"folders":2,"files":4}'
run 3 exit-code --input '{"code":7}'
run 4 slow-count -- 100

[ "$failures" = 0 ] || { echo "$failures examples did not end as they should" >&2; exit 1; }
echo "All examples ended as they should."
