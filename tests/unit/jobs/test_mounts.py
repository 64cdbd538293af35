"""Which file system a path lies on."""

import pytest

from jobs import mounts
from jobs.mounts import mount_of

TABLE = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /srv/net rw shared:5 master:1 - nfs4 server:/export rw,vers=4.2
31 30 0:41 / /srv/net/disk rw - xfs /dev/sdb rw
32 22 0:42 / /mnt/with\040space rw - cifs //server/share rw
33 22 0:43 / /home rw - autofs systemd-1 rw
34 33 0:44 / /home rw - fuse.sshfs host: rw
"""


@pytest.fixture(autouse=True)
def table(tmp_path, monkeypatch):
    file = tmp_path / "mountinfo"
    file.write_text(TABLE)
    monkeypatch.setattr(mounts, "MOUNTINFO", file)
    return file


@pytest.mark.parametrize(
    ("path", "kind", "is_network"),
    [
        ("/var/lib/x", "ext4", False),
        ("/srv/net", "nfs4", True),
        ("/srv/net/a/b", "nfs4", True),
        ("/srv/network", "ext4", False),
        ("/srv/net/disk/a", "xfs", False),
        ("/mnt/with space/x", "cifs", True),
        ("/home/somebody", "fuse.sshfs", True),
    ],
)
def test_the_innermost_mount_counts_and_of_two_at_one_point_the_later(path, kind, is_network):
    mount = mount_of(path)
    assert (mount.kind, mount.is_network) == (kind, is_network)


def test_a_link_is_followed(tmp_path):
    (tmp_path / "link").symlink_to("/srv/net/x")
    assert mount_of(tmp_path / "link" / "db").kind == "nfs4"


def test_where_the_kernel_tells_nothing_nothing_is_known(table):
    table.unlink()
    assert mount_of("/") == ("", "")
