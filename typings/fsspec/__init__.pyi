from fsspec import core as core
