"""The same chain without a farm: what the process pool and Dask run for one image.

The farm's own decoder, filters, encoder and image store, so that what is compared is how work is
spread, not how well it is done. No sandbox: these engines have none.
"""

# pylint: disable=no-member  # the functions of cv2 live in its binary

import functools
import importlib
from collections.abc import Callable, Mapping
from typing import Any

import cv2

from iceflix.farm.compare.plan import CHAIN
from iceflix.farm.filters import library
from iceflix.farm.filters.parse import parse_filters
from iceflix.farm.filters.spec import read_spec
from iceflix.farm.images import codec
from iceflix.farm.images.naming import result_path
from iceflix.farm.images.store import ImageStore
from iceflix.farm.sandbox.limits import Limits


def result_of(image: str) -> str:
    """Where the result of an image lies."""
    return result_path(image, [(step.name, step.parameters) for step in parse_filters(CHAIN)])


@functools.cache
def _prepared() -> "list[tuple[Callable[..., Any], Mapping[str, object]]]":
    cv2.setNumThreads(1)  # as in the farm's workers
    found: list[tuple[Callable[..., Any], Mapping[str, object]]] = []
    for step in parse_filters(CHAIN):
        module = importlib.import_module(f"iceflix.farm.filters.library.{step.name}")
        values = read_spec(step.name, library.code(step.name)).values(step.parameters)
        found.append((module.apply, values))
    return found


def run_chain(folder: str, image: str) -> str:
    """Read an image, apply the chain, write the result; returns its path."""
    steps, limits, store = _prepared(), Limits(), ImageStore.from_url(folder)
    data = store.read(image, limits.file_bytes)
    pixels, origin = codec.decode(memoryview(data), codec.Bounds(limits.pixels))
    for function, values in steps:
        pixels = function(pixels, **values)
    target = result_of(image)
    store.write(target, bytes(codec.encode(pixels, origin)))
    return target
