"""The page of settings is complete."""

from tools.settings_table import PAGE, table, variables


def test_it_is_what_the_classes_say() -> None:
    assert table() in PAGE.read_text(), "run: python -m tools.settings_table"


def test_it_names_every_variable_once() -> None:
    page = PAGE.read_text()
    assert len(variables()) > 50
    for variable in variables():
        assert page.count(f"\n| `{variable}` |") == 1, variable
