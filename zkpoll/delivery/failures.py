"""The words by which a 2xx says that it is none: that something failed. Pure.

`{"error": "..."}`, `{"ok": false}`, `{"success": false}`, `{"status": "error"}`, `{"isSuccess": false}`, AWS
Lambda's `{"errorMessage": "..."}`, of the request, or of one of its records in a list. What is said of
records that are rejected by name counts for those alone. A program in PHP, which answers 200 whatever
happens, says it in plain words.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkpoll.delivery.contents import Content

_APART: Final = frozenset({"rejected", "present"})
_NO: Final = frozenset({"", "0", "false", "no"})
_NOTHING: Final = _NO | {"none", "null"}
_FAILED: Final = re.compile(
    r"(error|fail|failed|failure|invalid|unauthori[sz]ed|forbidden|denied|refused|exception)\b|[45]\d\d\b"
)
"""How a status in words begins that is none of success."""
_STATUSES: Final = range(400, 600)
"""The statuses of HTTP that an object may tell inside a 2xx."""
_WORD: Final = re.compile(
    r"(?:\b|(?<=[a-z])(?=[A-Z]))(?i:errors?|fail|fails|failed|failures?|exception|uncaught|traceback|sqlstate|denied"
    r"|refused|unauthori[sz]ed|forbidden|invalid|unable|unavailable|cannot|could not|not found|timed out)\b"
)
"""What a text says where something failed: `Connection failed: Access denied` is what tutorials for PHP let
it say, with a 200, where the database is away. A capital begins a word, too: some write two as one."""
_NONE_BEFORE: Final = re.compile(
    r"\b(?:(?:no|without|without any)\s+|(?:0|zero|none)\s+(?:\w+\s+)?)$", re.IGNORECASE
)
"""`0 failed`, `No errors`, `0 punches failed`: none did."""
_NONE_BEHIND: Final = re.compile(
    r"-free\b|(?:\W+\w+)?\W*\b(?:0\b(?!\.\d*[1-9])|(?:none|null|false|no|empty)\s*(?:[.,;)]|$))",
    re.IGNORECASE | re.MULTILINE,
)
"""`Failed: 0`, `Errors: none`, `Failed punches = 0`; but `Error: No database selected` is one."""
_AROUND: Final = 60
"""Characters on either side of a word that may deny it."""
_PHP: Final = re.compile(
    r"^(?:PHP )?(?:(Fatal error|Parse error):|(Warning|Notice|Deprecated|Strict Standards): .* on line \d)",
    re.MULTILINE,
)
"""What PHP writes into an answer, where it shows its errors in plain text (main.c, php_error_cb)."""


def failure_in(content: Content) -> str:
    """Given what an answer holds, return what in it says that something failed. Empty if nothing does."""
    for said in _objects(content.value):
        for name, value in said.items():
            if flaw := _flaw(name.lower().replace("_", ""), value):
                return f"`{name}` {flaw}"
    if isinstance(content.value, dict) and _has_code(content.value):
        return f"`code` is {content.value['code']}"
    return _in_words(content)


def _flaw(name: str, value: Any) -> str:
    """Given a name in small letters and its value, return what says there that it failed, or nothing."""
    match name:
        case "error" | "errors" | "errormessage" | "exception" if value and _word(value) not in _NOTHING:
            return "is not empty"
        case "failed" | "failures" | "failedcount" | "failedrecordcount" | "errorcount":
            return "is not empty" if value and _word(value) not in _NOTHING else ""
        case "iserror" | "haserror" | "haserrors" if value and _word(value) not in _NOTHING:
            return "is a yes"
        case "ok" | "success" | "succeeded" | "successful" | "issuccess" | "issuccessful":
            return "is no yes" if not value or _word(value) in _NO else ""
        case "status" | "result" if _FAILED.match(_word(value) or ""):
            return f"is {_word(value)}"
        case "status" | "statuscode" | "result" if value is False:
            return "is false"
        case "status" | "statuscode" if _is_status(value):
            return f"is {value}"
        case _:
            return ""


def _has_code(said: dict[str, Any]) -> bool:
    """Say whether an object has the status of a failure as its code. A number alone may be an employee's."""
    code = said.get("code")
    return isinstance(code, int) and code in _STATUSES and not said.keys().isdisjoint({"message", "msg"})


def _in_words(content: Content) -> str:
    """Given what an answer holds, return what in it says so where it is no object and no list."""
    match content.value:
        case None if not content.is_json:
            text = content.text
        case str() | int() as value:
            text = str(value)
        case _:
            return ""
    if (alone := text.strip("\ufeff \t\r\n").lower()) in _NO and alone:
        return f"it is no more than {alone}"
    if shown := _PHP.search(text):
        return f"PHP shows a {shown[1] or shown[2]}"
    said = (found for found in _WORD.finditer(text) if not _is_denied(text, found))
    return f"it has the word {found[0]}" if (found := next(said, None)) else ""


def _is_denied(text: str, found: re.Match[str]) -> bool:
    """Return whether what stands around a word in a text says that there was none of it."""
    before = text[max(0, found.start() - _AROUND) : found.start()]
    behind = text[found.end() : found.end() + _AROUND]
    return bool(_NONE_BEFORE.search(before) or _NONE_BEHIND.match(behind))


def _is_status(value: Any) -> bool:
    """Return whether a value is a status of HTTP for a failure, as a number or in digits."""
    digits = str(value) if isinstance(value, int | str) else ""
    return len(digits) == 3 and digits.isdecimal() and int(digits) in _STATUSES


def _word(value: Any) -> str | None:
    return value.strip().lower() if isinstance(value, str) else None


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the object that speaks of the request, and those in its lists, which speak of its records."""
    if isinstance(value, dict):
        yield value
        lists = [one for name, one in value.items() if name not in _APART and isinstance(one, list)]
    else:
        lists = [value] if isinstance(value, list) else []
    for records in lists:
        yield from (one for one in records if isinstance(one, dict))
