"""What the gateway lets through, read from the files that travel in this package."""

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import NamedTuple

from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet, ServiceDescriptorProto

CLUSTERS = {
    "skillbox.auth.v1": "auth",
    "skillbox.registry.v1": "registry",
    "skillbox.executor.v1": "executor",
}
"""Package of the protos to the cluster that serves it."""

INTERNAL = frozenset(
    {
        "skillbox.auth.v1.IntrospectionService",
        "skillbox.registry.v1.ResolverService",
        "skillbox.executor.v1.DependencyService",
    }
)
"""Services for use between services. Nobody reaches them through the gateway."""

INFRASTRUCTURE = {
    "grpc.health.v1.Health": "executor",
    "grpc.reflection.v1alpha.ServerReflection": "executor",
    "grpc.reflection.v1.ServerReflection": "executor",
}
"""Services that every server has; the Executor speaks for the suite."""


class Service(NamedTuple):
    """A service of the descriptor set."""

    package: str
    descriptor: ServiceDescriptorProto

    @property
    def name(self) -> str:
        return f"{self.package}.{self.descriptor.name}"


def descriptor_set() -> bytes:
    """Returns the committed descriptor set of all protos."""
    return (files("skillbox_gateway") / "descriptor.binpb").read_bytes()


def lua_source() -> str:
    """Returns the filter that shapes REST replies."""
    return (files("skillbox_gateway") / "rest.lua").read_text()


def openapi() -> str:
    """Returns the description of the REST surface as compact JSON."""
    text = (files("skillbox_gateway") / "openapi.json").read_text()
    return json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)


def all_services() -> list[Service]:
    return [
        Service(file.package, service)
        for file in FileDescriptorSet.FromString(descriptor_set()).file
        for service in file.service
    ]


def public_services() -> dict[str, str]:
    """Returns the full name of every service that is not internal, and its cluster.

    Raises:
        KeyError: A package has no cluster.
    """
    return {
        service.name: CLUSTERS[service.package]
        for service in all_services()
        if service.name not in INTERNAL
    }


class RawBinding(NamedTuple):
    """A REST binding whose request body goes to the service as it is."""

    method: str
    path: str
    streamed: bool


def raw_bindings() -> Iterator[RawBinding]:
    """Yields every binding that takes a `google.api.HttpBody`.

    Raises:
        ValueError: Such a path has variables, which the routes cannot match.
    """
    for service in all_services():
        for method in service.descriptor.method:
            rule = method.options.Extensions[annotations_pb2.http]
            verb = rule.WhichOneof("pattern")
            if verb is None or method.input_type != ".google.api.HttpBody":
                continue
            path = getattr(rule, verb)
            if "{" in path:
                raise ValueError(f"{path}: a raw body needs a path without variables")
            yield RawBinding(verb.upper(), path, method.client_streaming)
