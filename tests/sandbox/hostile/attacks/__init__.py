"""The table of attacks, by what they are after."""

from tests.sandbox.hostile.attack import Attack
from tests.sandbox.hostile.attacks import escape, network, protocol, resources, results

ATTACKS: dict[str, tuple[Attack, ...]] = {
    "Taking more than its share": resources.ATTACKS,
    "Getting out": escape.ATTACKS,
    "Reaching others": network.ATTACKS,
    "Fooling the runner": protocol.ATTACKS,
    "Fooling who reads the results": results.ATTACKS,
}
