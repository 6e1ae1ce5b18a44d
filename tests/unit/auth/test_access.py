"""The access table and the services that are served must agree."""

from skillbox_auth.access import ACCESS
from skillbox_auth.main import SERVICES
from skillbox_common.interceptors.authentication import Authenticated, Public
from tests.support.descriptors import methods_of


def test_every_method_that_is_served_has_an_entry_and_no_other() -> None:
    assert set(ACCESS) == methods_of(SERVICES)


def test_only_introspection_is_public() -> None:
    public = {method for method, access in ACCESS.items() if access is Public.PUBLIC}
    assert public == {"/skillbox.auth.v1.IntrospectionService/Introspect"}


def test_only_the_fallback_needs_no_scope() -> None:
    unscoped = {
        method for method, access in ACCESS.items() if access is Authenticated.AUTHENTICATED
    }
    assert unscoped == {"/skillbox.auth.v1.FallbackRestService/UnknownPathRest"}
