"""Counts in words: 1 file, 2 files."""


def counted(count: int, noun: str) -> str:
    """`2 files` for two of `file`; the noun is one whose plural ends in s."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
