"""The environment: what is read, what is refused, and that .env.example says the same."""

import re
from pathlib import Path

import environ
import pytest
from django.core.exceptions import ImproperlyConfigured

from syncf_site import env

EXAMPLE = env.ROOT / ".env.example"
KEY = {"SECRET_KEY": "q7-Vt0z_" * 8}


class Recording(dict):
    """A mapping that remembers what it was asked for by name."""

    def __init__(self, values):
        super().__init__(values)
        self.asked = set()

    def get(self, name, default=None):
        self.asked.add(name)
        return super().get(name, default)


def load_example():
    File = type("File", (environ.Env,), {"ENVIRON": {}})
    File.read_env(EXAMPLE)
    return File.ENVIRON


def described():
    return set(re.findall(r"^(?:# )?([A-Z][A-Z_]+)=", EXAMPLE.read_text(), re.MULTILINE))


def test_the_example_describes_exactly_the_variables_that_are_read():
    source = Recording(KEY)
    env.read(source)
    examples = {name for name in described() if name.startswith(env.STORAGE_PREFIX)}
    assert "STORAGE_LOCAL" in examples
    assert described() - examples == source.asked | {"SYNCF_ENV_FILE"}


def test_the_example_with_a_key_says_what_the_defaults_say():
    assert env.read({**load_example(), **KEY}) == env.read(KEY)


def test_the_example_as_it_stands_is_refused_because_everybody_knows_its_key():
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY is not set"):
        env.read(load_example())


def test_a_missing_key_is_refused_with_the_command_that_makes_one():
    with pytest.raises(ImproperlyConfigured, match=re.escape(env.NEW_KEY_COMMAND)):
        env.read({})


@pytest.mark.parametrize(
    "key", ["change-me", "CHANGE_ME" * 8, "django-insecure-" + "q7-Vt0z_" * 8, "short-A1b2", "your secret key" * 4]
)
def test_a_key_that_anybody_could_guess_is_refused_like_none(key):
    with pytest.raises(ImproperlyConfigured, match=r"^SECRET_KEY is .*" + re.escape(env.NEW_KEY_COMMAND)):
        env.read({"SECRET_KEY": key})
    assert env.read({"SECRET_KEY": key, "DEBUG": "1"}).secret_key == key


@pytest.mark.parametrize("path", ["/", "//", "/.", "/srv/..", "/../"])
def test_the_whole_machine_is_a_storage_only_for_whoever_says_so(path):
    for variables in ({"BASE_PATH": path}, {"STORAGE_LOCAL": f"file://{path}"}, {"STORAGE_X": f"file://{path}?shared=1"}):
        [name] = variables
        with pytest.raises(ImproperlyConfigured, match=f"^{name} is /.* set ALLOW_WHOLE_MACHINE=true"):
            env.read({**KEY, **variables})
        assert env.read({**KEY, **variables, "ALLOW_WHOLE_MACHINE": "true"}).allow_whole_machine
    assert env.read({**KEY, "BASE_PATH": "/", "STORAGE_LOCAL": "file:///srv"}).storages == {"local": "file:///srv"}


def test_a_missing_key_is_no_matter_while_debugging():
    assert env.read({"DEBUG": "true"}).secret_key == env.DEBUG_KEY


def test_values_are_taken_as_they_stand_even_with_a_dollar_in_front():
    source = {"SECRET_KEY": "$HOME" + "q7-Vt0z_" * 8, "BASE_PATH": "/srv/$HOME ü"}
    environment = env.read(source)
    assert environment.secret_key == source["SECRET_KEY"]
    assert environment.base_path == Path("/srv/$HOME ü")


def test_the_local_storage_is_the_base_path_unless_it_is_set():
    assert env.read({**KEY, "BASE_PATH": "/srv/a b"}).storages == {"local": "file:///srv/a%20b"}
    assert env.read({**KEY, "STORAGE_LOCAL": "file:///x"}).storages == {"local": "file:///x"}


def test_a_relative_base_path_belongs_to_the_project_wherever_one_stands(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert env.read({**KEY, "BASE_PATH": "./files"}).base_path == env.ROOT / "files"


def test_every_storage_variable_becomes_an_alias_in_lower_case():
    source = {**KEY, "STORAGE_TAPE_2": "s3://bucket/x?endpoint_url=http://h", "STORAGE_OFF": ""}
    assert env.read(source).storages.keys() == {"local", "tape_2"}


def test_the_emulator_variable_of_google_is_not_a_storage():
    assert env.read({**KEY, "STORAGE_EMULATOR_HOST": "http://127.0.0.1:1"}).storages.keys() == {"local"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "maybe"),
        ("SECURE", "2"),
        ("API_TOKEN_DAYS", "0"),
        ("API_TOKEN_DAYS", "-1"),
        ("API_TOKEN_DAYS", "soon"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "LOUD"),
        ("STORAGE_X", "/srv/files"),
        ("STORAGE_", "file:///srv"),
        ("STORAGE_A-B", "file:///srv"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_the_name_of_its_variable(name, value):
    with pytest.raises(ImproperlyConfigured, match=f"^{name} |^{name}:"):
        env.read({**KEY, name: value})


@pytest.mark.parametrize(
    ("variables", "secure"),
    [
        ({}, False),
        ({"ALLOWED_HOSTS": "127.0.0.1, localhost"}, False),
        ({"ALLOWED_HOSTS": "127.0.0.1,sync.example.org"}, True),
        ({"ALLOWED_HOSTS": "*"}, True),
        ({"ALLOWED_HOSTS": "sync.example.org", "SECURE": "false"}, False),
        ({"ALLOWED_HOSTS": "sync.example.org", "DEBUG": "true"}, False),
        ({"SECURE": "on"}, True),
    ],
)
def test_https_is_demanded_as_soon_as_other_machines_may_come(variables, secure):
    assert env.read({**KEY, **variables}).secure is secure


# ── notifications ─────────────────────────────────────────────────────────────────────────────────────────────

WEBHOOK_SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY="


def test_who_is_told_is_read():
    found = env.read(
        {
            **KEY,
            "WEBHOOKS": "https://hooks.example.org/a?b=c, http://10.0.0.5:9000",
            "WEBHOOK_ORIGINS": "https://hooks.example.org",
            "WEBHOOK_SECRET": WEBHOOK_SECRET,
            "EMAIL_URL": "smtp+tls://ann:s%40cret@mail.example.org:587",
            "NOTIFY_EMAILS": "a@example.org,b@example.org",
        }
    )
    assert found.webhooks == ["https://hooks.example.org/a?b=c", "http://10.0.0.5:9000"]
    assert (found.webhook_origins, found.webhook_secret) == (["https://hooks.example.org"], WEBHOOK_SECRET)
    assert (found.email["EMAIL_HOST"], found.email["EMAIL_HOST_PASSWORD"]) == ("mail.example.org", "s@cret")
    assert found.email["EMAIL_USE_TLS"] and found.email["EMAIL_TIMEOUT"] and len(found.notify_emails) == 2


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("WEBHOOKS", "hooks.example.org"),
        ("WEBHOOKS", "file:///etc/passwd"),
        ("WEBHOOKS", "https://user:password@hooks.example.org/"),
        ("WEBHOOK_ORIGINS", "https://hooks.example.org/path"),
        ("WEBHOOK_ORIGINS", "*"),
        ("WEBHOOK_SECRET", ""),
        ("WEBHOOK_SECRET", "whsec_c2hvcnQ="),
        ("WEBHOOK_SECRET", "not base64"),
        ("NOTIFY_EMAILS", "a@example.org"),
        ("EMAIL_URL", "http://mail.example.org"),
    ],
)
def test_a_wrong_way_to_tell_somebody_is_refused_by_name(variable, value):
    right = {**KEY, "WEBHOOKS": "https://hooks.example.org", "WEBHOOK_SECRET": WEBHOOK_SECRET}
    with pytest.raises(ImproperlyConfigured, match=variable):
        env.read({**right, variable: value})
