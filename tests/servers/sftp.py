"""OpenSSH's own SFTP server, with keys of its own, for the user who runs the tests."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import textwrap
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from tests.servers.packages import find_program
from tests.servers.private import PrivateServer, answers_ssh


class PrivateSftp(PrivateServer):
    """Its URL is a whole storage URL: a directory of its own, the client's key and the known host."""

    name = "sftp"

    def __init__(self) -> None:
        self._server = find_program("/usr/sbin/sshd", "openssh-server")
        super().__init__()
        for key in ("host_key", "client_key"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.directory / key)]
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        shutil.copy(self.directory / "client_key.pub", self.directory / "authorized_keys")
        (self.directory / "authorized_keys").chmod(0o600)
        (self.directory / "files").mkdir()
        host = (self.directory / "host_key.pub").read_text()
        (self.directory / "known_hosts").write_text(f"[127.0.0.1]:{self.ports[0]} {host}")
        (self.directory / "sshd_config").write_text(_CONFIGURATION.format(port=self.ports[0], directory=self.directory))

    @property
    def url(self) -> str:
        files, options = quote(str(self.directory / "files")), []
        for name, file in (("key_file", "client_key"), ("known_hosts", "known_hosts")):
            options.append(f"{name}={quote(str(self.directory / file))}")
        return f"sftp://{getpass.getuser()}@127.0.0.1:{self.ports[0]}{files}?{'&'.join(options)}"

    def commands(self) -> Sequence[Sequence[str]]:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        return [[str(self._server), "-D", "-e", "-f", str(self.directory / "sshd_config")]]

    def is_up(self) -> bool:
        return answers_ssh(self.url)


_CONFIGURATION = textwrap.dedent("""\
    Port {port}
    ListenAddress 127.0.0.1
    HostKey {directory}/host_key
    PidFile {directory}/pid
    AuthorizedKeysFile {directory}/authorized_keys
    StrictModes no
    PasswordAuthentication no
    KbdInteractiveAuthentication no
    PermitRootLogin prohibit-password
    UsePAM no
    MaxSessions 100
    MaxStartups 100
    Subsystem sftp internal-sftp
    """)
