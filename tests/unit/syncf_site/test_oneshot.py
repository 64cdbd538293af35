"""`make sync`: its database lies outside both trees, whatever they are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.storages import root_of
from syncf_site import databases, env, oneshot
from transfers.management.locking import try_lock
from transfers.oneshot.arguments import parse_place
from transfers.oneshot.errands import Place

VAR_TMP = Path(f"/var/tmp/syncf-{os.geteuid()}")


def read(*trees, **variables):
    variables = {"SECRET_KEY": "k" * 60, **{name: str(value) for name, value in variables.items()}}
    name = oneshot.name_of([str(tree) for tree in trees])
    resolved = [Path(tree).resolve() for tree in trees]
    return env.read({**variables, **oneshot.variables(variables, trees=resolved, name=name)})


def database(environment):
    return Path(databases.configure(environment.database_url, env.ROOT)["NAME"])


def test_a_one_shot_sees_the_whole_machine_and_no_installation(tmp_path):
    environment = read(
        XDG_STATE_HOME=tmp_path,
        DATABASE_URL="postgres://h/x",
        BROKER_URL="amqp://h",
        BASE_PATH="/srv",
        STORAGE_LOCAL="file:///srv",
    )
    assert (environment.base_path, environment.broker_url) == (Path("/"), "database://")
    assert environment.storages == {"local": "file:///"}
    assert database(environment).parent == tmp_path / "syncf"


def test_the_state_directory_is_made_for_its_owner_only_whatever_its_name(tmp_path):
    home = tmp_path / "a+b c%20#?"
    assert database(read(XDG_STATE_HOME=home)).parent == home / "syncf"
    assert (home / "syncf").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("position", [0, 1])
def test_the_database_avoids_a_tree_that_contains_the_state_directory(tmp_path, position):
    (tmp_path / "link").symlink_to(tmp_path)
    for spelling in (tmp_path, tmp_path / "link", f"{tmp_path}/x/.."):
        trees = ["/nowhere", "/nowhere"]
        trees[position] = spelling
        assert database(read(*trees, XDG_STATE_HOME=tmp_path / "state")).parent == VAR_TMP


def test_a_neighbour_of_the_tree_is_outside_it(tmp_path):
    assert database(read(tmp_path / "stat", XDG_STATE_HOME=tmp_path / "state")).parent == tmp_path / "state/syncf"


def test_with_no_place_outside_the_operator_is_asked_for_one(tmp_path):
    with pytest.raises(oneshot.NoPlace, match="Set XDG_STATE_HOME"):
        read(tmp_path, "/var/tmp", XDG_STATE_HOME=tmp_path)


def test_a_relative_state_home_is_ignored_as_its_specification_says(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert database(read(XDG_STATE_HOME="state")).parent == tmp_path / ".local/state/syncf"


def test_a_state_directory_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "state/syncf").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(oneshot.NoPlace, match="belongs to somebody else"):
        read(XDG_STATE_HOME=tmp_path / "state")


def test_each_pair_of_directories_has_its_own_database(tmp_path):
    pairs = [("/a", "/b"), ("/a", "/c"), ("/b", "/a"), ("/a/b", "/c")]
    assert len({database(read(*pair, XDG_STATE_HOME=tmp_path)) for pair in pairs}) == len(pairs)
    assert database(read("/a", "/b", XDG_STATE_HOME=tmp_path)) == database(read("/a/.", "/b/", XDG_STATE_HOME=tmp_path))


@pytest.fixture
def named(monkeypatch, tmp_path):
    """`named(word, url)`: the database of a sync to it from a directory of its own, where the storage is this one."""
    count = iter(range(100))

    def name(word, url=""):
        directory = tmp_path / f"{next(count)}"
        directory.mkdir()
        monkeypatch.chdir(directory)
        monkeypatch.setattr(os, "environ", {**os.environ, "STORAGE_ARCHIVE": url})
        return oneshot.name_of(["/source", word])

    return name


def test_a_storage_has_one_database_wherever_it_is_named_and_however_one_gets_in(named):
    url = "s3://bucket/prefix?endpoint_url=http://127.0.0.1:9000"
    assert named("archive:photos", url) == named("archive:/photos/", f"{url}&profile=other")
    others = [
        named("archive:photos", url.replace("9000", "9001")),
        named("archive:photos", "s3://another/prefix"),
        named("archive:videos", url),
        named("archive:", url),
        named("archive:photos"),  # no storage: a directory of that name
        named("archive:photos"),
        named("ARCHIVE:photos", url),  # nor is this an alias
        named("ARCHIVE:photos", url),
    ]
    assert len({*others, named("archive:photos", url)}) == len(others) + 1


def test_a_second_sync_of_the_same_directories_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(os, "environ", {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")})
    trees = [tmp_path / "source", tmp_path / "sink"]
    url = oneshot.variables(os.environ, trees=trees, name=oneshot.name_of([*map(str, trees)]))["DATABASE_URL"]
    with try_lock(Path(url.removeprefix("sqlite:///") + ".lock")), pytest.raises(SystemExit) as exit:
        oneshot.main(["--", *map(str, trees)])
    assert exit.value.code == 2
    assert "already running" in capsys.readouterr().err


@pytest.fixture
def begun(monkeypatch, tmp_path):
    """`begun(*arguments)`: whether a head start is made of a sync with these."""

    def begin(*arguments: str, processors=2, maker=lambda plan: plan, catalogue="catalogue"):
        monkeypatch.setattr(oneshot, "HeadStart", maker)
        monkeypatch.setattr(oneshot, "later_sync", lambda places, catalogue: (list(places), catalogue))
        monkeypatch.setattr(oneshot, "first_sync", lambda places, prefetch: (list(places), prefetch))
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(processors)))
        trees = [tmp_path, tmp_path / "missing"]
        oneshot.know_storages(["a", "archive:/b/c/"])
        found = tmp_path / catalogue if catalogue else None
        return oneshot._head_start([*arguments, "--", "a", "archive:/b/c/"], trees, found)

    return begin


def test_a_head_start_is_made_where_it_can_help(begun, tmp_path):
    assert begun() == begun("--json", "--bwlimit=1M") == ([Place.of(tmp_path)], tmp_path / "catalogue")
    assert begun(processors=1) is begun("--exclude", "*.tmp") is begun("--inc=x") is None


def test_it_is_told_of_the_storages_that_the_environment_names_as_the_scan_will_ask_for_them(
    begun, tmp_path, monkeypatch, settings
):
    monkeypatch.setattr(os, "environ", {**os.environ, "STORAGE_ARCHIVE": "s3://bucket/"})
    settings.STORAGES_CONFIGURED = {"archive": "s3://bucket/"}
    alias, path = parse_place("archive:/b/c/", field="sink")
    root = root_of(alias, path, "sink")
    assert begun() == ([Place.of(tmp_path), (root.url, root.path)], tmp_path / "catalogue")


def test_files_are_read_early_where_all_of_them_are_to_be_copied(begun, tmp_path):
    assert begun("--json", catalogue=None) == ([Place.of(tmp_path)], Place.of(tmp_path))
    for option in ("--dry-run", "--bwlimit=1M"):
        assert begun(option, catalogue=None) == ([Place.of(tmp_path)], None)


def test_what_is_forked_knows_the_storages_and_credentials_that_stand_in_the_file(begun, tmp_path, monkeypatch):
    (tmp_path / "env").write_text("STORAGE_ARCHIVE=s3://bucket/\nAWS_SECRET_ACCESS_KEY=secret\n")
    monkeypatch.setenv("SYNCF_ENV_FILE", str(tmp_path / "env"))
    for name in ("STORAGE_ARCHIVE", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "")  # so that they are gone when the test ends
        monkeypatch.delenv(name)

    def fork(plan):
        places, _ = plan
        return [place.url for place in places], os.environ.get("AWS_SECRET_ACCESS_KEY")

    assert begun(maker=fork) == (["file:///", "s3://bucket/"], "secret")


def test_where_it_cannot_be_made_the_sync_begins_without(begun):
    def refuse(plan):
        raise PermissionError

    assert begun(maker=refuse) is None


def test_what_is_begun_ahead_does_not_wait_for_django():
    """It is forked while the process is small, and Django is loaded meanwhile."""
    code = "import sys; from syncf_site import oneshot; print('django' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"
