"""Emulators, Swift and OpenSSH: each answers, keeps what its own SDK gives it, and leaves nothing behind."""

import os
import subprocess
from contextlib import contextmanager
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import paramiko
import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient
from botocore.exceptions import ClientError
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage as google_storage

from tests.servers import ServerMissing, buckets, processes
from tests.servers.cloud import AZURITE_ACCOUNT, AZURITE_KEY
from tests.servers.ensure import AZURITE, GCS, MOTO, SFTP, SWIFT
from tests.servers.sftp import PrivateSftp
from tests.servers.swift import PrivateSwift

KINDS = (MOTO, SWIFT, GCS, AZURITE, SFTP)
DATA = b"one object"


@contextmanager
def running(kind):
    """Missing is a failure under CI, else a skip that says what is missing."""
    try:
        server = kind.make()
    except ServerMissing as missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(missing))
    try:
        server.start()
        yield server
    except ServerMissing as missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(missing))
    finally:
        server.remove()


@pytest.fixture
def place(monkeypatch):
    """A context manager: the storage URL of an empty place at that server."""

    def make(kind, server):
        monkeypatch.setattr(buckets, "ensure", lambda asked: {kind: server.url}[asked])
        return {
            MOTO: lambda: buckets.s3_bucket(MOTO),
            SWIFT: lambda: buckets.s3_bucket(SWIFT),
            GCS: buckets.gcs_bucket,
            AZURITE: buckets.azure_container,
            SFTP: buckets.sftp_directory,
        }[kind]()

    return make


@contextmanager
def s3(kind, server):
    """The official SDK's client."""
    _, key, secret = buckets.S3_PROFILES[kind.name]
    client = boto3.client(
        "s3", endpoint_url=server, aws_access_key_id=key, aws_secret_access_key=secret, region_name="us-east-1"
    )
    try:
        yield client
    finally:
        client.close()


@contextmanager
def google(server):
    """The official SDK's client."""
    client = google_storage.Client("none", AnonymousCredentials(), client_options={"api_endpoint": server})
    try:
        yield client
    finally:
        client.close()


def azure(server):
    """The official SDK's client, a context manager."""
    return BlobServiceClient(server, credential={"account_name": AZURITE_ACCOUNT, "account_key": AZURITE_KEY})


@contextmanager
def sftp(url):
    """paramiko's client, which knows the server's host key and no other."""
    parts = urlsplit(url)
    options = parse_qs(parts.query)
    with paramiko.SSHClient() as client:
        client.load_host_keys(options["known_hosts"][0])
        client.connect(
            parts.hostname,
            parts.port,
            parts.username,
            key_filename=options["key_file"][0],
            allow_agent=False,
            look_for_keys=False,
        )
        with client.open_sftp() as session:
            yield session


def put_and_get(kind, server, url):
    """One object there and back."""
    name = urlsplit(url).netloc
    if kind in (MOTO, SWIFT):
        with s3(kind, server.url) as client:
            client.put_object(Bucket=name, Key="a/b", Body=DATA)
            with client.get_object(Bucket=name, Key="a/b")["Body"] as body:
                return body.read()
    if kind is GCS:
        with google(server.url) as client:
            client.bucket(name).blob("a/b").upload_from_string(DATA)
            return client.bucket(name).blob("a/b").download_as_bytes()
    if kind is AZURITE:
        with azure(server.url) as client, client.get_blob_client(urlsplit(url).path[1:], "a/b") as blob:
            blob.upload_blob(DATA)
            return blob.download_blob().readall()
    with sftp(url) as session:
        path = f"{unquote(urlsplit(url).path)}/b"
        with session.open(path, "wb") as file:
            file.write(DATA)
        with session.open(path, "rb") as file:
            return file.read()


def is_there(kind, server, url):
    """Whether the place still exists."""
    name = urlsplit(url).netloc
    if kind in (MOTO, SWIFT):
        with s3(kind, server.url) as client:
            try:
                return bool(client.head_bucket(Bucket=name))
            except ClientError:
                return False
    if kind is GCS:
        with google(server.url) as client:
            return client.lookup_bucket(name) is not None
    if kind is AZURITE:
        with azure(server.url) as client, client.get_container_client(urlsplit(url).path[1:]) as container:
            try:
                return bool(container.get_container_properties())
            except ResourceNotFoundError:
                return False
    return os.path.exists(unquote(urlsplit(url).path))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.variable)
def test_a_server_takes_one_object_gives_it_back_and_leaves_nothing_behind(kind, place):
    with running(kind) as server:
        assert kind.answers(server.url)
        with place(kind, server) as url:
            assert is_there(kind, server, url)
            assert put_and_get(kind, server, url) == DATA
        assert not is_there(kind, server, url)
        directory, started, address = server.directory, server.processes, server.url
        server.stop()
        assert not kind.answers(address)
        server.start()
        assert kind.answers(server.url) and server.url == address
        started = [*started, *server.processes]
    assert started
    assert not any(process.is_alive() for process in started)
    assert not directory.exists()


@pytest.mark.parametrize("how", ["stop", "kill9"])
def test_a_client_of_openssh_is_cut_off_when_the_server_ends(how):
    with running(SFTP) as server, sftp(server.url) as session:
        assert session.listdir("/")
        sessions = [one for process in server.processes for one in processes.descendants(process)]
        assert sessions
        getattr(server, how)()
        assert not any(process.is_alive() for process in sessions)
        # Which of them it is depends on whether the end was noticed before the request or while waiting for the answer.
        with pytest.raises((OSError, EOFError, paramiko.SSHException)):
            session.listdir("/")


def test_openssh_lets_in_nobody_without_the_key(tmp_path):
    with running(SFTP) as server:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
        another = server.url.replace(str(server.directory / "client_key"), str(tmp_path / "key"))
        with pytest.raises(paramiko.AuthenticationException), sftp(another):
            pass


@pytest.mark.parametrize(
    ("make", "finds"),
    [(PrivateSwift, "tests.servers.installed.python_packages"), (PrivateSftp, "tests.servers.sftp.find_program")],
)
def test_a_server_whose_program_is_missing_leaves_no_directory(make, finds, monkeypatch, tmp_path):
    def missing(*_):
        raise ServerMissing("not there")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(finds, missing)
    with pytest.raises(ServerMissing):
        make()
    assert list(tmp_path.iterdir()) == []
