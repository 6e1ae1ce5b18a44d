"""What the socket proxy lets through, as regular expressions (PCRE).

The pattern of the create body is made by the function that makes the body, so the two cannot
drift apart: what an operator may vary is a hole in it, everything else is literal text.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from yarl import URL

from skillbox_executor.sandbox import docker_body
from skillbox_executor.sandbox.interface import Language, Limits, Profile, Role

# The client asks the engine for its version, and uses that. Before 1.25 other calls than create
# took settings of containers; 1.41 is the oldest that the driver is tested with.
_API = r"/v1\.(?:4[1-9]|5[0-9])"
_DIGEST = "[0-9a-f]{64}"
_SPECIAL = re.compile(r"[\\^$.|?*+()\[\]{}]")

# Values that stand for the holes. None occurs in a body by itself, which `_fill` checks.
_IMAGE, _RUNTIME, _SET = "@image@", "@runtime@", "@set@"
# Such that neither JSON nor a URL writes it otherwise.
_REPLICA = "00any-replica00"
_REPLICAS = "[A-Za-z0-9._-]{1,64}"
_LIMITS = Limits(
    memory_bytes=81_000_000_000_001,
    cpus=81_000_002.0,
    pids=81_000_000_000_003,
    sandbox_bytes=81_000_000_000_004,
    weight=81_000_000_000_005,
)


def request_patterns(owner: str, images: Iterable[str]) -> Sequence[str]:
    """Returns patterns of `METHOD TARGET`, whose target is as it was sent.

    An executor reaches its own containers alone, or its group's, by their names: what the engine
    calls by an id, or by another name, is somebody else's.

    Args:
        owner: One, or all replicas of a group as `GROUP/*`.
    """
    owner, replicas = _any_replica(owner)
    containers = f"{_API}/containers"
    boxes = _fill(f"GET {containers}/json\\?{_literal(_list_query(owner))}", replicas)
    box = f"{containers}/{_name(owner)}"
    return [
        _whole(request)
        for request in (
            "GET /_ping",
            "GET /version",
            f"GET {_API}/(?:_ping|version|info)",
            f"GET {_API}/images/{_one_of(images)}/json",
            boxes,
            f"GET {box}/json",
            f"POST {containers}/create\\?name={_name(owner)}",
            f"POST {box}/attach\\?{_literal(docker_body.ATTACH)}",
            f"POST {box}/(?:start|kill)",
            f"POST {box}/wait(?:\\?condition=removed)?",
            f"DELETE {box}\\?force=1&v=1",
            # Sets that nobody uses any more.
            f"DELETE {_API}/volumes/{docker_body.volume_name(owner, _DIGEST)}\\?force=0",
        )
    ]


def body_pattern(
    language: Language,
    owner: str,
    images: Iterable[str],
    runtimes: Iterable[str],
    most: Limits,
    *,
    role: Role = Role.RUN,
    dependencies: bool = False,
) -> str:
    """Returns the pattern of every body that creates a box of a language.

    Args:
        most: The largest limits that are let through.
        dependencies: Whether the boxes have a dependency set.
    """
    owner, replicas = _any_replica(owner)
    mounted = _SET if dependencies else ""
    profile = Profile(_IMAGE, language, _LIMITS, _RUNTIME, role, mounted)
    body = docker_body.create_body(profile, owner)
    host = body["HostConfig"]
    # As aiodocker writes it.
    text = _literal(json.dumps(body, sort_keys=True))
    largest = docker_body.create_body(Profile(_IMAGE, language, most, _RUNTIME), owner)
    tasks = max(docker_body.tasks(most.pids, each) for each in runtimes)
    holes = {
        _IMAGE: [_one_of(images)],
        _RUNTIME: [_one_of(runtimes)],
        body["Labels"][docker_body.PROFILE]: [_DIGEST],
        # Memory and MemorySwap: were the second larger, there would be swap.
        str(host["Memory"]): [f"(?P<memory>{up_to(most.memory_bytes)})", "(?P=memory)"],
        str(host["NanoCpus"]): [up_to(largest["HostConfig"]["NanoCpus"])],
        str(host["PidsLimit"]): [up_to(tasks)],
        str(_LIMITS.sandbox_bytes): [up_to(most.sandbox_bytes)],
        str(_LIMITS.weight): [up_to(most.weight)],
        **({_SET: [_DIGEST]} if dependencies else {}),
        **replicas,
    }
    return _whole(_fill(text, holes))


def up_to(maximum: int) -> str:
    """Returns a pattern of the whole numbers from 1 to `maximum`, without leading zeros.

    Zero is left out because to the engine it means that there is no limit.
    """
    digits = str(maximum)
    branches = [f"[1-9][0-9]{{0,{len(digits) - 2}}}"] if len(digits) > 1 else []
    for place, digit in enumerate(digits):
        lowest, highest = (0 if place else 1), int(digit) - 1
        if lowest <= highest:
            rest = len(digits) - place - 1
            branches.append(f"{digits[:place]}[{lowest}-{highest}][0-9]{{{rest}}}")
    return f"(?:{'|'.join([*branches, digits])})"


def _any_replica(owner: str) -> tuple[str, Mapping[str, Sequence[str]]]:
    """Returns an owner that stands for those of a proxy, and the hole that it has.

    `GROUP/*` are all replicas of a group. They trust each other as one Executor does itself.
    """
    group, end, replica = owner.rpartition(docker_body.GROUP_END)
    if not end or replica != "*":
        return owner, {}
    return f"{group}{end}{_REPLICA}", {_REPLICA: [_REPLICAS]}


def _name(owner: str) -> str:
    return f"{docker_body.name_prefix(owner)}[0-9a-f]{{32}}"


def _list_query(owner: str) -> str:
    """Returns the query as aiodocker and its HTTP client write it."""
    filters = json.dumps(docker_body.owner_filter(owner))
    return URL("/").extend_query({"all": "1", "filters": filters}).raw_query_string


def _fill(text: str, holes: Mapping[str, Sequence[str]]) -> str:
    for value, patterns in holes.items():
        if text.count(value) != len(patterns):
            raise AssertionError(f"the create body has {value!r} not {len(patterns)} times")
        for pattern in patterns:
            text = text.replace(value, pattern, 1)
    return text


def _one_of(values: Iterable[str]) -> str:
    return f"(?:{'|'.join(map(_literal, values))})"


def _literal(text: str) -> str:
    # Not `re.escape`, which escapes more than it must and so makes a third more of a runner.
    return _SPECIAL.sub(r"\\\g<0>", text)


def _whole(pattern: str) -> str:
    # `\z`, because `$` would let a line feed follow. The group also makes a pattern that
    # HAProxy cuts off for its length an error, and not a shorter pattern.
    return f"^(?:{pattern})\\z"
