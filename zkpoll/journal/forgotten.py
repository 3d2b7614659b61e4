"""What was pruned, and is known if it is shown again: the digests of its bytes, and its identity.

    in the journal      punch, with its id       form, with its bytes
    pruned              forgotten_punch          form for a while yet, then forgotten_form

One transaction takes a punch out of one table and puts it into the other, and so with each of its forms. At
every moment a record that is shown again is settled as if its punch was here still: by its bytes, or, in a
form that had not shown it, by its user and second and an equal state. It goes to no outbox any more: every
dashboard had it, or a person discarded it, before it was pruned.

16 bytes are kept of each, not eight: two records that share them would be one, and the second one lost.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

from zkpoll.journal.database import now

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zkpoll.journal.database import Journal, Row
    from zkpoll.journal.holds import Hold

PIECE: Final = 20_000
"""Forms looked at in one transaction: a tenth of a second, in which other processes wait."""
_SIZE: Final = 16


def digest(form: bytes) -> bytes:
    """Return what is kept of the bytes of a form."""
    return blake2b(form, digest_size=_SIZE).digest()


def _identity(id_: str) -> bytes:
    """Return the bytes of an id."""
    return bytes.fromhex(id_.replace("-", ""))


# --- what is shown again ---


def anything(journal: Journal, device: int | None) -> bool:
    """Say whether any punch of a device was ever pruned: most devices need nothing more than this look."""
    return journal.one("anything_forgotten", device=device) is not None


def forgotten_bytes(
    journal: Journal, device: int | None, asked: Sequence[bytes], *, pruned: bool | None = None
) -> list[tuple[int, int, int, int, int]]:
    """Return what is known of bytes by their digests alone, as the query `known_bytes` does of others.

    `pruned` is what `anything` says of the device, where that is known.
    """
    if not asked or not (anything(journal, device) if pruned is None else pruned):
        return []
    rows = journal.look_up("forgotten_bytes", [digest(one) for one in asked], device=device)
    return [(place, count, last, first, newest) for place, count, last, first, newest in rows]


class Holder(NamedTuple):
    """A punch that has a user and second."""

    seq: int
    kinds: int
    """The forms that have shown it, as a sum."""
    nth: int
    """Which punch of its user and second it is."""
    hold: Hold | None
    source: str
    verify: int
    """-1, as the work code, where it was pruned: that is not kept."""
    state: int
    work_code: int
    pruned: bytes | None = None
    """Its identity, where it was pruned."""


def holders_of_seconds(
    journal: Journal, device: int | None, ids: Sequence[str], *, pruned: bool | None = None
) -> Iterator[tuple[int, Holder]]:
    """Yield the holders of seconds, also those that were pruned, each with the place of the second.

    `ids` are those of the first punches of a device's users and seconds, `pruned` is what `anything` says of
    it, where that is known.
    """
    for place, *holder in journal.look_up("punches_of_second", ids):
        yield place, Holder(*holder)
    if not ids or not (anything(journal, device) if pruned is None else pruned):
        return
    asked = [_identity(one) for one in ids]
    for place, *holder in journal.look_up("forgotten_punches", asked):
        yield place, Holder(*holder)._replace(pruned=asked[place])


def shown_and_pruned(journal: Journal, device: int, other: int) -> set[int]:
    """Return the places of another device's punches that this one had shown, too, by the same bytes."""
    found: set[int] = set()
    after: tuple[bytes, int] | None = (b"", 0) if anything(journal, device) else None
    while after:
        rows, after = _forms_behind(journal, other, after)
        known = forgotten_bytes(journal, device, [row[0] for row in rows])
        last = {place: occurrence for place, _, occurrence, *_ in known}
        found.update(row[2] for place, row in enumerate(rows) if row[1] <= last.get(place, 0))
    return found


# --- forgetting ---


def forget_punches(journal: Journal, device: int, seqs: Sequence[int]) -> None:
    """Keep the identities of a device's punches, in the transaction under way, which removes them."""
    rows = [
        {
            "id": _identity(id_),
            "punch": seq,
            "kinds": kinds,
            "state": state,
            "bridged": int(source == "bridge"),
        }
        for seq, id_, kinds, state, source in journal.look_up("to_be_forgotten", seqs)
    ]
    journal.run_many("forget_punch", rows)
    journal.run("note_pruned", device=device, now=now())


def forget_forms(journal: Journal, device: int) -> None:
    """Keep the digests of a device's forms whose punches were removed, and remove them.

    Piece by piece, each a transaction. One that was broken off has done a part: bytes are known by either.
    """
    after: tuple[bytes, int] | None = b"", 0
    while after:
        with journal.transaction():
            after = _forget_piece(journal, device, after)
            if after is None:
                journal.run("note_forms_forgotten", device=device)


def _forget_piece(journal: Journal, device: int, after: tuple[bytes, int]) -> tuple[bytes, int] | None:
    """Look at the forms behind one; return the last that was looked at, or None where these were all."""
    rows, last = _forms_behind(journal, device, after)
    left = [row for row in rows if row[3] is None]
    journal.run_many(
        "forget_form",
        [
            {"device": device, "digest": digest(bytes_), "occurrence": occurrence, "punch": punch}
            for bytes_, occurrence, punch, _ in left
        ],
    )
    journal.run_many(
        "remove_form",
        [{"device": device, "bytes": bytes_, "occurrence": occurrence} for bytes_, occurrence, *_ in left],
    )
    return last


def _forms_behind(
    journal: Journal, device: int, after: tuple[bytes, int]
) -> tuple[list[Row], tuple[bytes, int] | None]:
    """Return a piece of a device's forms behind one, and the last of them; None where these were all."""
    bytes_, occurrence = after
    rows = journal.all("forms_behind", device=device, bytes=bytes_, occurrence=occurrence, limit=PIECE)
    return rows, (rows[-1][0], rows[-1][1]) if len(rows) == PIECE else None
