"""The page in docs/ is what the table of attacks makes."""

from tests.sandbox.hostile.report import PAGE, page


def test_the_page_is_the_table() -> None:
    assert PAGE.read_text("utf-8") == page(), "run python -m tests.sandbox.hostile.report"
