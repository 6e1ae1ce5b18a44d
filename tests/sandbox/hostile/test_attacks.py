"""Every attack in every sandbox: it ends as the table says, and leaves nothing."""

import asyncio
import os

import pytest

from skillbox_executor.sandbox.interface import Language
from tests.sandbox.hostile.arena import Arena, Seen, descriptors
from tests.sandbox.hostile.attack import BREACH, GVISOR, SUCCESS, TRIED, Attack
from tests.sandbox.hostile.attacks import ATTACKS
from tests.sandbox.hostile.conftest import OUTCOMES, Bait

FULL = os.environ.get("SKILLBOX_HOSTILE") == "full"
TABLE = [attack for group in ATTACKS.values() for attack in group]


@pytest.mark.parametrize("attack", TABLE, ids=lambda attack: attack.name)
async def test_the_attack_fails(arena: Arena, attack: Attack, bait: Bait) -> None:
    before = descriptors()
    two = asyncio.Semaphore(2)

    async def run(language: Language) -> Seen:
        async with two:
            return await arena.attack(attack, language, *bait.arguments)

    languages = list(attack.scripts)
    if arena.name == GVISOR and not FULL:
        # Each box takes twice as long there, so in `make test` the languages take turns.
        languages = [languages[TABLE.index(attack) % len(languages)]]
    async with arena.neighbour():
        found = await asyncio.gather(*map(run, languages))
    ends = dict.fromkeys(seen.end.rpartition(" ")[2] for seen in found)
    OUTCOMES.setdefault(attack.name, {})[arena.name] = " / ".join(ends)
    for language, seen in zip(languages, found, strict=True):
        check(attack, arena.name, language, seen)
    assert await arena.traces() == []
    assert descriptors() - before == set()
    assert bait.bitten == []


def check(attack: Attack, sandbox: str, language: Language, seen: Seen) -> None:
    """Asserts that what was seen is what the table says."""
    where = f"{attack.name} in {language} on {sandbox}: {seen.end} {seen.error}\n{seen.log[-2000:]}"
    assert seen.end in attack.ends(sandbox, language), where
    breaches = [line for line in seen.log.splitlines() if line.startswith(BREACH)]
    allowed = attack.allowed.get(sandbox, {})
    assert {line.removeprefix(BREACH).strip() for line in breaches} <= set(allowed), where
    if seen.end == SUCCESS and TRIED in attack.scripts[language]:
        assert TRIED in seen.log.splitlines(), where
    if seen.end == SUCCESS and attack.files is not None:
        assert sorted(seen.files) == sorted(attack.files), where
    passwd = b"root:"
    assert not any(passwd in content for content in seen.files.values()), where
