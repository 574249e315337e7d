"""Addresses as they are displayed, and messages that repeat them."""

import pytest

from optuna_sweep.location import displayed, without_credentials, without_password


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
        ("postgresql://host/db?a=1?password=x", "postgresql://host/db?a=1?password=***"),
        (
            "postgresql://host:5432/db?user=me@corp.com&password=secret",
            "postgresql://host:***@corp.com&password=***",
        ),
    ],
)
def test_a_password_is_not_displayed(address: str, expected: str) -> None:
    assert displayed(address) == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("x=3", "x=3"),
        ("data.url=https://host/file.npz", "data.url=https://host/file.npz"),
        ("data.url=https://token@host/file.npz seed=1", "data.url=https://***@host/file.npz seed=1"),
        ("'tracking.uri=http://me:p@ss@host?a=b'", "'tracking.uri=http://***@host?a=b'"),
        ("'urls=[http://a:b@host,http://c:d@host]'", "'urls=[http://***@host,http://***@host]'"),
        ("'urls=[https://me:a@host/x?password=y]' seed=1", "'urls=[https://***@host/x?password=***]' seed=1"),
        ("'name=see http://wiki/x and mail me@y.org'", "'name=see http://wiki/x and mail me@y.org'"),
    ],
)
def test_a_command_holds_neither_names_nor_passwords(command: str, expected: str) -> None:
    assert without_credentials(command) == expected


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
