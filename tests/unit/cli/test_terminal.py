"""What a terminal shows otherwise than a pipe: widths, times, progress."""

from datetime import UTC, datetime

import pytest
from rich.progress import BarColumn

from skillbox.cli import console
from skillbox.cli.moments import relative
from tests.unit.cli.test_printing import terminal_of

LONG = "Counts words.\nUse it for texts of every kind and every length that you can think of."


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_table_fits_the_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    terminal = terminal_of(monkeypatch)
    monkeypatch.setenv("COLUMNS", str(width))
    console.show_table(("NAME", "TEXT"), [("word-counter", LONG)], cut=("TEXT",))
    _, row = terminal.getvalue().splitlines()
    assert row.startswith("word-counter  Counts words. Use it")
    assert len(row) <= width
    assert row.endswith("…" if width < 100 else "think of.")


def test_what_is_needed_to_go_on_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    monkeypatch.setenv("COLUMNS", "60")
    id_ = "0b6a2b0e-6a55-4b4e-9a4e-3a6cf2f5a001"
    console.show_table(("ID", "SKILL", "STATUS"), [(id_, "a" * 30, "success")], cut=("SKILL",))
    _, row = terminal.getvalue().splitlines()
    assert row == f"{id_}  aaaaaaaaaaaa…  success"


def test_a_pipe_gets_everything(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_table(("NAME", "TEXT"), [("a", "x" * 5000)], cut=("TEXT",))
    assert "x" * 5000 in capsys.readouterr().out
    assert console.moment("2026-01-02T03:04:05Z") == "2026-01-02T03:04:05Z"


def test_a_terminal_gets_times_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal_of(monkeypatch)
    assert console.moment(datetime.now(UTC).isoformat()) == "0s ago"
    assert console.moment("") == ""


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-01-02T03:04:05.999999Z", "0s ago"),
        ("2026-01-02T03:04:00Z", "6s ago"),
        ("2026-01-02T03:00:06Z", "4m ago"),
        ("2026-01-02T04:04:06+02:00", "1h ago"),
        ("2025-12-01T00:00:00Z", "32d ago"),
        ("2026-01-05T03:04:06Z", "in 3d"),
        ("soon", "soon"),
    ],
)
def test_how_far_away_a_time_is(moment: str, expected: str) -> None:
    assert relative(moment, datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)) == expected


def test_progress_is_for_terminals(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def transfer() -> None:
        with console.transfer_bar(BarColumn()) as bar:
            task = bar.add_task("Pushing x", total=10)
            bar.advance(task, 5)
            bar.refresh()

    transfer()
    assert capsys.readouterr() == ("", "")
    terminal = terminal_of(monkeypatch)
    transfer()
    assert "Pushing x" in terminal.getvalue()
    assert "5/10 bytes" in terminal.getvalue()


def test_headers_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    monkeypatch.setenv("COLUMNS", "36")
    console.show_table(("ID", "SCOPES"), [("a" * 25, "admin skills:read")], cut=("SCOPES",))
    head, row = terminal.getvalue().replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()
    assert head.split() == ["ID", "SCOPES"]
    assert "…" in row
