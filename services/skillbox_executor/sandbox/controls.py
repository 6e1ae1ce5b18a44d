"""What happens when a control of a box could not be applied: the box is refused."""

from collections.abc import Collection, Iterable

from skillbox_executor.sandbox.interface import EngineUnavailable


def refuse_missing(problem: str, missing: Iterable[str], allowed: Collection[str]) -> None:
    """Returns when every missing control is one that the operator does without, by name.

    Args:
        problem: What is wrong, for the text before the names.

    Raises:
        EngineUnavailable: Another one is missing too.
    """
    names = ",".join(name for name in missing if name not in allowed)
    if names:
        raise EngineUnavailable(
            f"{problem}: {names} (SKILLBOX_ALLOW_MISSING_CONTROLS names those to do without)"
        )
