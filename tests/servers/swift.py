"""OpenStack Swift with its S3 API: a real store, which rejects what arrives with a wrong checksum."""

from __future__ import annotations

import subprocess
import textwrap
from collections.abc import Sequence
from pathlib import Path

from tests.servers import installed
from tests.servers.private import PrivateServer, answers_http

KEY_ID, SECRET = "test:tester", "testing"
_SERVERS = ("account", "container", "object")


class PrivateSwift(PrivateServer):
    """One replica, one device, four processes, no memcached."""

    name = "swift"
    ports_needed = 5

    def __init__(self) -> None:
        self._bin = installed.python_packages("swift")
        super().__init__()
        (self.directory / "devices/d1").mkdir(parents=True)
        self._write("swift.conf", "[swift-hash]\nswift_hash_path_prefix = a\nswift_hash_path_suffix = b\n" + _POLICY)
        for server, port in zip(_SERVERS, self.ports, strict=False):
            self._write(f"{server}-server.conf", _BACKEND.format(directory=self.directory, port=port, server=server))
        self._make_rings()
        proxy, memcached = self.ports[3:]
        self._write("proxy-server.conf", _PROXY.format(directory=self.directory, port=proxy, memcached=memcached))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports[3]}"

    def commands(self) -> Sequence[Sequence[str]]:
        names = [f"{server}-server" for server in (*_SERVERS, "proxy")]
        return [[str(self._bin / f"swift-{name}"), str(self.directory / f"{name}.conf")] for name in names]

    def is_up(self) -> bool:
        return answers_http(f"{self.url}/healthcheck")

    def _make_rings(self) -> None:
        rings = [f"{server}:{port}" for server, port in zip(_SERVERS, self.ports, strict=False)]
        subprocess.run([str(self._bin / "python"), "-c", _RINGS, *rings], cwd=self.directory, check=True)

    def _write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.write_text(text)
        return path


#: What swift-ring-builder does, in one process: a command for each step of each ring took five seconds of CPU.
_RINGS = """
import sys
from swift.common.ring import RingBuilder

for server, port in (ring.split(":") for ring in sys.argv[1:]):
    builder = RingBuilder(part_power=6, replicas=1, min_part_hours=1)
    builder.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port), "device": "d1", "weight": 1})
    builder.rebalance()
    builder.get_ring().save(f"{server}.ring.gz")
"""
_POLICY = "[storage-policy:0]\nname = Policy-0\ndefault = yes\n"
_BACKEND = textwrap.dedent("""\
    [DEFAULT]
    swift_dir = {directory}
    devices = {directory}/devices
    mount_check = false
    bind_ip = 127.0.0.1
    bind_port = {port}
    workers = 0
    user =
    log_facility = LOG_LOCAL0
    fallocate_reserve = 0
    [pipeline:main]
    pipeline = {server}-server
    [app:{server}-server]
    use = egg:swift#{server}
    """)
_PROXY = textwrap.dedent("""\
    [DEFAULT]
    swift_dir = {directory}
    bind_ip = 127.0.0.1
    bind_port = {port}
    workers = 0
    user =
    [pipeline:main]
    pipeline = catch_errors healthcheck cache s3api tempauth bulk slo dlo proxy-server
    [app:proxy-server]
    use = egg:swift#proxy
    account_autocreate = true
    [filter:catch_errors]
    use = egg:swift#catch_errors
    [filter:healthcheck]
    use = egg:swift#healthcheck
    [filter:cache]
    use = egg:swift#memcache
    memcache_servers = 127.0.0.1:{memcached}
    [filter:s3api]
    use = egg:swift#s3api
    s3_acl = false
    location = us-east-1
    [filter:tempauth]
    use = egg:swift#tempauth
    user_test_tester = testing .admin
    [filter:bulk]
    use = egg:swift#bulk
    [filter:slo]
    use = egg:swift#slo
    [filter:dlo]
    use = egg:swift#dlo
    """)
