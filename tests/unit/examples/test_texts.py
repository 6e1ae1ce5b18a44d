from pathlib import Path
from typing import Any

import pytest

from tests.unit.examples.running import error_of, run_skill

ARTICLE = """Sandboxes keep skills apart. A sandbox has no network. "Why?" Because skills are
code of strangers! The weather was fine on Monday.

Every sandbox is used for one skill and then destroyed. Somebody had lunch."""


def test_words_are_counted(tmp_path: Path) -> None:
    text = "The cat saw the dog.\nIsn't it state-of-the-art? Yes…"
    ran = run_skill("word-counter", tmp_path, {"text": text, "top": 1})
    assert ran.exit_code == 0, ran.stderr
    assert ran.output == {
        "word_count": 9,
        "unique_words": 8,
        "character_count": len(text),
        "line_count": 2,
        "sentence_count": 3,
        "top_words": [{"word": "the", "count": 2}],
    }
    assert ran.stdout == "Counted 9 words\n"


def test_an_empty_text_has_nothing(tmp_path: Path) -> None:
    output = run_skill("word-counter", tmp_path, {"text": ""}).output
    assert set(map(str, output.values())) == {"0", "[]"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], 'expected an object with the string "text"'),
        ({"text": 1}, 'expected an object with the string "text"'),
        ({"text": "a", "top": -1}, "top is -1, expected an integer from 0 to 1000"),
        ({"text": "a", "top": "9"}, 'top is "9", expected an integer from 0 to 1000'),
    ],
)
def test_word_counter_names_bad_input(tmp_path: Path, data: Any, message: str) -> None:
    assert error_of(run_skill("word-counter", tmp_path, data)) == message


def test_a_summary_quotes_the_important_sentences_in_order(tmp_path: Path) -> None:
    ran = run_skill("text-summary", tmp_path, {"text": ARTICLE, "sentences": 3})
    assert ran.exit_code == 0, ran.stderr
    assert ran.output["sentence_count"] == 7
    assert ran.output["kept_sentences"] == 3
    kept = ran.files["summary.txt"].splitlines()
    assert ran.output["summary"] == " ".join(kept)
    flat = " ".join(ARTICLE.split())
    assert [flat.index(sentence) for sentence in kept] == sorted(map(flat.index, kept))
    assert "Somebody had lunch." not in kept
    assert "The weather was fine on Monday." not in kept
    assert ran.output["keywords"][:2] == ["skills", "sandbox"]


def test_a_short_text_is_kept_whole(tmp_path: Path) -> None:
    output = run_skill("text-summary", tmp_path, {"text": "One. Two."}).output
    assert output["summary"] == "One. Two."


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, 'expected an object with the string "text", which is not empty'),
        ({"text": " \n"}, 'expected an object with the string "text", which is not empty'),
        ({"text": "A.", "sentences": 0}, "sentences is 0, expected an integer from 1 to 100"),
        ({"text": "A.", "sentences": True}, "sentences is true, expected an integer from 1 to 100"),
    ],
)
def test_text_summary_names_bad_input(tmp_path: Path, data: Any, message: str) -> None:
    assert error_of(run_skill("text-summary", tmp_path, data)) == message
