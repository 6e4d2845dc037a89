"""Every IceFlix property, once: name, default, meaning.

The services read them through ``runtime.settings``; the commented files in ``config/`` and
``docs/operations.md`` are compared with this table by a test. ``{home}`` is ``ICEFLIX_HOME``.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Property:
    """A property's key, default (as text) and meaning, with its unit."""

    key: str
    default: str
    meaning: str


PROPERTIES = (
    Property("Auth.File", "{home}/users.json", "credentials file"),
    Property("Auth.KeyFile", "{home}/token.key", "key that signs tokens; share it between Authenticators"),
    Property("Auth.ThrottleAfter", "10", "failed logins of a user from an address before slowing down"),
    Property("Auth.TokenSeconds", "30", "life of a token, seconds; the contract says 30"),
    Property("Call.HedgeSeconds", "0.3", "silence after which the next candidate is asked as well"),
    Property("Call.TimeoutSeconds", "1", "deadline of one call to one candidate"),
    Property("Catalog.File", "{home}/catalog.db", "catalogue database, a file"),
    Property("Client.Attempts", "3", "times, in all, that the client asks while nothing is available"),
    Property("Client.Main", "IceFlix/Main:tcp -h 127.0.0.1 -p 10010", "the Main that the client enters by"),
    Property("Client.PauseSeconds", "10", "pause between those attempts"),
    Property("Client.Player", "", "program that plays (vlc, mpv, ffplay); empty: a window of our own"),
    Property("Client.ProbeSeconds", "3", "interval at which the client checks that Main still answers"),
    Property("Client.RenewSeconds", "25", "age at which the client renews its token by its own clock"),
    Property("Client.TimeoutSeconds", "3", "deadline of one call of the client"),
    Property("Discovery.AnnounceSeconds", "5", "interval of announcements, varied by a tenth"),
    Property("Discovery.ProbeSeconds", "2", "interval of health checks"),
    Property(
        "IceStorm.TopicManager.Proxy",
        "IceStorm/TopicManager:tcp -h 127.0.0.1 -p 10000",
        "where the topic manager is",
    ),
    Property("Log.Folder", "{home}/logs", "folder of the log files, one per process"),
    Property("Log.Level", "info", "debug, info, warning or error"),
    Property("Media.CacheFile", "{home}/library.json", "digests and formats of the files already read"),
    Property("Media.Folder", "{home}/media", "folder with the videos, searched recursively"),
    Property("Media.HashThreads", "0", "files read at once; 0: one per processor"),
    Property("Media.SettleSeconds", "1", "a file must rest this long before it is announced"),
    Property("Stream.Audio", "1", "send audio on the port + 2; 0: picture only"),
    Property("Stream.GraceSeconds", "10", "time to renew a stream's token; the contract says 10"),
    Property("Stream.Max", "500", "streams that one provider sends at once"),
)
