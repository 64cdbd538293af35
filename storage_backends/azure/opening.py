"""From `azure://account/container/prefix?endpoint_url=…&credential=VARIABLE` to a storage.

Credentials stand in the environment: a connection string, a key or a SAS token in AZURE_STORAGE_CONNECTION_STRING,
AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN (the first of them that is set), or in the one variable that the URL names:
two accounts need two. Without any of them azure-identity looks for a login, a managed identity and so on; what it finds
is sent over https only. The endpoint is that of the URL, else of the connection string, else the public service's.
"""

from __future__ import annotations

import base64
import importlib.util
import os
import re
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from storage_backends.azure.client import AzureClient
from storage_backends.azure.credentials import Key, Sas
from storage_backends.azure.storage import AzureStorage
from storage_backends.errors import BadCredentials, BadPath, ConfigurationError
from storage_backends.names import display_path
from storage_backends.registry import importing
from storage_backends.url import StorageUrl, endpoint_told

VARIABLES = ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_CONTAINER = re.compile(rb"\$[a-z]+|(?=.{3,63}$)[a-z0-9](-?[a-z0-9])*")


class _Access(NamedTuple):
    credential: Any
    endpoint: str = ""
    """Empty where only the URL or the account's name tells it."""


def open_azure(url: StorageUrl, path: bytes, create: bool) -> AzureStorage:
    """The container has to exist; below it there is nothing to create. Raises ConfigurationError, BadCredentials."""
    url.allow_options(("endpoint_url", "credential"))
    container, _, prefix = url.path.removeprefix(b"/").partition(b"/")
    if not _ACCOUNT.fullmatch(url.host) or not _CONTAINER.fullmatch(container):
        raise ConfigurationError("azure: write azure://account/container/prefix; credentials stand in the environment")
    access = _access(url.host, url.options.get("credential", ""))
    public = f"https://{url.host}.blob.core.windows.net"
    endpoint = endpoint_told("azure", url.options.get("endpoint_url") or access.endpoint or public)
    if endpoint.startswith("http://") and hasattr(access.credential, "get_token"):
        raise ConfigurationError("azure: what azure-identity finds is sent over https only, and the endpoint is http")
    client = AzureClient(endpoint, container.decode(), access.credential)
    place = urlsplit(endpoint)
    where = f"azure://{place.netloc.lower()}{place.path}/{container.decode()}"
    storage = AzureStorage(client, where, prefix, path)
    if why := storage.refusal(storage.prefix):
        raise BadPath(f"'{display_path(storage.prefix.encode())}' {why}, which azure can't hold; choose another place")
    return storage


def _access(account: str, variable: str) -> _Access:
    names = (variable,) if variable else VARIABLES
    name = next((name for name in names if os.environ.get(name, "").strip()), "")
    if not name:
        return _Access(_found_credential(variable))
    text = os.environ[name].strip()
    if re.search(r"(?i)(^|;)\s*(AccountName|BlobEndpoint|SharedAccessSignature)=", text):
        return _of_connection_string(account, name, text)
    return _Access(_of_text(account, name, text))


def _found_credential(variable: str) -> Any:
    if variable:
        raise ConfigurationError(f"azure: {variable}, which the storage's URL names, is not set")
    with importing("azure"):
        can_log_in = importlib.util.find_spec("azure.identity") is not None
    if not can_log_in:
        raise ConfigurationError(f"azure: set one of {', '.join(VARIABLES)}, or install azure-identity")
    with importing("azure"):
        from azure.identity import DefaultAzureCredential
    return DefaultAzureCredential()


def _of_connection_string(account: str, name: str, text: str) -> _Access:
    values = {key.strip().lower(): value for key, _, value in (part.partition("=") for part in text.split(";"))}
    if values.get("accountname", account) != account:
        raise ConfigurationError(
            f"azure: {name} is for another account than {account}; name another variable in the URL (?credential=…)"
        )
    endpoint = values.get("blobendpoint", "")
    if not endpoint and "endpointsuffix" in values:
        scheme = values.get("defaultendpointsprotocol", "https")
        endpoint = f"{scheme}://{account}.blob.{values['endpointsuffix']}"
    secret = values.get("accountkey") or values.get("sharedaccesssignature") or ""
    return _Access(_of_text(account, name, secret), endpoint)


def _of_text(account: str, name: str, secret: str) -> Any:
    """A SAS token, or else a key. Raises BadCredentials."""
    if re.search(r"(^|[?&])sig=.", secret):
        return Sas(account, secret.removeprefix("?"))
    try:
        is_key = bool(base64.b64decode(secret, validate=True))
    except ValueError:
        is_key = False
    if not is_key:
        raise BadCredentials(f"azure: {name} holds no connection string, key or SAS token; correct it")
    return Key(account, secret)
