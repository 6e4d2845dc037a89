"""A second process with the same database: does what standard input says, a line at a time."""

import json
import sys

from iceflix.catalog.opening import open_database
from iceflix.catalog.store import Store


def main() -> None:
    """Answer every line ``["method", argument, ...]`` with its result."""
    database = open_database(sys.argv[1])
    database.prepare()
    store = Store(database, 1_000_000)
    print('"ready"', flush=True)
    for line in sys.stdin:
        method, *arguments = json.loads(line)
        if method == "name":
            title = store.title(*arguments)
            answer = title.name if title else None
        else:
            answer = getattr(store, method)(*arguments)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
