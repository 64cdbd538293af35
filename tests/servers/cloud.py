"""Emulators of the clouds: moto (S3), gcp-storage-emulator (Google Cloud Storage), azurite (Azure Blob).

None of them needs credentials of anybody; those that they expect are constants here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.servers import installed
from tests.servers.private import PrivateServer, answers_http

AZURITE_ACCOUNT = "devstoreaccount1"
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Published with azurite; it opens nothing else."""
GCS_PROGRAM = Path(__file__).with_name("gcs_emulator.py")


class PrivateMoto(PrivateServer):
    """S3 in memory. It takes any key."""

    name = "moto"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    def commands(self) -> Sequence[Sequence[str]]:
        return [[str(installed.python_packages("cloud") / "moto_server"), "-H", "127.0.0.1", "-p", str(self.ports[0])]]

    def is_up(self) -> bool:
        return answers_http(f"{self.url}/moto-api/")


class PrivateGcs(PrivateServer):
    """Google Cloud Storage in memory (its directories are 15 times slower). It takes anybody."""

    name = "gcs"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    def commands(self) -> Sequence[Sequence[str]]:
        python = str(installed.python_packages("cloud") / "python")
        where = ["--host", "127.0.0.1", "--port", str(self.ports[0])]
        return [[python, str(GCS_PROGRAM), "start", *where, "-q", "--in-memory"]]

    def is_up(self) -> bool:
        return answers_http(self.url)


class PrivateAzurite(PrivateServer):
    """Azure Blob Storage in a directory."""

    name = "azurite"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}/{AZURITE_ACCOUNT}"

    def commands(self) -> Sequence[Sequence[str]]:
        program = installed.node_packages("azurite") / "azurite-blob"
        options = ["--blobHost", "127.0.0.1", "--blobPort", str(self.ports[0]), "-l", str(self.directory)]
        return [[str(program), *options, "--silent", "--disableTelemetry", "--skipApiVersionCheck"]]

    def is_up(self) -> bool:
        return answers_http(self.url)
