from fsspec import core as core
from typing import Any

def filesystem(protocol: str, **options: Any) -> Any: ...
