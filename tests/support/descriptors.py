"""What the descriptors of the contract say."""

from collections.abc import Iterable

from google.protobuf import descriptor_pool


def methods_of(services: Iterable[str]) -> set[str]:
    """Returns the full method names, `/package.Service/Method`, of services by full name."""
    pool = descriptor_pool.Default()
    return {
        f"/{name}/{method.name}"
        for name in services
        for method in pool.FindServiceByName(name).methods
    }
