import json
import re
from typing import Any

from skillbox_common.error_catalogue import CATALOGUE
from skillbox_gateway.config import GatewaySettings
from skillbox_gateway.local_replies import local_reply_config
from skillbox_gateway.render import render
from skillbox_gateway.surface import (
    INTERNAL,
    all_services,
    lua_source,
    public_services,
    raw_bindings,
)


def _render(**settings: Any) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(render(GatewaySettings(**settings)))
    return config


def _routes(config: dict[str, Any]) -> list[dict[str, Any]]:
    listener = config["static_resources"]["listeners"][0]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    routes: list[dict[str, Any]] = manager["route_config"]["virtual_hosts"][0]["routes"]
    return routes


def test_equal_settings_give_equal_text() -> None:
    assert render(GatewaySettings()) == render(GatewaySettings())
    assert render(GatewaySettings()) != render(GatewaySettings(api_port=1))


def test_every_service_is_either_routed_or_internal() -> None:
    prefixes = {route["match"].get("prefix") for route in _routes(_render())}
    for service in all_services():
        assert (f"/{service.name}/" in prefixes) != (service.name in INTERNAL), service.name


def test_internal_services_exist() -> None:
    assert {service.name for service in all_services()} >= INTERNAL


def test_every_route_leads_to_a_cluster() -> None:
    config = _render()
    clusters = {cluster["name"] for cluster in config["static_resources"]["clusters"]}
    targets = {route["route"]["cluster"] for route in _routes(config) if "route" in route}
    assert targets == clusters == set(public_services().values())


def test_downloads_pass_through_only_when_there_is_an_address() -> None:
    def signed(**settings: Any) -> list[str]:
        matches = [route["match"] for route in _routes(_render(**settings))]
        return [match["prefix"] for match in matches if "query_parameters" in match]

    assert signed() == []
    assert signed(files_address="127.0.0.1:1") == ["/executions/"]
    assert signed(files_address="s3:1", s3_bucket_executions="other") == ["/other/"]


def test_raw_bindings() -> None:
    assert {tuple(binding) for binding in raw_bindings()} == {
        ("POST", "/v1/executions", False),
        ("POST", "/v1/skills", True),
    }


def test_a_name_is_resolved_and_an_address_is_not() -> None:
    config = _render(registry_address="registry:1", executor_address="10.0.0.1:1,10.0.0.2:1")
    kinds = {cluster["name"]: cluster for cluster in config["static_resources"]["clusters"]}
    assert kinds["auth"]["type"] == "STATIC"
    assert kinds["registry"]["type"] == "STRICT_DNS"
    assert kinds["executor"]["type"] == "STATIC"
    endpoints = kinds["executor"]["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert len(endpoints) == 2


def test_admin_is_off_unless_asked_for_and_then_on_loopback() -> None:
    assert "admin" not in _render()
    admin = _render(admin_port=9901)["admin"]["address"]["socket_address"]
    assert admin == {"address": "127.0.0.1", "port_value": 9901}


def test_the_port_is_not_shared() -> None:
    assert _render()["static_resources"]["listeners"][0]["enable_reuse_port"] is False


def test_codes_and_statuses_are_those_of_the_catalogue() -> None:
    catalogue = {(wire.http_status, wire.rest_code) for wire in CATALOGUE.values()}
    of_lua = re.findall(r'{"(\d+)", \'{"error":"(\w+)"', lua_source())
    assert len(of_lua) >= 4
    assert {(int(status), code) for status, code in of_lua} <= catalogue
    codes = {wire.rest_code for wire in CATALOGUE.values()}
    of_envoy = re.findall(r'"error[\\": ]+(\w+)', json.dumps(local_reply_config()))
    assert len(of_envoy) == len(local_reply_config()["mappers"])
    assert set(of_envoy) <= codes


def test_envoy_traces_only_when_there_is_a_collector() -> None:
    def manager(config: dict[str, Any]) -> dict[str, Any]:
        listener = config["static_resources"]["listeners"][0]
        found: dict[str, Any] = listener["filter_chains"][0]["filters"][0]["typed_config"]
        return found

    assert "tracing" not in manager(_render())
    config = _render(otlp_address="collector:4317")
    # Download URLs are signed in their query, which would be part of a span.
    assert manager(config)["tracing"]["max_path_tag_length"] == 0
    assert "otlp" in {cluster["name"] for cluster in config["static_resources"]["clusters"]}
