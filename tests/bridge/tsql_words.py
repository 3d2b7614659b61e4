"""Whether a batch is T-SQL: parsed, and without what the parser takes from other servers' languages."""

from __future__ import annotations

from typing import Final

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.errors import ParseError, TokenError

from tests.bridge.tsql_values import ServerError

OURS: Final = 50000
"""The number of errors that say what this server does not know, though SQL Server may."""
_FUNCTIONS: Final = frozenset(
    {
        "abs", "ascii", "avg", "cast", "ceiling", "char", "charindex", "checksum", "coalesce",
        "convert", "count", "count_big", "current_timestamp", "datalength", "dateadd", "datediff",
        "datepart", "day", "db_name", "floor", "fn_listextendedproperty", "getdate",
        "has_perms_by_name", "hashbytes", "is_member", "is_srvrolemember", "isnull", "left", "len",
        "lower", "ltrim", "max", "min", "month", "nullif", "object_id", "original_login", "permissions",
        "replace", "right", "round", "rtrim", "schema_name", "serverproperty", "substring", "sum",
        "suser_sname", "unicode", "upper", "user_name", "year",
    }
)  # fmt: skip
_SINCE_2012: Final = frozenset({"concat", "iif", "try_cast", "try_convert"})
_REFUSED: Final = frozenset(
    {"::", "||", "&&", "->", "->>", "limit", "div", "ilike", "rlike", "regexp", "glob", "string", "unsigned",
     "interval", "extract", "boolean", "using", "qualify", "lateral", "`"}
)  # fmt: skip
"""Words and signs that the parser takes from other servers' languages, in lower case."""
_BEFORE_PAREN: Final = frozenset(
    {
        "all", "and", "any", "as", "between", "binary", "by", "case", "char", "check", "column",
        "constraint", "cube", "datetime2", "decimal", "default", "distinct", "else", "end", "except",
        "exists", "float", "from", "having", "identity", "in", "index", "insert", "intersect", "into",
        "is", "join", "key", "like", "nchar", "not", "numeric", "nvarchar", "on", "or", "over",
        "percent", "primary", "references", "returns", "select", "set", "some", "table", "then", "time",
        "top", "union", "unique", "update", "values", "varbinary", "varchar", "when", "where", "with",
    }
)  # fmt: skip
"""Words with a parenthesis behind them that are no functions."""


def statements(text: str, year: int) -> list[exp.Expr]:
    """Given a batch, return its statements. Raise `ServerError` where it is no T-SQL of that year."""
    try:
        tokens = sqlglot.tokenize(text, read="tsql")
        found = [one for one in sqlglot.parse(text, read="tsql", error_level=sqlglot.ErrorLevel.RAISE) if one]
    except (ParseError, TokenError) as error:
        place = error.errors[0].get("highlight") if isinstance(error, ParseError) and error.errors else ""
        raise incorrect(place or text.strip()[:20]) from None
    writes = any(isinstance(one, (exp.Create, exp.Insert)) for one in found)
    for before, token, after in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False):
        word = token.text.lower()
        if token.token_type in {TokenType.STRING, TokenType.IDENTIFIER, TokenType.NATIONAL_STRING}:
            continue
        if word in _REFUSED:
            raise incorrect(token.text)
        called = after is not None and after.token_type == TokenType.L_PAREN and word.isidentifier()
        named = before is not None and before.text == "."
        if called and not named and not writes:
            _known_function(word, year)
    return found


def _known_function(word: str, year: int) -> None:
    if word in _FUNCTIONS or word in _BEFORE_PAREN or (word in _SINCE_2012 and year >= 2012):
        return
    raise ServerError(195, f"'{word}' is not a recognized built-in function name.", 15)


def incorrect(near: str) -> ServerError:
    """Return the error for what is no T-SQL."""
    return ServerError(102, f"Incorrect syntax near '{near}'.", 15)


def unknown(what: object) -> ServerError:
    """Return the error for what this server does not know."""
    return ServerError(OURS, f"The stand-in for SQL Server does not know {what}.")
