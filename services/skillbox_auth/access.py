"""What each method of Auth asks of its caller."""

from collections.abc import Mapping

from skillbox_common.interceptors.authentication import Access, Authenticated, Public
from skillbox_common.principal import Scope

ACCESS: Mapping[str, Access] = {
    "/skillbox.auth.v1.ApiKeyService/CreateApiKey": Scope.ADMIN,
    "/skillbox.auth.v1.ApiKeyService/ListApiKeys": Scope.ADMIN,
    "/skillbox.auth.v1.ApiKeyService/RevokeApiKey": Scope.ADMIN,
    "/skillbox.auth.v1.ApiKeyService/RotateApiKey": Scope.ADMIN,
    "/skillbox.auth.v1.FallbackRestService/UnknownPathRest": Authenticated.AUTHENTICATED,
    # The request carries the token in question. Envoy has no route to it.
    "/skillbox.auth.v1.IntrospectionService/Introspect": Public.PUBLIC,
}
