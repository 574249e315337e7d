"""Addresses as they are displayed, and messages that repeat them."""

import pytest

from optuna_sweep.location import displayed, without_password


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("studies/mlp.log", "studies/mlp.log"),
        ("/home/me@work:1/mlp.log", "/home/me@work:1/mlp.log"),
        ("sqlite:////home/me@work/mlp.db", "sqlite:////home/me@work/mlp.db"),
        ("grpc://host:13000", "grpc://host:13000"),
        ("grpc://host:abc", "grpc://host:abc"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        ("postgresql://me:secret@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("postgresql://u:p@h:12x/db", "postgresql://u:***@h:12x/db"),
        ("postgresql://me:secret@[::1]:5432/db", "postgresql://me:***@[::1]:5432/db"),
        ("mysql://me:p@ss@host/db", "mysql://me:***@host/db"),
        ("mysql://me:p/s?s@host/db", "mysql://me:***@host/db"),
        ("mysql://me:a:b@host/db", "mysql://me:***@host/db"),
        (
            "postgresql://host/db?user=me&password=secret&sslmode=require",
            "postgresql://host/db?user=me&password=***&sslmode=require",
        ),
        ("postgresql://host/db?password=s@cret", "postgresql://host/db?password=***"),
    ],
)
def test_a_password_is_not_displayed(address: str, expected: str) -> None:
    assert displayed(address) == expected


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("x=3", "x=3"),
        ("data.url=https://host/file.npz", "data.url=https://host/file.npz"),
        ("data.url=https://token@host/file.npz", "data.url=https://***@host/file.npz"),
        ("tracking.uri='http://me:secret@host'", "tracking.uri='http://***@host'"),
        ("urls=[http://a:b@host,http://c:d@host]", "urls=[http://***@host]"),
    ],
)
def test_nor_is_a_user_where_the_name_may_be_a_token(override: str, expected: str) -> None:
    assert displayed(override, shows_user=False) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("cannot open postgresql://me:secret@host/db", "cannot open postgresql://me:***@host/db"),
        ("access denied: 'secret'", "access denied: '***'"),
        ("no route to host", "no route to host"),
    ],
)
def test_a_message_does_not_repeat_the_password(message: str, expected: str) -> None:
    assert without_password(message, "postgresql://me:secret@host/db") == expected
