"""Tables as files, beside DuckDB's COPY of the same Parquet file: orders (23 columns), nested orders, and 256 columns.

    python bench/dataset_formats.py [--rows 1000000] [--tables orders nested wide] [--formats csv json parquet xml]

Every step runs in a process of its own; its peak is the highest RssAnon seen (sampled each 10 ms), imports included.
DuckDB writes no XML.
"""

import argparse
from collections.abc import Callable
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from measuring import measured, tell
from pyarrow import parquet

TABLES = ("orders", "nested", "wide")
FORMATS = ("csv", "json", "parquet", "xml")
_BATCH_ROWS = {"orders": 32_768, "nested": 32_768, "wide": 4_096}
_COPY = {
    "csv": "FORMAT csv, HEADER, COMPRESSION gzip",
    "json": "FORMAT json, COMPRESSION gzip",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
}


def main() -> None:
    options = _options()
    if options.step:
        tell(lambda: STEPS[options.step](options))
        return
    options.work.mkdir(parents=True, exist_ok=True)
    print(f"{options.rows:,} rows; {'':14}{'wall s':>8}{'cpu s':>8}{'MB':>8}{'peak MB':>9}")
    for table, type_ in product(options.tables, options.formats):
        _prepare(table, options)
        for step in STEPS if type_ in _COPY else ("ours",):
            names = [f"--rows={options.rows}", f"--work={options.work}", f"--tables={table}", f"--formats={type_}"]
            told = measured(__file__, [*names, f"--step={step}"])
            figures = f"{told['seconds']:8.2f}{told['cpu_seconds']:8.2f}{told['mb']:8.1f}{told['peak_mb']:9.0f}"
            print(f"{table:8}{type_:9}{step:9}{figures}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    parser.add_argument("--work", type=Path, default=Path("bench/.work/dataset_formats"))
    parser.add_argument("--step")
    return parser.parse_args()


def _source(table: str, options: argparse.Namespace) -> Path:
    return options.work / f"{table}-{options.rows}.parquet"


def _prepare(table: str, options: argparse.Namespace) -> None:
    path = _source(table, options)
    if path.exists():
        return
    size = _BATCH_ROWS[table]
    frames = (_frame(table, start, min(size, options.rows - start)) for start in range(0, options.rows, size))
    first = next(frames).to_arrow(compat_level=pl.CompatLevel.oldest())
    with parquet.ParquetWriter(path, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for frame in frames:
            writer.write_table(frame.to_arrow(compat_level=pl.CompatLevel.oldest()))


def _frame(table: str, start: int, rows: int) -> pl.DataFrame:
    ids = pl.int_range(start, start + rows, eager=True)
    order = pl.DataFrame({"order_id": ids, "h": ids.hash(0)}).with_columns(**_order())
    match table:
        case "nested":
            line = pl.struct("sku", "price", "placed_at")
            return order.select("order_id", line.alias("first"), pl.concat_list(line, line, line).alias("lines"))
        case "wide":
            return order.with_columns(**_columns("text", 160), **_columns("number", 88)).drop("h")
        case _:
            return order.with_columns(**_columns("text", 8), **_columns("number", 6)).drop("h")


def _order() -> dict[str, pl.Expr]:
    micros = (pl.col("h") % 1_700_000_000_000_000).cast(pl.Int64)
    return {
        "sku": pl.format("sku-{}", pl.col("h") % 5_000),
        "email": pl.format("user{}@example.com", pl.col("h") % 300_000),
        "price": (pl.col("h") % 100_000).cast(pl.Decimal(12, 2)),
        "quantity": (pl.col("h") % 10).cast(pl.Int32),
        "is_paid": pl.col("h") % 2 == 0,
        "score": (pl.col("h") % 1_000_000) / 7,
        "day": (pl.col("h") % 20_000).cast(pl.Int32).cast(pl.Date),
        "placed_at": micros.cast(pl.Datetime("us", "UTC")),
    }


def _columns(kind: str, count: int) -> dict[str, pl.Expr]:
    """Columns that have nothing to do with one another."""
    mixed = {f"{kind}_{place}": pl.col("order_id").hash(place + 1) % 100_000 for place in range(count)}
    if kind == "number":
        return {name: value / 3 for name, value in mixed.items()}
    return {name: pl.format("value {}", value % 1_000) for name, value in mixed.items()}


def ours(options: argparse.Namespace) -> dict[str, float]:
    from ctexport_dagster.core.datasets.chunking import write_dataset_chunks
    from ctexport_dagster.core.datasets.format import DatasetFormat
    from ctexport_dagster.lake.datasets.segments import read_segment

    (table,), (type_,) = options.tables, options.formats
    source = _source(table, options)
    schema = pl.DataFrame(parquet.read_schema(source).empty_table()).schema
    with TemporaryDirectory(dir=options.work) as folder:
        declared = DatasetFormat.model_validate({"type": type_})
        chunks = list(
            write_dataset_chunks(read_segment(source, schema), declared, schema, Path(folder), 100_000_000, 2)
        )
    return {"mb": sum(chunk.bytes for chunk in chunks) / 1e6}


def duckdb(options: argparse.Namespace) -> dict[str, float]:
    import duckdb as peer

    (table,), (type_,) = options.tables, options.formats
    with TemporaryDirectory(dir=options.work) as folder:
        target = Path(folder) / "file"
        peer.execute(f"COPY (FROM '{_source(table, options)}') TO '{target}' ({_COPY[type_]})")
        return {"mb": target.stat().st_size / 1e6}


STEPS: dict[str, Callable[[argparse.Namespace], dict[str, float]]] = {"ours": ours, "duckdb": duckdb}

if __name__ == "__main__":
    main()
