"""The settings of the live status page: where it is, and who may see it."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  (pydantic reads the annotations)
from typing import Annotated, Final, Self

from pydantic import ConfigDict, Field, SecretStr, ValidationInfo, model_validator

from zkpoll.errors import InventoryError
from zkpoll.inventory.credentials import Token, secret_in
from zkpoll.inventory.hosts import Binding, is_loopback
from zkpoll.inventory.kinds import File, HostAndPort
from zkpoll.inventory.problems import Sentence
from zkpoll.inventory.settings import Settings, as_text, masked

_FILE: Final = "token_file"


class AdminToken(Token):
    """What a person types in as a password to see the page."""

    pattern = "[!-~]{16,256}"
    expected = "16 to 256 ASCII characters without spaces; openssl rand -hex 16 makes some"


class Admin(Settings):
    """The live status page of `zkpoll serve`."""

    model_config = ConfigDict(json_schema_extra={"not": {"required": ["token", _FILE]}})

    address: Annotated[Binding, HostAndPort(), as_text] = Field(
        description="Where the page is, such as 127.0.0.1:8083; with a token it may be one that other"
        " machines reach"
    )
    token: Annotated[SecretStr, AdminToken(), masked] | None = Field(
        default=None,
        description="The password that the page asks for, whatever the user name; 16 characters or more, best"
        " from the environment: ${NAME}",
    )
    token_file: Annotated[Path, File()] | None = Field(
        default=None,
        description="A file that holds the token, such as a systemd credential of zkpoll-serve; read when the"
        " page is opened to callers",
    )

    @model_validator(mode="after")
    def _check_token(self, info: ValidationInfo) -> Self:
        context = info.context or {}
        if self.token is not None and self.token_file is not None:
            raise Sentence("token and token_file exclude each other; keep one of them", key=_FILE)
        has_none = self.token is None and self.token_file is None
        if has_none and context.get("secrets", True) and not self.is_on_this_machine:
            raise Sentence(
                "can be reached from other machines, so the page needs a token: token_file: or token: beside"
                " it (or 127.0.0.1 here, to be seen from this machine alone)",
                key="address",
            )
        if self.token_file is not None and context.get("strict"):
            secret_in(self.token_file, AdminToken(), _FILE)
        return self

    @property
    def is_on_this_machine(self) -> bool:
        """Whether it is reached from this machine alone."""
        return is_loopback(self.address.host)

    def password(self) -> str | None:
        """Return the token's text, None where none is asked for. A file is read now.

        No other command needs it, and each service of systemd has credentials of its own: a run that reads
        devices is not to fail for the lack of it. Raise `InventoryError` where the file cannot be used.
        """
        try:
            secret = secret_in(self.token_file, AdminToken(), _FILE) if self.token_file else self.token
        except Sentence as error:
            raise InventoryError(f"admin.{_FILE}: {error}") from None
        return secret.get_secret_value() if secret else None
