"""The image store that the properties name, and its password.

Whatever stands in the arguments of a process is visible to every user of the machine. So the URL
names the user only, and the password comes from a file or from the environment; programs that start
others move one that somebody wrote into the URL to their environment, which is theirs alone.
"""

import os
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from iceflix.farm.images.store import ImageStore
from iceflix.runtime.errors import SetupError
from iceflix.runtime.secretfile import SecretFile
from iceflix.runtime.settings import Settings

VARIABLE = "ICEFLIX_IMAGES_PASSWORD"
_IMAGES = "Farm.Images"
_FILE = "Farm.ImagesPasswordFile"


def open_store(settings: Settings) -> ImageStore:
    """The store of ``Farm.Images``; a user without a password gets the configured one.

    Raises SetupError.
    """
    url = settings.text(_IMAGES)
    user, password = _user(url)
    wanted = bool(user) and not password
    return ImageStore.from_url(url, _password(settings) if wanted else "")


def hidden(properties: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Properties that anybody may see, and variables for the environment: the password, if any."""
    url = properties.get(_IMAGES, "")
    user, password = _user(url)
    if not password:
        return dict(properties), {}
    scheme, _, rest = url.partition("://")
    place = rest[len(_credentials(url)) :]
    return {**properties, _IMAGES: f"{scheme}://{user}{place}"}, {VARIABLE: unquote(password)}


def hand_down(properties: Mapping[str, str]) -> dict[str, str]:
    """Properties for the arguments of our children, who inherit the password (if any) from us."""
    seen, variables = hidden(properties)
    os.environ.update(variables)
    return seen


def _credentials(url: str) -> str:
    """What stands before the host, as it is written."""
    try:
        return urlsplit(url).netloc.rpartition("@")[0] if "://" in url else ""
    except ValueError:  # no URL at all: whoever opens it says so
        return ""


def _user(url: str) -> tuple[str, str]:
    """User and password, as they are written in the URL."""
    user, _, password = _credentials(url).partition(":")
    return user, password


def _password(settings: Settings) -> str:
    given = os.environ.get(VARIABLE)
    if given is not None:
        return given
    file = SecretFile(settings.path(_FILE), _FILE, "who could then change all images")
    try:
        return file.read().decode().partition("\n")[0].removesuffix("\r")
    except FileNotFoundError as error:
        if _FILE in settings.values:
            raise SetupError(f"{file.path} does not exist; {_FILE} names it") from error
        return ""
    except UnicodeDecodeError as error:
        raise SetupError(f"{file.path} holds no password: it is not UTF-8 text") from error
