"""SFTP under the storage conformance suite, on OpenSSH."""

import secrets
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.conformance.storage.suite import StorageConformance
from tests.servers.ensure import SFTP, ensure


class TestOpenSsh(StorageConformance):
    scheme = "sftp"

    @pytest.fixture
    def url(self):
        server = urlsplit(ensure(SFTP))
        place = Path(unquote(server.path)) / secrets.token_hex(8)
        place.mkdir()
        return server._replace(path=f"{server.path}/{place.name}").geturl()
