"""Passwords can't be guessed: tries are counted before they are made, by name and by address."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobs.logins import OF_ADDRESS, OF_NAME, OF_NAME_AT_ADDRESS, client_address

LOGIN = "/admin/login/"


@pytest.fixture
def somebody(db):
    return User.objects.create_superuser("somebody", password="right")


def log_in(name, password, address="192.0.2.1", **headers):
    return Client().post(LOGIN, {"username": name, "password": password}, REMOTE_ADDR=address, **headers)


def test_after_five_wrong_passwords_the_right_one_is_refused_too(somebody):
    for _ in range(OF_NAME_AT_ADDRESS.most):
        assert log_in("somebody", "wrong").status_code == 200
    answer = log_in("somebody", "right")
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= OF_NAME_AT_ADDRESS.seconds
    assert "Too many logins failed. Try again in 15 minutes." in answer.content.decode()
    assert log_in("somebody", "right", address="192.0.2.2").status_code == 302
    assert log_in("another", "wrong").status_code == 200


def test_a_refused_login_hashes_no_password(somebody, monkeypatch):
    for _ in range(OF_NAME_AT_ADDRESS.most):
        log_in("somebody", "wrong")
    monkeypatch.setattr("django.contrib.auth.models.User.check_password", None)
    assert log_in("somebody", "wrong").status_code == 429


def test_the_page_says_the_same_whether_there_is_such_a_user_or_not(somebody):
    def pages(name):
        for _ in range(OF_NAME_AT_ADDRESS.most + 1):
            answer = log_in(name, "wrong")
            yield answer.status_code, answer.content.decode().replace(name, "").partition("<form")[0]

    assert list(pages("somebody")) == list(pages("stranger"))


def test_one_address_can_not_try_name_after_name(somebody):
    codes = [log_in(f"name{number}", "wrong").status_code for number in range(OF_ADDRESS.most + 1)]
    assert codes == [200] * OF_ADDRESS.most + [429]


def test_an_account_of_ones_own_buys_no_more_guesses(somebody):
    User.objects.create_superuser("mine", password="mine")
    codes = []
    for number in range(OF_ADDRESS.most + 1):
        assert log_in("mine", "mine").status_code in (302, 429)
        codes.append(log_in(f"name{number}", "wrong").status_code)
    assert codes == [200] * OF_ADDRESS.most + [429]


def test_many_addresses_together_do_not_get_far_with_one_name(somebody):
    codes = [log_in("somebody", "wrong", address=f"198.51.100.{number}").status_code for number in range(OF_NAME.most)]
    assert codes == [200] * OF_NAME.most
    assert log_in("somebody", "right", address="203.0.113.1").status_code == 429


def test_whoever_logs_in_often_is_not_kept_out(somebody):
    assert {log_in("somebody", "right").status_code for _ in range(OF_ADDRESS.most + 5)} == {302}


def test_a_right_password_makes_wrong_ones_of_before_forgotten(somebody):
    for password in ("wrong", "wrong", "wrong", "wrong", "right") * 3:
        assert log_in("somebody", password).status_code == (302 if password == "right" else 200)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "remote", "address"),
    [
        (0, "198.51.100.7", "192.0.2.1", "192.0.2.1"),
        (1, "198.51.100.7", "127.0.0.1", "198.51.100.7"),
        (1, "10.9.8.7, 198.51.100.7", "127.0.0.1", "198.51.100.7"),
        (2, "10.9.8.7, 198.51.100.7, 203.0.113.9", "127.0.0.1", "198.51.100.7"),
        (2, "198.51.100.7", "127.0.0.1", "198.51.100.7"),
        (1, "", "192.0.2.1", "192.0.2.1"),
        (0, "", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        (0, "", "::ffff:192.0.2.1", "192.0.2.1"),
        (1, "nonsense", "192.0.2.1", "nonsense"),
        (0, "", "", ""),
    ],
)
def test_an_address_is_what_the_trusted_proxies_saw(rf, settings, proxies, forwarded, remote, address):
    settings.TRUSTED_PROXIES = proxies
    headers = {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {}
    assert client_address(rf.get("/", REMOTE_ADDR=remote, **headers)) == address
