"""Slips of a person who writes YAML: where they are, in our words, and what was meant. Pure.

A parser notices a slip late, often on the next line. Each rule here looks at what it noticed and at the lines
around, and makes a guess: the line of the slip, a sentence, and that line as it was meant. The guess is tried
by the caller: with it the parser has to get further. Nothing of a value is in a sentence: it may be a secret.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

_KEY: Final = re.compile(r"(?P<before> *(?:- +)*)(?P<key>[A-Za-z_][A-Za-z_-]{0,39}):(?= |$)")
"""The name of a setting that begins a line; one with digits may be a secret."""
_TIGHT: Final = re.compile(r"(?P<before> *(?:- +)?)(?P<key>[A-Za-z_][A-Za-z0-9_-]*):(?P<rest>[^\s:/].*)$")
"""A setting without a space behind its colon."""
_VARIABLE: Final = re.compile(r"\$\{[^{}]*\}")
_PLAIN_VARIABLE: Final = re.compile(r"(?<=[\s,:\[{])[^\s,\"'\[\]{}]*(?:\$\{[^{}]*\}[^\s,\"'\[\]{}]*)+")
_SAFE_VARIABLE: Final = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_WIDE_COLON: Final = "\uff1a"
_ODD_SPACE: Final = re.compile("[\u00a0\u2000-\u200b\u202f\u3000\ufeff]")
_LONGEST: Final = 2_000
_BRACKETS: Final = {"{": "}", "[": "]"}


@dataclass(frozen=True, slots=True)
class Noticed:
    """What a parser says of a text, and where; lines and columns from 0."""

    said: str
    line: int
    column: int
    begun: int
    """The line where what it was at begins."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A slip as it may be."""

    line: int
    """From 0."""
    sentence: str
    meant: str | None = None
    """The line `at` as it was meant; None where that cannot be told."""
    at: int | None = None
    """Where that is another line than that of the slip."""
    moved: int = 0
    """By how many columns the lines that belong below it move with it."""

    def mended(self, lines: Sequence[str]) -> list[str] | None:
        """Return the lines as they were meant."""
        if self.meant is None:
            return None
        at = self.line if self.at is None else self.at
        below = at + 1
        while self.moved and below < len(lines) and _is_below(lines[below], lines[at]):
            below += 1
        with_it = [_moved(line, self.moved) for line in lines[at + 1 : below]]
        return [*lines[:at], self.meant, *with_it, *lines[below:]]


def guesses(lines: Sequence[str], noticed: Noticed, tops: Collection[str]) -> Iterator[Guess]:
    """Given a text's lines, what a parser noticed, and the names at the top, yield guesses, best first."""
    # The end of the text is noticed behind its last line; nobody's slip is in a line of so many characters.
    lines = [line if len(line) <= _LONGEST else "" for line in (*lines, "")]
    for rule in _RULES:
        yield from rule(lines, noticed, tops)


def _spaces_before(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _is_below(line: str, head: str) -> bool:
    return not line.strip() or _spaces_before(line) > _spaces_before(head)


def _moved(line: str, columns: int) -> str:
    return " " * (_spaces_before(line) + columns) + line.lstrip(" ") if line.strip() else line


def _key_of(line: str) -> str | None:
    """Return the name that a line begins with, as it is shown, or None if it begins with none."""
    found = _KEY.match(line)
    return f"{found['key']}:" if found else None


def _above(lines: Sequence[str], at: int) -> int | None:
    """Return the nearest line above that says something."""
    said = (i for i in range(at - 1, -1, -1) if (text := lines[i].strip()) and not text.startswith("#"))
    return next(said, None)


def _column_of(line: str) -> int:
    """Return the column where the first name of a line stands, behind its dashes."""
    found = _KEY.match(line)
    return len(found["before"]) if found else _spaces_before(line)


def _spaces(number: int) -> str:
    return f"{number} space{'' if number == 1 else 's'}"


# --- rules: each yields guesses, or nothing ---


def _tab(lines: Sequence[str], noticed: Noticed, _: Collection[str]) -> Iterator[Guess]:
    line = lines[noticed.line]
    if "'\\t'" not in noticed.said:
        return
    body = line.lstrip(" \t")
    if len(line) - len(body) > noticed.column:
        above = _above(lines, noticed.line)
        columns = [] if above is None else [_column_of(lines[above])]
        if above is not None and lines[above].rstrip().endswith(":"):
            columns.insert(0, columns[0] + 2)
        columns += [len(line[: len(line) - len(body)].expandtabs(width)) for width in (2, 4, 8)]
        for column in dict.fromkeys(columns):
            yield Guess(noticed.line, "found a tab in front, expected spaces", " " * column + body)
    elif not line[noticed.column :].strip():
        yield Guess(noticed.line, "found a tab at the end of the line; remove it", line.rstrip())
    else:
        yield Guess(noticed.line, "found a tab, expected a space", line.replace("\t", " "))


def _odd_sign(lines: Sequence[str], noticed: Noticed, _: Collection[str]) -> Iterator[Guess]:
    for at in dict.fromkeys((noticed.begun, noticed.line)):
        line = lines[at]
        if odd := _ODD_SPACE.search(line):
            code = f"U+{ord(odd[0]):04X}"
            yield Guess(
                at,
                f"found a wide or no-break space ({code}), expected a plain one",
                _ODD_SPACE.sub(" ", line),
            )
        if _WIDE_COLON in line:
            meant = line.replace(_WIDE_COLON, ": ", 1)
            yield Guess(at, f"found a wide colon (U+{ord(_WIDE_COLON):04X}), expected a plain one", meant)


def _backslash(lines: Sequence[str], noticed: Noticed, _: Collection[str]) -> Iterator[Guess]:
    if "escape" in noticed.said:
        line = lines[noticed.line]
        meant = re.sub(r"\"([^\"']*\\[^\"']*)\"", r"'\1'", line)
        yield Guess(noticed.line, "found a \\ within double quotes; write the value in single quotes", meant)


def _alias(lines: Sequence[str], noticed: Noticed, _: Collection[str]) -> Iterator[Guess]:
    if "undefined alias" not in noticed.said:
        return
    line, column = lines[noticed.line], noticed.column
    if merged := re.search(r"<<: *\*([\w-]+)", line):
        marks = [one for text in lines for one in re.findall(r"(?:^|[\s:])&([\w-]+)", text)]
        close = difflib.get_close_matches(merged[1], marks, n=1)
        meant = f"did you mean *{close[0]}?" if close else "nothing above is marked so"
        rest = line[: merged.start()] + "<<: " + (f"*{close[0]}" if close else "{}") + line[merged.end() :]
        yield Guess(noticed.line, f"found *{merged[1]}, expected what is marked with & above, {meant}", rest)
    else:
        yield _to_be_quoted(noticed.line, line, column)


def _anchor(_lines: Sequence[str], noticed: Noticed, _: Collection[str]) -> Iterator[Guess]:
    if "second occurrence" in noticed.said:
        first = noticed.begun + 1
        yield Guess(noticed.line, f"found & with a name that line {first} has already; give it another name")


def _first_sign(lines: Sequence[str], noticed: Noticed, _: Collection[str]) -> Iterator[Guess]:
    line, column = lines[noticed.line], noticed.column
    starts = ("cannot start any token", "mapping keys are not allowed", "chomping or indentation")
    if any(one in noticed.said for one in starts):
        if "chomping" in noticed.said:
            column = noticed.column - 1
        yield _to_be_quoted(noticed.line, line, column)


def _to_be_quoted(at: int, line: str, column: int) -> Guess:
    """Return the guess that a value is meant as text, though it begins with a sign of YAML's own."""
    end = re.compile(r"[^,}\]\n]*" if re.search(r"[{\[]", line[:column]) else r".*").match(line, column)
    value = end[0].rstrip() if end else ""
    quoted = "'" + value.replace("'", "''") + "'"
    sentence = f"found a value that begins with {line[column : column + 1]}; put it in quotes"
    return Guess(at, sentence, line[:column] + quoted + line[column + len(value) :])


def _second_document(lines: Sequence[str], noticed: Noticed, _: Collection[str]) -> Iterator[Guess]:
    if "another document" in noticed.said:
        meant = "#" if lines[noticed.line].strip() == "---" else None
        yield Guess(noticed.line, "found ---, which begins another document; an inventory is one", meant)


def _open_quote(line: str) -> re.Match[str] | None:
    """Return the quote that a value of this line begins with, and that is not closed in it, as group 1."""
    for found in re.finditer(r"(?:^\s*|: +|- +|[{\[,] *)([\"'])", line):
        quote = found[1]
        if line.count(quote) % 2 and quote not in line[found.end() :]:
            return found
    return None


def _unclosed_quote(lines: Sequence[str], noticed: Noticed, _: Collection[str]) -> Iterator[Guess]:
    if "quoted scalar" not in noticed.said and "expected" not in noticed.said:
        return
    for at in range(noticed.line, max(-1, min(noticed.begun, noticed.line - 3) - 1), -1):
        if opening := _open_quote(lines[at]):
            line, quote, inside = (
                lines[at].rstrip(),
                opening[1],
                re.search(r"[{\[]", opening.string[: opening.end()]),
            )
            closing = re.compile(r"[,}\]]").search(line, opening.end()) if inside else None
            end = closing.start() if closing else len(line)
            yield Guess(at, f"found a {quote} that is not closed", line[:end] + quote + line[end:])


def _variable(lines: Sequence[str], noticed: Noticed, _: Collection[str]) -> Iterator[Guess]:
    line = lines[noticed.line]
    if noticed.column and line[noticed.column - 1 : noticed.column + 1] == "${":
        plain = _PLAIN_VARIABLE.findall(line)
        names = [one for text in plain for one in _SAFE_VARIABLE.findall(text)]
        shown = " and ".join(dict.fromkeys(names)) if names else "${...}"
        meant = _PLAIN_VARIABLE.sub(lambda found: f'"{found[0]}"', line)
        example = names[0] if names else "${...}"
        inside = "{ } and [ ]"
        sentence = f'found {shown} without quotes, expected "{example}": quotes are needed within {inside}'
        yield Guess(noticed.line, sentence, meant)


def _flow(lines: Sequence[str], noticed: Noticed, _: Collection[str]) -> Iterator[Guess]:
    """Given a parser within { } or [ ], look for a bracket that is not closed, then for a comma."""
    wanted = re.match(r"expected ',' or '([}\]])', but got '(.*)'", noticed.said)
    if not wanted:
        return
    closing = wanted[1]
    opening = "{" if closing == "}" else "["
    first = lines[noticed.begun]
    if noticed.line > noticed.begun and _unbalanced(first, opening):
        last = _above(lines, noticed.line)
        for at in dict.fromkeys((noticed.begun, noticed.begun if last is None else last)):
            meant = lines[at].rstrip().rstrip(",") + closing
            yield Guess(noticed.begun, f"found a {opening} that is not closed", meant, at)
    line = lines[noticed.line]
    if semicolon := re.search(r"; *[A-Za-z_-]+$", line[: noticed.column]):
        meant = line[: semicolon.start()] + "," + line[semicolon.start() + 1 :]
        yield Guess(noticed.line, "found a ; between two settings, expected a comma", meant)
    elif word := re.search(r" +[A-Za-z_-]+$", line[: noticed.column]):
        meant = line[: word.start()] + "," + line[word.start() :]
        yield Guess(noticed.line, f"found no comma between two values within {opening} {closing}", meant)
    elif wanted[2] == "<scalar>":
        meant = line[: noticed.column].rstrip() + ", " + line[noticed.column :]
        yield Guess(noticed.line, f"found no comma between two values within {opening} {closing}", meant)


def _unbalanced(line: str, opening: str) -> bool:
    bare = _VARIABLE.sub("", re.sub(r"\"[^\"]*\"|'[^']*'", "", line))
    return bare.count(opening) > bare.count(_BRACKETS[opening])


def _one_too_many(lines: Sequence[str], noticed: Noticed, _: Collection[str]) -> Iterator[Guess]:
    if found := re.search(r"but found '([}\]])'", noticed.said):
        line = lines[noticed.line]
        meant = line[: noticed.column] + line[noticed.column + 1 :]
        yield Guess(noticed.line, f"found a {found[1]} too many", meant)


def _behind_quotes(lines: Sequence[str], noticed: Noticed, _: Collection[str]) -> Iterator[Guess]:
    """Given a scalar where none is expected, look whether it stands behind a closing quote or bracket."""
    if "but found '<scalar>'" not in noticed.said:
        return
    line = lines[noticed.line]
    begun = re.match(r" *(?:- +)*[\w-]+: +(?=[\"'\[{])", line)
    if begun and begun.end() < noticed.column:
        value = line[begun.end() :].rstrip()
        sign = value[0]
        inner = value.strip(sign) if sign in "\"'" else value
        told = {"[": "]", "{": "}"}.get(sign, f"the closing {sign}")
        meant = line[: begun.end()] + "'" + inner.replace("'", "''") + "'"
        yield Guess(noticed.line, f"found more behind {told}; put the whole value in quotes", meant)


def _no_space(lines: Sequence[str], noticed: Noticed, _: Collection[str]) -> Iterator[Guess]:
    """Look for a colon or a dash without a space behind it, where the parser was, and on the line above."""
    above = _above(lines, noticed.line)
    for at in dict.fromkeys((noticed.begun, noticed.line, *(() if above is None else (above,)))):
        line = lines[at]
        if dash := re.match(r" *-(?=[A-Za-z_][A-Za-z_-]*:)", line):
            meant = line[: dash.end()] + " " + line[dash.end() :]
            yield Guess(at, "no space behind the -", meant, moved=1)
            yield Guess(at, "no space behind the -", meant)
        elif tight := _TIGHT.match(line):
            key = tight["key"] if re.fullmatch(r"[A-Za-z_-]+", tight["key"]) else ""
            of = f" of {key}:, expected {key}: and its value" if key else ", expected one"
            meant = f"{tight['before']}{tight['key']}: {tight['rest']}"
            yield Guess(at, f"no space behind the colon{of}", meant)


def _no_colon(lines: Sequence[str], noticed: Noticed, _: Collection[str]) -> Iterator[Guess]:
    if "could not find expected ':'" not in noticed.said:
        return
    line = lines[noticed.begun]
    if equals := re.match(r"( *(?:- +)?)([A-Za-z_-]+) *= *(.*)", line):
        before, key, value = equals.groups()
        yield Guess(
            noticed.begun, f"found = behind {key}, expected {key}: and its value", f"{before}{key}: {value}"
        )
    words = re.match(r"( *(?:- +)?)([A-Za-z_-]+) +(\S.*)", line)
    meant = f"{words[1]}{words[2]}: {words[3]}" if words else None
    yield Guess(noticed.begun, "found no colon, expected a name, a colon, a space and a value", meant)


def _colon_in_value(lines: Sequence[str], noticed: Noticed, _: Collection[str]) -> Iterator[Guess]:
    if "mapping values are not allowed" not in noticed.said:
        return
    line = lines[noticed.line]
    key = re.match(r" *(?:- +)*[\w-]+: +", line)
    if key and key.end() <= noticed.column:
        value = line[key.end() :].rstrip()
        quoted = "'" + value.replace("'", "''") + "'"
        sentence = "found a second colon with a space; put the value in quotes"
        yield Guess(noticed.line, sentence, line[: key.end()] + quoted)


def _value_and_settings(lines: Sequence[str], noticed: Noticed, tops: Collection[str]) -> Iterator[Guess]:
    """Given a setting below one that has a value already, tell so."""
    above = _above(lines, noticed.line)
    if above is None or "mapping values are not allowed" not in noticed.said:
        return
    key = _key_of(lines[above])
    if key and key.removesuffix(":") in tops and _spaces_before(lines[above]) == 0:
        text = f"{key} has a value behind it and settings below it, expected the settings alone"
        yield Guess(above, text, key)


def _indent(lines: Sequence[str], noticed: Noticed, tops: Collection[str]) -> Iterator[Guess]:
    """Given a name in a column where none can stand, look for the column where it can."""
    signs = ("'<block mapping start>'", "mapping values are not allowed", "but found '?'")
    above = _above(lines, noticed.line)
    if above is None or not any(sign in noticed.said for sign in signs):
        return
    line = lines[noticed.line]
    body, key, found = line.lstrip(" "), _key_of(line), _spaces_before(line)
    columns = [(_column_of(lines[above]), above)]
    for at in range(above - 1, -1, -1):
        if _KEY.match(lines[at]) and _column_of(lines[at]) < columns[-1][0]:
            columns.append((_column_of(lines[at]), at))
    if key and key.removesuffix(":") in tops:
        columns.sort()
    dash = next((at for at in range(above, -1, -1) if lines[at].startswith(" " * found + "- ")), None)
    if key == "name:" and dash is not None and "but found '?'" in noticed.said:
        yield Guess(
            noticed.line, "no - in front of name:, with which an entry begins", f"{line[:found]}- {body}"
        )
    for column, at in columns:
        if column != found:
            other = _key_of(lines[at])
            like = f"{other} of line {at + 1}" if other else f"line {at + 1}"
            sentence = f"{key or 'this line'} is indented by {_spaces(found)}, expected {column}, as {like}"
            yield Guess(noticed.line, sentence, " " * column + body, moved=column - found)


def _dash(lines: Sequence[str], noticed: Noticed, _: Collection[str]) -> Iterator[Guess]:
    """Given a dash in a column where none can stand, look for the dashes above."""
    line = lines[noticed.line]
    body, found = line.lstrip(" "), _spaces_before(line)
    if not body.startswith("-") or "but found" not in noticed.said:
        return
    dashes = [at for at in range(noticed.line - 1, -1, -1) if re.match(r" *- ", lines[at])]
    for at in dashes[:1]:
        column = _spaces_before(lines[at])
        if column != found:
            sentence = f"the - is indented by {_spaces(found)}, expected {column}, as on line {at + 1}"
            yield Guess(noticed.line, sentence, " " * column + body, moved=column - found)
    yield Guess(noticed.line, "found a - among settings (name: value), where no list is expected")


_RULES: Final[tuple[Callable[[Sequence[str], Noticed, Collection[str]], Iterator[Guess]], ...]] = (
    *(
        _tab,
        _odd_sign,
        _backslash,
        _alias,
        _anchor,
        _first_sign,
        _second_document,
        _variable,
        _unclosed_quote,
    ),
    *(
        _flow,
        _one_too_many,
        _behind_quotes,
        _no_space,
        _no_colon,
        _colon_in_value,
        _value_and_settings,
        _dash,
        _indent,
    ),
)
"""The surest first."""
