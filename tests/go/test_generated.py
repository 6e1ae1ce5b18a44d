"""The committed Go stubs are those of the protos."""

import re

import pytest

from skillbox_gateway.surface import INTERNAL, all_services
from tools import generate_go, golang

pytestmark = pytest.mark.timeout(600)


def test_the_stubs_are_up_to_date() -> None:
    try:
        assert generate_go.differences() == []
    except golang.ModulesUnreachable as error:
        pytest.skip(str(error))


def test_the_gateway_serves_every_service_that_has_rest_paths() -> None:
    stubs = golang.ROOT.joinpath("clients/go/gen").rglob("*.pb.gw.go")
    generated = {
        name
        for stub in stubs
        for name in re.findall(r"func (Register\w+Handler)\(", stub.read_text())
    }
    handler = (golang.GATEWAY / "handler.go").read_text()
    assert generated == set(re.findall(r"v1\.(Register\w+Handler)\b", handler))
    public = {service.descriptor.name for service in all_services() if service.name not in INTERNAL}
    assert generated <= {f"Register{name}Handler" for name in public}
