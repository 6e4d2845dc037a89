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
    Property("Auth.File", "{home}/users.json", "credentials file: .json, or .csv of users"),
    Property(
        "Auth.KeyFile", "{home}/token.key", "key that signs tokens; share it between Authenticators"
    ),
    Property(
        "Auth.ThrottleAfter", "10", "failed logins of a user from an address before slowing down"
    ),
    Property("Auth.TokenSeconds", "30", "life of a token, seconds; the contract says 30"),
    Property("Call.HedgeSeconds", "0.3", "silence after which the next candidate is asked as well"),
    Property("Call.TimeoutSeconds", "1", "deadline of one call to one candidate"),
    Property(
        "Catalog.AnswerKilobytes",
        "1000",
        "largest answer to a search, KB; clients accept their Ice.MessageSizeMax, 1024 unless set",
    ),
    Property(
        "Catalog.File",
        "{home}/catalog.db",
        "catalogue database: a file, or postgresql+psycopg://USER@HOST/DATABASE",
    ),
    Property("Central.DeadlineSeconds", "300", "longest deadline that central grants a job"),
    Property("Central.HealthSeconds", "0.5", "silence after which a multiserver counts as ill"),
    Property("Central.Requests", "1000", "jobs that central attends to at once"),
    Property(
        "Client.Attempts", "3", "times, in all, that the client asks while nothing is available"
    ),
    Property(
        "Client.Gateway", "", "proxy of the farm's gateway over Ice; empty: the one that runs here"
    ),
    Property(
        "Client.Main",
        "IceFlix/Main:tcp -h 127.0.0.1 -p 10010",
        "the Main that the client enters by",
    ),
    Property("Client.PauseSeconds", "10", "pause between those attempts"),
    Property(
        "Client.Player", "", "program that plays (vlc, mpv, ffplay); empty: a window of our own"
    ),
    Property(
        "Client.ProbeSeconds", "3", "interval at which the client checks that Main still answers"
    ),
    Property(
        "Client.RenewSeconds", "25", "age at which the client renews its token by its own clock"
    ),
    Property("Client.TimeoutSeconds", "3", "deadline of one call of the client"),
    Property("Clock.PeriodSeconds", "120", "interval at which clocks are synchronised"),
    Property("Clock.RetrySeconds", "1", "pause while there is no clock to follow"),
    Property("Clock.SkewSeconds", "0", "makes this process's clock wrong, to try the correction"),
    Property("Discovery.AnnounceSeconds", "5", "interval of announcements, varied by a tenth"),
    Property("Discovery.ProbeSeconds", "2", "interval of health checks"),
    Property("Farm.AdminKey", "{home}/admin.key", "administration key, made on first start"),
    Property("Farm.AdminRemote", "0", "1: the farm may be administered from other machines"),
    Property("Farm.FilterMegabytes", "1024", "memory that a filter may use, MB"),
    Property("Farm.FilterSeconds", "10", "time that one filter may take for one image"),
    Property("Farm.Filters", "{home}/filters", "system A: shared folder of signed filters"),
    Property("Farm.Images", "{home}/images", "image store: a folder, smb://..., or another URL"),
    Property(
        "Farm.ImagesPasswordFile",
        "{home}/images.password",
        "password of the user that Farm.Images names, mode 0600; used if it is there",
    ),
    Property(
        "Farm.Isolation", "full", "full, or reduced where filters cannot be shut in by bubblewrap"
    ),
    Property(
        "Farm.KeepMetadata",
        "1",
        "results keep their image's EXIF data; 0: position, camera, ... go",
    ),
    Property("Farm.MaxBytes", "134217728", "largest image file"),
    Property("Farm.MaxPixels", "64000000", "largest image, width times height"),
    Property(
        "Farm.PublicKey",
        "{home}/filters.pub",
        "key that filters are signed with, learned at the first contact unless it is there",
    ),
    Property(
        "Farm.System",
        "A",
        "A: every node runs every filter; B: a ring runs one; off: run_iceflix has no farm",
    ),
    Property("FilterAdmin.File", "{home}/assignments.json", "which ring runs which filter"),
    Property("FilterAdmin.KeyFile", "{home}/filters.key", "private key that signs filters"),
    Property(
        "FilterAdmin.PatienceSeconds",
        "3",
        "so long, after a start, central is not told before all assigned rings are heard of",
    ),
    Property(
        "FilterAdmin.PushSeconds", "5", "interval at which central is told the running filters"
    ),
    Property(
        "FilterAdmin.TrustFolder", "1", "sign what is dropped into the folder of filters; 0: do not"
    ),
    Property("Gateway.CorbaPort", "0", "port of the CORBA side; 0: any"),
    Property("Gateway.DeadlineSeconds", "60", "time for one request, from its arrival"),
    Property("Gateway.IdleSeconds", "150", "silence that closes a CORBA connection"),
    Property("Gateway.MessageBytes", "262144", "largest CORBA message"),
    Property("Gateway.Naming", "127.0.0.1:2809", "naming service, host:port; port 0: any"),
    Property(
        "Gateway.NamingServer", "1", "run a naming service there unless there is one; 0: do not"
    ),
    Property("Gateway.Requests", "256", "requests that the gateway attends to at once"),
    Property(
        "IceStorm.TopicManager.Proxy",
        "IceStorm/TopicManager:tcp -h 127.0.0.1 -p 10000",
        "where the topic manager is",
    ),
    Property("Log.Folder", "{home}/logs", "folder of the log files, one per process"),
    Property("Log.Level", "info", "debug, info, warning or error"),
    Property(
        "Media.CacheFile", "{home}/library.json", "digests and formats of the files already read"
    ),
    Property("Media.Folder", "{home}/media", "folder with the videos, searched recursively"),
    Property("Media.HashThreads", "0", "files read at once; 0: one per processor"),
    Property(
        "Media.RescanSeconds",
        "300",
        "interval at which the folder is read again, for network disks; 0: only when asked",
    ),
    Property("Media.SettleSeconds", "1", "a file must rest this long before it is announced"),
    Property("Media.Watch", "1", "notice changes of the folder as they happen; 0: do not"),
    Property("Multiserver.Name", "ring1", "system A: the ring that it serves"),
    Property("Multiserver.Queue", "500", "jobs that it takes on at once"),
    Property("Node.Folder", "{home}/node", "system B: where a node keeps its filter"),
    Property("Node.Proc", "/proc", "folder whose file stat tells how busy the processors are"),
    Property("Node.Ring", "ring1", "the ring that a node belongs to"),
    Property("Node.Slots", "0", "tasks that a node works on at once; 0: one per processor"),
    Property("Ring.HoldSeconds", "2", "longest time that an idle ring parks its token"),
    Property("Ring.LossSeconds", "1.2", "absence after which a token is made anew"),
    Property("Ring.Priority", "100", "of the nodes, the one with the highest becomes master"),
    Property("Ring.SilenceSeconds", "2", "silence after which a master is elected anew"),
    Property("Stream.Audio", "1", "send audio on the port + 2; 0: picture only"),
    Property("Stream.GraceSeconds", "10", "time to renew a stream's token; the contract says 10"),
    Property("Stream.Max", "500", "streams that one provider sends at once"),
    Property(
        "Stream.Rtcp", "1", "send RTCP reports to the ports above RTP's (paced sender); 0: do not"
    ),
    Property(
        "Stream.RtspPort",
        "0",
        "TCP port for RTSP, opened at the first request for a URL; 0: any free one; off: no RTSP",
    ),
    Property(
        "Stream.Sender",
        "paced",
        "paced: one thread sends whatever it can; gstreamer: a pipeline for each stream",
    ),
)
