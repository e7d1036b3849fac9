#!/usr/bin/env python3
"""Writes tests/files/parquet: small Parquet files by pyarrow 26.0.1, for tests/data/parquet_reader_test.cpp."""

import datetime
import decimal
import pathlib

import pyarrow
import pyarrow.parquet

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests" / "files" / "parquet"


def kinds():
    chat = [{"role": "user", "content": "a", "name": None}, {"role": "assistant", "content": "b", "name": "x"}]
    moment = datetime.datetime(2026, 3, 9, 14, 5, 6)
    return pyarrow.table({
        "prompt": ["Say cat.", 'Say "ü\n\\".', None],
        "completion": pyarrow.array([" cat", " big", " cat"]).dictionary_encode(),
        "whole": pyarrow.array([1, 2**62, None], pyarrow.int64()),
        "day": [moment.date(), None, datetime.date(1999, 12, 31)],
        "time": pyarrow.array([moment, None, None], pyarrow.timestamp("us")),
        "price": [decimal.Decimal("1.50"), None, None],
        "real": [0.1, 1e300, -0.0],
        "single": pyarrow.array([0.1, None, 2.0], pyarrow.float32()),
        "truth": [True, False, None],
        "messages": [chat, [], None],
        "large": pyarrow.array(["l", None, ""], pyarrow.large_string()),
        "fixed": pyarrow.array([[1, 2], [3, 4], None], pyarrow.list_(pyarrow.int32(), 2)),
        "map": pyarrow.array([[("k", "v")], [], None], pyarrow.map_(pyarrow.string(), pyarrow.string())),
    })


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(kinds(), FOLDER / "kinds.parquet", row_group_size=2)
    pyarrow.parquet.write_table(pyarrow.table({"prompt": [b"\xff"]}), FOLDER / "binary.parquet")
    pyarrow.parquet.write_table(pyarrow.table({"weight": [1.0, float("nan")]}), FOLDER / "nan.parquet")
    pairs = {"prompt": ["Say cat.", "Say big."], "completion": [" cat.", " big."]}
    pyarrow.parquet.write_table(pyarrow.table(pairs), FOLDER / "pairs.parquet", compression="zstd")


main()
