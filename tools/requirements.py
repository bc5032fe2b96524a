"""Which lines of docs/requirements.md tests carry, and which none does yet.

    python tools/requirements.py                      prints the lines that no test carries, with counts; exit 0
    python tools/requirements.py --strict P3-P32 B1   exit 1 when a test for one of these is missing, 2 for an id
                                                      that no line has

A test carries a line by `@pytest.mark.req("P12", "P13")`, wherever the mark stands: over a function or class, in a
`pytestmark`, or in a `pytest.param`. The tests are read, never imported.
"""

import argparse
import ast
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
_LINE = re.compile(r"\|\s*([A-Z]\d+)\s*\|\s*(.+?)\s*\|\s*")
_RANGE = re.compile(r"([A-Z])(\d+)-\1?(\d+)")


def read_ledger(text: str) -> dict[str, str]:
    """Id → promise, in the order of the table."""
    found = (_LINE.fullmatch(line) for line in text.splitlines())
    return {match[1]: match[2] for match in found if match}


def marks_in(source: str) -> Iterator[str]:
    """The ids of every `mark.req(...)` of one test file."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="mark"), attr="req"), args=args):
                yield from (arg.value for arg in args if isinstance(arg, ast.Constant) and isinstance(arg.value, str))


def carried_by(tests: Path) -> dict[str, list[str]]:
    """Id → the test files that carry it."""
    carried: dict[str, list[str]] = {}
    for path in sorted(tests.rglob("test_*.py")):
        for id_ in dict.fromkeys(marks_in(path.read_text(encoding="utf-8"))):
            carried.setdefault(id_, []).append(path.relative_to(tests).as_posix())
    return carried


def spread(names: Sequence[str]) -> list[str]:
    """`P3-P5 B1` → P3, P4, P5, B1."""
    ids: list[str] = []
    for name in names:
        match = _RANGE.fullmatch(name)
        ids += [f"{match[1]}{number}" for number in range(int(match[2]), int(match[3]) + 1)] if match else [name]
    return ids


def report(ledger: dict[str, str], carried: dict[str, list[str]]) -> str:
    """The lines that no test carries, those that no ledger knows, and the counts by kind."""
    missing = [f"{id_:4} {promise}" for id_, promise in ledger.items() if id_ not in carried]
    strays = [f"{id_:4} is no line of the ledger: {', '.join(carried[id_])}" for id_ in carried if id_ not in ledger]
    kinds = dict.fromkeys(id_[0] for id_ in ledger)
    counts = [
        f"{kind} {sum(id_ in carried for id_ in ledger if id_[0] == kind)}/{sum(id_[0] == kind for id_ in ledger)}"
        for kind in kinds
    ]
    total = f"{len(ledger) - len(missing)} of {len(ledger)} lines are carried by a test: {', '.join(counts)}"
    return "\n".join([*missing, *strays, total]) + "\n"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Which lines of the ledger tests carry.")
    parser.add_argument("--ledger", type=Path, default=HOME / "docs" / "requirements.md")
    parser.add_argument("--tests", type=Path, default=HOME / "tests")
    parser.add_argument(
        "--strict", nargs="+", default=[], metavar="ID", help="ids, or ranges as P3-P32, that tests must carry"
    )
    options = parser.parse_args(arguments)
    ledger = read_ledger(options.ledger.read_text(encoding="utf-8"))
    carried = carried_by(options.tests)
    sys.stdout.write(report(ledger, carried))
    wanted = spread(options.strict)
    if unknown := [id_ for id_ in wanted if id_ not in ledger]:
        sys.stderr.write(f"no line of {options.ledger.name}: {', '.join(unknown)}\n")
        return 2
    if missing := [id_ for id_ in wanted if id_ not in carried]:
        sys.stderr.write(f"no test carries {', '.join(missing)}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
