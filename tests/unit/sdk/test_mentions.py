import pytest

from skillbox.mentions import Mention, find_mentions

LONG = "a" * 64


@pytest.mark.parametrize(
    ("text", "mentions"),
    [
        ("", []),
        ("no mention at all", []),
        ("$[acme].report", ["$[acme].report"]),
        ("$[acme:finance].report", ["$[acme:finance].report"]),
        ("$[a1:b2:c3:d4:e5:f6:g7].report", ["$[a1:b2:c3:d4:e5:f6:g7].report"]),
        ("$[a1:b2:c3:d4:e5:f6:g7:h8].report", []),
        ("two: $[acme].one and $[acme].two", ["$[acme].one", "$[acme].two"]),
        ("twice: $[acme].one, $[acme].one", ["$[acme].one", "$[acme].one"]),
        ("joined: $[acme].one$[acme].two", ["$[acme].one", "$[acme].two"]),
        # Punctuation around a mention is not a part of it.
        ("(See $[acme].report.)", ["$[acme].report"]),
        ("$$[acme].report", ["$[acme].report"]),
        ("Ünï $[acme].report", ["$[acme].report"]),
        # Names.
        ("$[acme].my_skill", ["$[acme].my_skill"]),
        ("$[acme].my-skill-2", ["$[acme].my-skill-2"]),
        ("$[acme].ab", ["$[acme].ab"]),
        ("$[acme].a", []),
        (f"$[acme].{LONG}", [f"$[acme].{LONG}"]),
        (f"$[acme].{LONG}a", []),
        ("$[acme]._skill", []),
        ("$[acme].skill_", []),
        ("$[acme].Skill", []),
        ("$[acme].skillName", []),
        ("$[acme].skillé", []),
        ("$[acme].", []),
        ("$[acme] .skill", []),
        # Namespaces.
        ("$[ac].skill", ["$[ac].skill"]),
        ("$[a].skill", []),
        (f"$[{LONG}].skill", [f"$[{LONG}].skill"]),
        (f"$[{LONG}a].skill", []),
        ("$[acme-2].skill", ["$[acme-2].skill"]),
        ("$[].skill", []),
        ("$[Acme].skill", []),
        ("$[ac_me].skill", []),
        ("$[acme:].skill", []),
        ("$[:acme].skill", []),
        ("$[acme::ops].skill", []),
        ("$[acme ops].skill", []),
        ("$[acme\n].skill", []),
        ("[acme].skill", []),
        ("$acme.skill", []),
        ("$[acme.skill", []),
        # An invalid fragment does not hide what follows it.
        ("$[acme].x $[$[acme].good $[acme]].bad", ["$[acme].good"]),
    ],
)
def test_mentions(text: str, mentions: list[str]) -> None:
    found = find_mentions(text)
    assert [str(mention) for mention in found] == mentions
    assert [text[mention.start : mention.end] for mention in found] == mentions


def test_the_parts_of_a_mention() -> None:
    assert find_mentions("Use $[acme:data].my_skill!") == [
        Mention(namespace=("acme", "data"), name="my_skill", start=4, end=25)
    ]


def test_hostile_text_takes_no_time() -> None:
    assert find_mentions("$[" * 50_000 + "a:" * 50_000) == []
    assert find_mentions(("$[" + "a:" * 200) * 500) == []
