"""Names are bytes: whatever the kernel lets a file be called arrives as it is, and is shown escaped."""

from tests.acceptance.planting import plant, read

LONG = b"n" * 255
#: 3,900 bytes below the root: fifteen names of 255, and the rest.
DEEP = b"/".join([LONG] * 15 + [b"d" * 60])

NAMES = {
    b"new\nline": r"new\nline",
    b"carriage\rreturn\ttab": r"carriage\rreturn\ttab",
    b"quo'te\"s": "quo'te\"s",
    b"-leading dash": "-leading dash",
    b"--exclude": "--exclude",
    b" leading and trailing space ": " leading and trailing space ",
    b"\xff\xfe not \xc3\x28 UTF-8 \xe9": r"\xFF\xFE not \xC3( UTF-8 \xE9",
    b"back\\slash and \\n": r"back\\slash and \\n",
    b"\x01\x1b[31m\x7f": r"\x01\x1B[31m\x7F",
    "right\u202eto\u200bleft".encode(): r"right\u202Eto\u200Bleft",
    "na\u00efve and nai\u0308ve \U0001f600".encode(): "na\u00efve and nai\u0308ve \U0001f600",
    b"$HOME `id` $(id) *?[a-z]{1,2} ~ # % & | ; < >": "$HOME `id` $(id) *?[a-z]{1,2} ~ # % & | ; < >",
    b"...": "...",
    LONG: "n" * 255,
}


def test_every_name_arrives_byte_for_byte_and_is_shown_escaped(syncing, base, assert_same):
    source, sink = base / "source", base / "sink"
    for number, name in enumerate(NAMES):
        plant(source, name, str(number).encode())
        plant(source, b"in/%s/below" % name)
    outcome = syncing.sync(source, sink)
    assert outcome.is_clean, outcome.text
    assert_same(source, sink)
    shown = {path: row["path_display"] for path, row in syncing.tasks().items()}
    for name, display in NAMES.items():
        assert shown[name] == display
        assert shown[b"in/%s/below" % name] == f"in/{display}/below"
    assert syncing.sync(source, sink).counts("copied", "unchanged") == (0, 2 * len(NAMES))


def test_a_path_of_3900_bytes_arrives(syncing, base, assert_same):
    assert len(DEEP) == 3900
    plant(base / "source", DEEP, b"so far down")
    outcome = syncing.sync(base / "source", base / "sink")
    assert outcome.is_clean, outcome.text
    assert_same(base / "source", base / "sink")
    assert read(base / "sink", DEEP) == b"so far down"
    assert syncing.tasks()[DEEP]["status"] == "completed"


def test_names_that_differ_only_in_bytes_no_one_sees_stay_apart(syncing, base, assert_same):
    names = (b"e\xcc\x81", b"\xc3\xa9", b"\xe9", b"\\xE9", b"E\xcc\x81", b"a", b"A", b"a ", b"a\xc2\xa0")
    for name in names:
        plant(base / "source", name, name)
    assert syncing.sync(base / "source", base / "sink").is_clean
    assert_same(base / "source", base / "sink")
    assert len({row["path_display"] for row in syncing.tasks().values()}) == len(names) + 1  # and the root


def test_a_tree_of_300_levels_arrives(syncing, base, assert_same):
    plant(base / "source", b"/".join([b"deep"] * 300 + [b"leaf"]))
    assert syncing.sync(base / "source", base / "sink").counts("files", "copied") == (1, 1)
    assert_same(base / "source", base / "sink")
