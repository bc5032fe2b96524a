"""Lake column names: a stateless, reversible escape that Delta, Spark and case-blind engines all accept."""

from urllib.parse import unquote

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_")


def escape_column(name: str) -> str:
    """`Plan B` → `^plan%20^b`: capitals as `^` and the small letter, other bytes of UTF-8 as `%xx`.

    Injective, and no two results differ by case alone (Delta refuses `plan` beside `Plan`, Spark refuses spaces).
    """
    out: list[str] = []
    for byte in name.encode():
        if byte in _PLAIN:
            out.append(chr(byte))
        elif 65 <= byte <= 90:
            out.append("^" + chr(byte + 32))
        else:
            out.append(f"%{byte:02x}")
    return "".join(out)


def unescape_column(column: str) -> str:
    """The name that `escape_column` was given."""
    pieces = column.split("^")
    return unquote(pieces[0] + "".join(piece[:1].upper() + piece[1:] for piece in pieces[1:]), errors="strict")
