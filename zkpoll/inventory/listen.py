"""The settings of the push door: where we listen, and how a device calls."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network  # noqa: TC003  (pydantic reads the annotations)
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, model_validator

from zkpoll.inventory.credentials import PathSecret
from zkpoll.inventory.hosts import Binding  # noqa: TC001  (pydantic reads the annotations)
from zkpoll.inventory.kinds import HostAndPort, IpNetwork, Listed, ListenAddress, WholeSeconds
from zkpoll.inventory.problems import Sentence
from zkpoll.inventory.settings import MASK, Settings, as_text, masked


class Listen(Settings):
    """The listener of `zkpoll serve`."""

    address: Annotated[Binding | Literal["systemd"], ListenAddress(), as_text] = Field(
        description="Where devices that push call, such as 0.0.0.0:8081; systemd for a socket that it hands"
        " over"
    )
    health: Annotated[Binding, HostAndPort(), as_text] | None = Field(
        default=None, description="Where GET /health is answered, such as 127.0.0.1:8082; else nowhere"
    )
    poll_every: Annotated[int, WholeSeconds("2s", "60s")] = Field(
        default=30, description="How often an idle device calls, in seconds or as 30s"
    )
    trusted_proxies: Annotated[
        tuple[Annotated[IPv4Network | IPv6Network, IpNetwork()], ...], Listed(IpNetwork(), "[10.0.0.2]")
    ] = Field(
        default=(), description="The addresses or networks of proxies whose X-Forwarded-For is believed"
    )

    @model_validator(mode="after")
    def _check_apart(self) -> Self:
        if self.health is not None and self.health.port and self.health == self.address:
            raise Sentence("is where devices call; they and this have each a port of their own", key="health")
        return self


class Push(Settings):
    """The calls of a device that pushes."""

    secret: Annotated[SecretStr, PathSecret(), masked] | None = Field(
        default=None,
        description="What stands in the address that is typed into the device, http://HOST:PORT/SECRET; best"
        " from the environment: ${NAME}",
    )
    networks: Annotated[
        tuple[Annotated[IPv4Network | IPv6Network, IpNetwork()], ...],
        Listed(IpNetwork(), "[203.0.113.0/24]", least=1),
    ] = Field(
        default=(),
        json_schema_extra={"default": None},  # which is anywhere; an empty list would read like nowhere
        description="The addresses or networks it may call from; without this it may from anywhere",
    )

    def secret_text(self) -> str | None:
        """Return the secret's text, or None if it needs none."""
        return self.secret.get_secret_value() if self.secret else None

    def written(self) -> bool | dict[str, Any]:
        """Return it as it is written in an inventory, with the secret masked."""
        settings = {
            "secret": MASK if self.secret else None,
            "networks": [str(network) for network in self.networks],
        }
        return {key: value for key, value in settings.items() if value} or True
