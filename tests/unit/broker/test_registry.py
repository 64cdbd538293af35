"""From a URL to a broker."""

import subprocess
import sys

import pytest

from transfers.broker.errors import BrokerMisconfigured
from transfers.broker.rabbitmq.address import Address
from transfers.broker.registry import open_broker


@pytest.mark.parametrize("url", ["redis://h", "", "database", "AMQP//x"])
def test_an_unknown_scheme_is_answered_with_the_known_ones(url):
    with pytest.raises(BrokerMisconfigured, match=r"database://, memory://, amqp://, amqps://"):
        open_broker(url, queue_prefix="q")


@pytest.mark.parametrize(
    "url",
    ["redis://u:s3cret@h", "amqp://u:s3cret@h:port/", "amqp://u:s3cret@[h/", "amqp://u:s3cret@h/?queue_type=stream"],
)
def test_no_refusal_shows_the_password(url):
    with pytest.raises(BrokerMisconfigured) as refused:
        open_broker(url, queue_prefix="q")
    assert "s3cret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_neither_the_description_nor_the_repr_shows_the_password():
    address = Address.from_url("amqps://u:s3cret@h/v")
    assert str(address) == "amqps://u:***@h:5671/v"
    assert "s3cret" not in repr(address)


def test_the_url_is_read_as_the_amqp_uri_specification_says():
    address = Address.from_url("amqp://us%40er:p%2Fw@host:1234/my%2Fvhost")
    assert (address.user, address.password, address.host, address.port) == ("us@er", "p/w", "host", 1234)
    assert address.vhost == "my/vhost"


@pytest.mark.parametrize("url", ["amqp://h", "amqp://h/", "amqp://h/%2F"])
def test_without_a_name_the_virtual_host_is_the_default_one(url):
    assert Address.from_url(url).vhost == "/"


def test_queues_are_quorum_queues_unless_the_url_says_classic():
    assert Address.from_url("amqp://h").queue_type == "quorum"
    assert Address.from_url("amqp://h/?queue_type=classic").queue_type == "classic"


def test_an_unknown_option_is_named():
    with pytest.raises(BrokerMisconfigured, match="'heartbeat'"):
        Address.from_url("amqp://h/?heartbeat=5")


def test_the_package_loads_without_django_and_without_pika():
    code = (
        "import sys; from transfers.broker.registry import open_broker;"
        "open_broker('memory://', queue_prefix='q').close();"
        "sys.exit(bool({'django', 'pika'} & sys.modules.keys()))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
