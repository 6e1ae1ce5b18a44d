"""Counts words, characters, lines and sentences."""

import json
import os
import re
import sys
from collections import Counter
from pathlib import Path

WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
SENTENCE_END = re.compile(r"[.!?\u2026]+(?:\s|$)")


def main():
    document = json.loads(Path(os.environ["SANDBOX_INPUT_FILE"]).read_text(encoding="utf-8"))
    text = document.get("text") if isinstance(document, dict) else None
    if not isinstance(text, str):
        return fail('expected an object with the string "text"')
    top = document.get("top", 10)
    if type(top) is not int or not 0 <= top <= 1000:
        return fail(f"top is {json.dumps(top)}, expected an integer from 0 to 1000")
    result = count(text, top)
    print(f"Counted {result['word_count']} words")
    output = json.dumps(result, ensure_ascii=False)
    Path(os.environ["SANDBOX_OUTPUT"]).write_text(output, encoding="utf-8", errors="replace")
    return 0


def count(text, top):
    words = [word.casefold() for word in WORD.findall(text)]
    counter = Counter(words)
    # A text without any full stop is still one sentence.
    sentences = len(SENTENCE_END.findall(text)) or (1 if words else 0)
    return {
        "word_count": len(words),
        "unique_words": len(counter),
        "character_count": len(text),
        "line_count": len(text.splitlines()),
        "sentence_count": sentences,
        "top_words": [{"word": word, "count": n} for word, n in counter.most_common(top)],
    }


def fail(message):
    print(f"error: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
