"""Help texts as manual pages: one for each command, and zkpoll(1) for all."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Final

import click

from tests.share.roff import Title, bold, document, escaped, italic, item, paragraphs, prose

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WIDE: Final = 10_000
"""Columns: no text is broken or shortened before it is a page."""
_CODES: Final = "Exit codes: "
"""How the paragraph begins that a page has in a section of its own."""
_FILES: Final = (
    ("./devices.yaml", "the inventory, where one is in the folder that the command is started in"),
    ("~/.config/zkpoll/devices.yaml", "else that of the user"),
    ("/etc/zkpoll/devices.yaml", "else that of the machine, which the services read"),
)
_VARIABLES: Final = (("ZKPOLL_CONFIG", "the inventory, where no option names one"),)


def pages(group: click.Group, title: Title, exit_codes: Mapping[str, str]) -> dict[str, str]:
    """Return the pages of a group and all that is in it, by their names."""
    found = {"zkpoll": document(_first_page(group, title, exit_codes))}
    for context in _below(_context(group, None, "zkpoll")):
        name = _page_name(context)
        found[name] = document(_page(context, title))
    return found


def _context(command: click.Command, parent: click.Context | None, name: str) -> click.Context:
    return click.Context(
        command,
        parent,
        info_name=name,
        terminal_width=_WIDE,
        max_content_width=_WIDE,
        help_option_names=["-h", "--help"],
    )


def _children(context: click.Context) -> Iterator[click.Context]:
    """Yield the commands of a group, in its own order."""
    group = context.command
    if isinstance(group, click.Group):
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if command is not None and not command.hidden:
                yield _context(command, context, name)


def _below(context: click.Context) -> Iterator[click.Context]:
    for child in _children(context):
        yield child
        yield from _below(child)


def _page_name(context: click.Context) -> str:
    return context.command_path.replace(" ", "-")


def _short(context: click.Context) -> str:
    return context.command.get_short_help_str(_WIDE).removesuffix(".")


def _name(context: click.Context) -> Iterator[str]:
    yield from (".SH NAME", f"{escaped(_page_name(context))} \\- {escaped(_short(context))}")


def _synopsis(context: click.Context) -> Iterator[str]:
    pieces = " ".join(
        italic(piece) for piece in context.command.collect_usage_pieces(context) if piece.strip()
    )
    yield from (".SH SYNOPSIS", f"{bold(context.command_path)} {pieces}".rstrip())


def _options(context: click.Context) -> Iterator[str]:
    records = [
        record for one in context.command.get_params(context) if (record := one.get_help_record(context))
    ]
    if records:
        yield ".SH OPTIONS"
    for names, text in records:
        yield from item(", ".join(map(_option, names.split(", "))), [prose(text)])


def _option(name: str) -> str:
    """Return an option as it is typed, and behind it what it takes."""
    typed, _, takes = name.partition(" ")
    return f"{bold(typed)} {italic(takes)}" if takes else bold(typed)


def _page(context: click.Context, title: Title) -> Iterator[str]:
    yield title.line(_page_name(context), 1)
    yield from _name(context)
    yield from _synopsis(context)
    about, codes = _codes_apart(inspect.cleandoc(context.command.help or ""))
    yield from (".SH DESCRIPTION", *paragraphs(about))
    commands = list(_children(context))
    if commands:
        yield ".SH COMMANDS"
        for one in commands:
            yield from item(f"{bold(_page_name(one))}(1)", [prose(_short(one))])
    yield from _options(context)
    if codes:
        yield from (".SH EXIT STATUS", prose(f"{codes} All codes are in"), f"{bold('zkpoll')}(1).")
    parent = context.parent
    others = [f"{bold('zkpoll.yaml')}(5)"]
    if parent is not None:
        others.insert(0, f"{bold(_page_name(parent))}(1)")
    yield from (".SH SEE ALSO", ", ".join(others))


def _codes_apart(text: str) -> tuple[str, str]:
    """Return a help text without the paragraph of its exit codes, and that one, without how it begins."""
    parts = text.split("\n\n")
    codes = [part.removeprefix(_CODES) for part in parts if part.startswith(_CODES)]
    return "\n\n".join(part for part in parts if not part.startswith(_CODES)), "\n\n".join(codes)


def _first_page(group: click.Group, title: Title, exit_codes: Mapping[str, str]) -> Iterator[str]:
    context = _context(group, None, "zkpoll")
    yield title.line("zkpoll", 1)
    yield from _name(context)
    yield from _synopsis(context)
    yield from (".SH DESCRIPTION", *paragraphs(group.help or ""))
    yield ".SH COMMANDS"
    for one in _below(context):
        if not isinstance(one.command, click.Group):
            yield from item(f"{bold(_page_name(one))}(1)", [prose(_short(one))])
    yield from _options(context)
    yield ".SH EXIT STATUS"
    for code, meaning in exit_codes.items():
        yield from item(bold(code), [prose(meaning)])
    yield ".SH ENVIRONMENT"
    for name, meaning in _VARIABLES:
        yield from item(bold(name), [prose(meaning)])
    yield ".SH FILES"
    for name, meaning in _FILES:
        yield from item(italic(name), [prose(meaning)])
    first = ("zkpoll-init", "zkpoll-sync", "zkpoll-status")
    there = {_page_name(one) for one in _below(context)}
    others = [f"{bold(name)}(1)" for name in first if name in there]
    yield from (".SH SEE ALSO", ", ".join((*others, f"{bold('zkpoll.yaml')}(5)")))
