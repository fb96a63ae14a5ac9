"""Writes small blocks of a history, of each table, into a folder: seeds of `history_block`, in corpus/history.

    python3 fuzz/record/history.py HISTORY FOLDER
"""

import pathlib
import sqlite3
import sys

# Of each table. A larger block has the same columns.
BLOCKS, MOST_BYTES = 4, 4096


def main(history, folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(f"file:{history}?mode=ro", uri=True)
    for (kept,) in database.execute("select distinct kept from blocks").fetchall():
        # The longest of those that are short enough have the most values.
        query = "select data from blocks where kept = ? and length(data) <= ? order by length(data) desc limit ?"
        for number, (data,) in enumerate(database.execute(query, (kept, MOST_BYTES, BLOCKS))):
            (folder / f"table-{kept}-{number}.bin").write_bytes(data)


main(*sys.argv[1:])
