from __future__ import annotations

import socket
from pathlib import Path

import pytest

from erlen.errors import ConfigurationError
from erlen.server.address import check_listener


def test_a_free_port_passes(port: int) -> None:
    check_listener("127.0.0.1", port)
    check_listener("localhost", port)


def test_a_taken_port_is_told_with_another_to_take() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"Port {number} .* is taken") as caught:
            check_listener("127.0.0.1", number)
    assert f"--port {number + 1}" in str(caught.value)


def test_a_port_that_another_server_would_share_is_taken_too() -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigurationError, match="is taken"):
            check_listener("127.0.0.1", taken.getsockname()[1])


@pytest.mark.parametrize(
    ("host", "port", "said"),
    [("127.0.0.1", 0, "not a port"), ("127.0.0.1", 70000, "not a port"), ("192.0.2.1", 8000, "cannot be listened on")],
)
def test_what_cannot_be_listened_on_is_told(host: str, port: int, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        check_listener(host, port)


def test_a_socket_left_by_a_dead_server_is_removed_and_a_live_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    check_listener("", 0, path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        with pytest.raises(ConfigurationError, match="Another server listens"):
            check_listener("", 0, path)
    check_listener("", 0, path)
    assert not path.exists()


def test_other_files_and_missing_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(ConfigurationError, match="no socket"):
        check_listener("", 0, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "precious"
    with pytest.raises(ConfigurationError, match="no folder"):
        check_listener("", 0, tmp_path / "missing" / "socket")
