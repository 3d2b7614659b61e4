"""Files that settings name. A flaw is told by the name of the file, never by its content."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NoReturn

from zkpoll.inventory.problems import Sentence
from zkpoll.ordinary_files import TooLarge, contents, open_to_read

if TYPE_CHECKING:
    from pathlib import Path

_LONGEST: Final = 65_536
"""Bytes of a text; a token is tens to a few thousand long, and a file far beyond that is the wrong one."""
_LINE_END: Final = re.compile(r"\r?\n\Z")


def expanded(path: Path) -> Path:
    """Given a path, return it with `~` expanded. Raise ValueError when there is no such home."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError("expected a path; its home folder (~) is not known") from None


def content(path: Path, longest: int = _LONGEST) -> str:
    """Given the path of a text, return it without its final line end. Raise Sentence saying why not.

    `longest` is how many bytes it may have.
    """
    try:
        return _LINE_END.sub("", contents(path, longest).decode("utf-8"))
    except TooLarge:
        raise Sentence(f"{{it}} is larger than {longest} bytes; is it the right file?", value=path) from None
    except OSError as error:
        raise _unreadable(path, error) from None
    except UnicodeDecodeError:
        raise Sentence("{it} is not UTF-8 text", value=path) from None


def check_certificates(path: Path) -> None:
    """Given a path, raise Sentence if the file does not hold certificates in PEM form."""
    import ssl

    _check_readable(path)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        raise Sentence("{it} does not hold certificates in PEM form, or a damaged one", value=path) from None


def check_key(certificate: Path, key: Path | None) -> None:
    """Given the files of a certificate and of its key (None: the same), raise Sentence if it does not fit."""
    import ssl

    holder = key or certificate
    _check_readable(holder)

    def refuse() -> NoReturn:
        # Without this OpenSSL would ask for the passphrase on the terminal.
        raise Sentence(
            "the key in {it} needs a passphrase; store it without one, readable to us alone", value=holder
        )

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password=refuse)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            wrong = "the key in {it} is not that of the certificate in client_cert"
            raise Sentence(wrong, value=holder) from None
        raise Sentence("{it} does not hold a private key in PEM form", value=holder) from None


def _check_readable(path: Path) -> None:
    """Given a path, raise Sentence where OpenSSL would fail in its own words, or wait."""
    try:
        open_to_read(path).close()
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> Sentence:
    return Sentence(f"cannot read {{it}}: {error.strerror}", value=path)
