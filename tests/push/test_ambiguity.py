"""Heads that can be read in two ways."""

from __future__ import annotations

import pytest

from zkpoll.push.ambiguity import is_ambiguous


@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["Host: x"],
        ["Content-Length: 0"],
        ["content-length:12"],
        ["Content-Length: \t12 "],
        ["Content-Length: 007"],
        ["Content-Length: " + "1" * 15],
        ["Transfer-Encoding: Chunked"],
        ["X-Content-Length: 1", "X-Content-Length: 2"],
    ],
)
def test_what_is_clear(headers: list[str]) -> None:
    """One length, or chunks, or neither: the end of the body is clear."""
    assert not is_ambiguous("\r\n".join(["POST / HTTP/1.1", *headers, "", ""]).encode())


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: 1", "Content-Length: 1"],
        ["Content-Length: 1", "CONTENT-LENGTH: 2"],
        ["Content-Length: 1", "Transfer-Encoding: chunked"],
        ["Content-Length: 1", "Transfer-Encoding:"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked, chunked"],
        ["Transfer-Encoding: gzip, chunked"],
        ["Transfer-Encoding:"],
        ["Content-Length:"],
        ["Content-Length: -1"],
        ["Content-Length: 1 2"],
        ["Content-Length: 1_0"],
        ["Content-Length: 1:2"],
        ["Content-Length: 12\x0b"],
        ["Content-Length: ٣"],
        ["Content-Length: " + "1" * 16],
        ["X: 1", " folded"],
        ["X: 1", "\tfolded"],
    ],
)
def test_what_is_in_doubt(headers: list[str]) -> None:
    """Two lengths, a length that is no number, a coding that is not chunks alone, a folded line: in doubt."""
    assert is_ambiguous("\r\n".join(["POST / HTTP/1.1", *headers, "", ""]).encode())


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/2.0", ""])
def test_chunks_are_of_one_version(version: str) -> None:
    """Only HTTP/1.1 has chunks."""
    assert is_ambiguous(f"POST / {version}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
