"""Shortens a text to its most important sentences."""

import json
import os
import re
import sys
from collections import Counter
from pathlib import Path

WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
# White space after a full stop, also one in quotes or brackets; or an empty line.
SENTENCE_GAP = re.compile(
    r"(?:(?<=[.!?\u2026])|(?<=[.!?\u2026][\"'\u201d\u2019)]))\s+(?=[^a-z\s])|\n\s*\n"
)
KEYWORDS = 8
# Words that are everywhere say nothing about a text.
COMMON_WORDS = """
    a about above after again all also am an and any are as at be because been before being
    below between both but by can could did do does doing down during each few for from further
    had has have having he her here hers him his how i if in into is it its just may me might
    more most must my no nor not now of off on once only or other our out over own same she
    should so some such than that the their them then there these they this those through to
    too under until up us very was we were what when where which while who whom why will with
    would you your
"""
COMMON = frozenset(COMMON_WORDS.split())


def main():
    document = json.loads(Path(os.environ["SANDBOX_INPUT_FILE"]).read_text(encoding="utf-8"))
    text = document.get("text") if isinstance(document, dict) else None
    if not isinstance(text, str) or not text.strip():
        return fail('expected an object with the string "text", which is not empty')
    wanted = document.get("sentences", 3)
    if type(wanted) is not int or not 1 <= wanted <= 100:
        return fail(f"sentences is {json.dumps(wanted)}, expected an integer from 1 to 100")
    sentences = split_sentences(text)
    print(f"Read {len(sentences)} sentences", flush=True)
    weights = Counter(content_words(text))
    kept = choose(sentences, weights, wanted)
    print(f"Kept {len(kept)}")
    result = {
        "summary": " ".join(kept),
        "sentence_count": len(sentences),
        "kept_sentences": len(kept),
        "word_count": len(WORD.findall(text)),
        "keywords": [word for word, _ in weights.most_common(KEYWORDS)],
    }
    output = json.dumps(result, ensure_ascii=False)
    Path(os.environ["SANDBOX_OUTPUT"]).write_text(output, encoding="utf-8", errors="replace")
    summary = Path(os.environ["SANDBOX_FILES_DIR"], "summary.txt")
    summary.write_text("\n".join(kept) + "\n", encoding="utf-8", errors="replace")
    return 0


def split_sentences(text):
    pieces = (" ".join(piece.split()) for piece in SENTENCE_GAP.split(text))
    return [piece for piece in pieces if piece]


def content_words(text):
    return [word for word in map(str.casefold, WORD.findall(text)) if word not in COMMON]


def choose(sentences, weights, wanted):
    """Returns the most important sentences in the order of the text."""

    def importance(index):
        words = content_words(sentences[index])
        # The mean, not the sum: a long sentence is not important for being long.
        return sum(weights[word] for word in words) / (len(words) + 1)

    best = sorted(range(len(sentences)), key=importance, reverse=True)[:wanted]
    return [sentences[index] for index in sorted(best)]


def fail(message):
    print(f"error: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
