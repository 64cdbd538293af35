"""What a person types for a place and for a rate."""

import os

import pytest

from jobs.errors import Refusal
from transfers.oneshot.arguments import parse_place, parse_rate


@pytest.fixture
def base(tmp_path, settings, monkeypatch):
    """BASE_PATH, in which the caller stands."""
    base = tmp_path / "base"
    base.mkdir()
    settings.BASE_PATH = base
    settings.STORAGES_CONFIGURED = {"local": base.as_uri(), "archive": "file:///archive"}
    monkeypatch.chdir(base)
    return base


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (".", "/"),
        ("docs", "/docs"),
        ("docs/", "/docs"),
        ("./docs/../other", "/other"),
        (".hidden", "/.hidden"),
        (".hidden/.deep", "/.hidden/.deep"),
        ("..hidden", "/..hidden"),
        ("two words", "/two words"),
        ("it's $HOME", "/it's $HOME"),
        ("näh", "/näh"),
        ("C:x", "/C:x"),
        ("./unknown:docs", "/unknown:docs"),
        ("-", "/-"),
    ],
)
def test_a_path_is_taken_from_where_the_caller_stands(base, text, path):
    assert parse_place(text, field="sink") == ("local", path)


def test_an_absolute_path_is_taken_as_such(base):
    assert parse_place(str(base / "docs"), field="sink") == ("local", "/docs")
    assert parse_place(str(base), field="sink") == ("local", "/")


def test_below_the_root_of_everything_a_path_is_itself(base, settings):
    settings.BASE_PATH = "/"
    assert parse_place("/usr/../etc/.x", field="sink") == ("local", "/etc/.x")
    assert parse_place("/", field="sink") == ("local", "/")


def test_links_are_resolved_for_the_operator_is_trusted(base):
    (base / "real").mkdir()
    (base / "link").symlink_to("real")
    assert parse_place("link/below", field="sink") == ("local", "/real/below")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("archive:2024/x", ("archive", "2024/x")),
        ("archive:/2024", ("archive", "/2024")),
        ("archive:", ("archive", "/")),
        ("local:docs", ("local", "docs")),
        ("archive:a:b", ("archive", "a:b")),
    ],
)
def test_a_configured_alias_names_its_storage(base, text, place):
    assert parse_place(text, field="sink") == place


@pytest.mark.parametrize("text", ["..", "../base-evil", "/etc", "docs/../../x"])
def test_a_path_outside_of_base_path_is_refused(base, text):
    with pytest.raises(Refusal) as refused:
        parse_place(text, field="sink")
    assert (refused.value.code, refused.value.field) == ("OUTSIDE_BASE_PATH", "sink")
    assert str(base) in refused.value.message


def test_a_link_that_leads_outside_is_refused(base):
    os.symlink("/etc", base / "link")
    with pytest.raises(Refusal):
        parse_place("link", field="sink")


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("1024", 1024),
        ("500000", 500_000),
        ("500k", 512_000),
        ("500K", 512_000),
        ("10M", 10 << 20),
        ("10MB", 10 << 20),
        ("1.5GiB", 3 << 29),
        (" 2 g ", 2 << 30),
        ("1T", 1 << 40),
    ],
)
def test_a_rate_is_bytes_per_second_in_units_of_1024(text, rate):
    assert parse_rate(text) == rate


REFUSED = ["", "0", "1", "1023", "k", "-5k", "+5k", "10X", "10kk", "1e9", "1,5M", "1.M", "inf", "nan", "٣M"]


@pytest.mark.parametrize("text", [*REFUSED, "9" * 400, "9" * 30, "9999999T"], ids=lambda text: text[:9])
def test_anything_else_is_refused(text):
    with pytest.raises(Refusal) as refused:
        parse_rate(text)
    assert (refused.value.code, refused.value.field) == ("INVALID_RATE", "bwlimit")


def test_what_looks_like_a_storage_nobody_configured_is_refused(base):
    with pytest.raises(Refusal) as refused:
        parse_place("nowhere:in", field="sink")
    assert refused.value.code == "UNKNOWN_STORAGE"
    assert "local" in refused.value.hint and "STORAGE_NOWHERE=url" in refused.value.hint


@pytest.mark.parametrize("url", ["s3://bucket/prefix", "sftp://user@host/files", "file:///srv/files"])
def test_who_types_a_url_is_told_where_that_belongs(base, url):
    with pytest.raises(Refusal) as refused:
        parse_place(url, field="source")
    assert refused.value.in_full == (
        "SOURCE: a storage is not named by its URL. "
        "Set STORAGE_<ALIAS>=url in the environment or in .env, and name it here as alias:path."
    )


@pytest.mark.parametrize(
    ("field", "name", "said"),
    [
        ("source", "missing", "SOURCE: there is no directory {base}/missing."),
        ("source", "file", "SOURCE: {base}/file is not a directory."),
        ("sink", "file", "SINK: {base}/file is not a directory."),
    ],
)
def test_what_is_no_directory_is_named_as_it_was_typed_on_this_machine(base, field, name, said):
    (base / "file").write_text("")
    with pytest.raises(Refusal) as refused:
        parse_place(name, field=field)
    assert refused.value.message == said.format(base=base) and refused.value.field == field
    assert ("--exclude" in refused.value.hint) == (field == "source" and name == "file")
