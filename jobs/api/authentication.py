"""API keys: `Authorization: Token <key>`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed


class ApiTokens(TokenAuthentication):  # type: ignore[misc]
    """Knox's tokens; bytes that can't be a key are a bad key, not a server error."""

    def authenticate_credentials(self, token: bytes) -> tuple[Any, Any]:
        """The user and the token's row; raises AuthenticationFailed."""
        if not token.isalnum():
            raise AuthenticationFailed("Invalid token.")
        found: tuple[Any, Any] = super().authenticate_credentials(token)
        return found


class ApiTokensScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the schema describes it."""

    target_class = ApiTokens
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """An API key in a header."""
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Token <key>`; `manage.py apitoken USER` makes a key.",
        }
