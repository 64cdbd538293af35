"""How much of the API one user gets, and what becomes of somebody who guesses keys."""

from jobs.api import throttling
from jobs.api.throttling import REFUSED_A_MINUTE


def test_a_user_who_asks_too_much_is_told_how_long_to_wait(api, settings, client_of, make_user):
    settings.API_REQUESTS_PER_MINUTE = 20
    assert {api.get("/api/jobs").status_code for _ in range(20)} == {200}
    answer = api.get("/api/jobs")
    assert answer.status_code == 429
    assert answer.json().keys() == {"code", "message", "field", "hint"} and answer.json()["code"] == "THROTTLED"
    assert 0 < int(answer["Retry-After"]) <= 60
    assert client_of(make_user("view_job")).get("/api/jobs").status_code == 200


def test_another_key_of_the_same_user_and_another_web_process_help_nobody(api, user, settings, client_of, monkeypatch):
    settings.API_REQUESTS_PER_MINUTE = 20
    for _ in range(20):
        api.get("/api/jobs")
    monkeypatch.setattr(throttling, "_ration", throttling.Ration())
    assert client_of(user).get("/api/jobs").status_code == 429


def test_whoever_guesses_keys_is_stopped_and_whoever_has_one_is_not(api, client):
    guesses = [client.get("/api/jobs", headers={"Authorization": f"Token {'a' * 64}"}) for _ in range(80)]
    codes = [guess.status_code for guess in guesses]
    assert codes == [401] * REFUSED_A_MINUTE + [429] * (80 - REFUSED_A_MINUTE)
    assert guesses[-1].json()["code"] == "THROTTLED" and int(guesses[-1]["Retry-After"]) > 0
    assert api.get("/api/jobs").status_code == 200
    assert client.get("/api/jobs", REMOTE_ADDR="192.0.2.9").status_code == 401
