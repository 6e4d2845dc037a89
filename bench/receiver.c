/* The viewers of the measurements: many RTP receivers in one process, one thread.
 *
 *     receiver FIRST-PORT STREAMS FRAMES-PER-SECOND AUDIO-CLOCK-RATE GRO(0|1)
 *
 * Stream i listens on FIRST-PORT + 4i: video (H.264, RFC 6184), RTCP, audio, RTCP. Arrival is when
 * the kernel took the packet in (SO_TIMESTAMPNS), so it matters little how late this process is
 * scheduled; it looks at its sockets every two milliseconds, so that no sender pays for waking it.
 *
 * Commands come by standard input, answers (a line of JSON each) go to standard output:
 *     window     forget what was counted          -> {"window": 1}
 *     arm I      tell of stream I's next key frame -> {"armed": I}, and when it is complete
 *                {"key": I, "first": ns, "complete": ns, "parameters": 0|1}; ns: CLOCK_MONOTONIC
 *     report     tell what was counted            -> {"streams": [...], "gap_ms": {...}, ...}
 * It ends when its standard input does.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif
enum { PORTS = 4, BATCH = 16, BUFFER = 65536, RING = 1024, BUCKETS = 512 };
enum { SINGLE_LAST = 23, STAP_A = 24, FU_A = 28, IDR = 5, SPS = 7, PPS = 8 };
#define MILLISECOND 1000000LL
#define SECOND 1000000000LL

typedef struct {
    int begun, frame_known;
    uint32_t source, timestamp, first_timestamp;
    int64_t base, highest, received, reordered, bytes, frames, restarts;
    int64_t frame_from;              /* arrival of the frame from which lateness counts */
    int64_t least_late, most_late;   /* ns, beside a perfectly even sender */
    int64_t last_arrival, longest_gap;
} Track;

typedef struct {
    Track video, audio;
    int64_t arrivals[RING];          /* of its last packets, video and audio */
    int64_t count;
    int burst;                       /* most packets within a millisecond */
    int64_t control;                 /* RTCP packets */
    int armed, parameters;           /* parameters: bit 0 SPS, bit 1 PPS */
    int64_t armed_at, first;
    int in_key, key_intact;
    uint32_t key_timestamp;
    uint16_t key_sequence;
} Stream;

static Stream *streams;
static int stream_count, first_port, frame_rate, audio_clock;
static int64_t gaps[BUCKETS];        /* of video packets, tenths of a millisecond */
static int64_t realtime_offset;      /* CLOCK_MONOTONIC less CLOCK_REALTIME */

static int64_t now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static void die(const char *what) {
    fprintf(stderr, "receiver: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void count_burst(Stream *s, int64_t arrival) {
    s->arrivals[s->count++ % RING] = arrival;
    int64_t oldest = s->count > RING ? s->count - RING : 0;
    int within = 0;
    for (int64_t i = s->count - 1; i >= oldest; i--, within++)
        if (arrival - s->arrivals[i % RING] > MILLISECOND) break;
    if (within > s->burst) s->burst = within;
}

/* How late this packet is beside a sender that is perfectly even: video by counting frames, which
 * come in the order of decoding, whatever their timestamps; audio by its timestamps. */
static void judge_pace(Track *t, int is_video, int64_t arrival, uint32_t timestamp) {
    if (!t->frame_known) {
        if (t->begun && timestamp == t->timestamp) return;  /* the window began amidst this frame */
        if (!t->begun) return;
        t->frame_known = 1;
        t->first_timestamp = timestamp;
        t->frame_from = arrival;
        t->frames = 1;
        t->least_late = t->most_late = 0;
        return;
    }
    if (timestamp != t->timestamp) t->frames++;
    int64_t due = is_video ? (t->frames - 1) * SECOND / frame_rate
                           : (int32_t)(timestamp - t->first_timestamp) * SECOND / audio_clock;
    int64_t late = arrival - t->frame_from - due;
    if (late < t->least_late) t->least_late = late;
    if (late > t->most_late) t->most_late = late;
}

static void count_packet(Track *t, int is_video, int64_t arrival, const uint8_t *p, int size) {
    uint16_t sequence = p[2] << 8 | p[3];
    uint32_t timestamp, source;
    memcpy(&timestamp, p + 4, 4);
    memcpy(&source, p + 8, 4);
    timestamp = ntohl(timestamp);
    if (t->begun && source != t->source) {  /* another sender: begin again */
        int64_t restarts = t->restarts + 1;
        memset(t, 0, sizeof *t);
        t->restarts = restarts;
    }
    judge_pace(t, is_video, arrival, timestamp);
    if (!t->begun) {
        t->begun = 1;
        t->source = source;
        t->base = t->highest = sequence;
    } else {
        int16_t step = (int16_t)(sequence - (uint16_t)t->highest);
        if (step > 0) t->highest += step;
        else t->reordered++;
        int64_t gap = arrival - t->last_arrival;
        if (gap > t->longest_gap) t->longest_gap = gap;
        int64_t bucket = gap < 0 ? 0 : gap / (MILLISECOND / 10);
        if (is_video) gaps[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    }
    t->timestamp = timestamp;
    t->last_arrival = arrival;
    t->received++;
    t->bytes += size - 12;
}

static int note_unit(Stream *s, int type) {
    if (type == SPS) s->parameters |= 1;
    if (type == PPS) s->parameters |= 2;
    return type == IDR;
}

/* Whether a slice of a key frame begins in this packet. */
static int begins_key(Stream *s, const uint8_t *p, int size) {
    int type = p[0] & 31, found = 0;
    if (type <= SINGLE_LAST) return note_unit(s, type);
    if (type == FU_A) return size > 1 && (p[1] & 0x80) && note_unit(s, p[1] & 31);
    if (type == STAP_A)
        for (int i = 1; i + 2 < size; i += 2 + (p[i] << 8 | p[i + 1]))
            found |= note_unit(s, p[i + 2] & 31);
    return found;
}

static void watch_key(Stream *s, int64_t arrival, const uint8_t *p, int size) {
    if (!s->armed || arrival < s->armed_at || size < 13) return;
    uint16_t sequence = p[2] << 8 | p[3];
    uint32_t timestamp;
    memcpy(&timestamp, p + 4, 4);
    if (!s->first) s->first = arrival;
    int key = begins_key(s, p + 12, size - 12);
    if (s->in_key && timestamp == s->key_timestamp) {
        if (sequence != (uint16_t)(s->key_sequence + 1)) s->key_intact = 0;
    } else {
        s->in_key = key;
        s->key_intact = 1;
        s->key_timestamp = timestamp;
    }
    s->key_sequence = sequence;
    if (s->in_key && s->key_intact && (p[1] & 0x80)) {
        printf("{\"key\": %d, \"first\": %lld, \"complete\": %lld, \"parameters\": %d}\n",
               (int)(s - streams), (long long)s->first, (long long)arrival, s->parameters == 3);
        fflush(stdout);
        s->armed = s->in_key = 0;
    }
}

static void take_packet(int index, int64_t arrival, const uint8_t *p, int size) {
    Stream *s = streams + index / PORTS;
    int port = index % PORTS;
    if (port & 1) {
        s->control++;
        return;
    }
    /* RTP of version 2; RTCP may come to the same port (RFC 5761). */
    if (size < 13 || p[0] >> 6 != 2 || (p[1] >= 192 && p[1] <= 223)) return;
    count_burst(s, arrival);
    if (port == 0) watch_key(s, arrival, p, size);
    count_packet(port ? &s->audio : &s->video, port == 0, arrival, p, size);
}

static void drain(int socket, int index) {
    static uint8_t data[BATCH][BUFFER];
    static char extra[BATCH][128] __attribute__((aligned(8)));
    struct mmsghdr messages[BATCH];
    struct iovec pieces[BATCH];
    int got;
    do {
        memset(messages, 0, sizeof messages);
        for (int i = 0; i < BATCH; i++) {
            pieces[i] = (struct iovec){data[i], BUFFER};
            messages[i].msg_hdr = (struct msghdr){.msg_iov = pieces + i, .msg_iovlen = 1,
                                                  .msg_control = extra[i],
                                                  .msg_controllen = sizeof extra[i]};
        }
        got = recvmmsg(socket, messages, BATCH, MSG_DONTWAIT, NULL);
        for (int i = 0; i < got; i++) {
            int size = messages[i].msg_len, segment = size;
            int64_t arrival = 0;
            struct msghdr *header = &messages[i].msg_hdr;
            for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
                if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
                    struct timespec t;
                    memcpy(&t, CMSG_DATA(c), sizeof t);
                    arrival = t.tv_sec * SECOND + t.tv_nsec + realtime_offset;
                } else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
                    memcpy(&segment, CMSG_DATA(c), sizeof segment);
                }
            }
            for (int at = 0; at < size; at += segment)
                take_packet(index, arrival, data[i] + at, size - at < segment ? size - at : segment);
        }
    } while (got == BATCH);
}

static void write_track(const char *name, const Track *t) {
    int64_t lost = t->begun ? t->highest - t->base + 1 - t->received : 0;
    printf("\"%s\": {\"packets\": %lld, \"bytes\": %lld, \"lost\": %lld, \"reordered\": %lld, "
           "\"frames\": %lld, \"restarts\": %lld, \"uneven_ms\": %.3f, \"late_ms\": %.3f, "
           "\"gap_ms\": %.3f}",
           name, (long long)t->received, (long long)t->bytes, (long long)(lost > 0 ? lost : 0),
           (long long)t->reordered, (long long)t->frames, (long long)t->restarts,
           (t->most_late - t->least_late) / 1e6, t->most_late / 1e6, t->longest_gap / 1e6);
}

static double gap_at(double share, int64_t total) {
    int64_t sum = 0;
    for (int i = 0; i < BUCKETS; i++)
        if ((sum += gaps[i]) >= share * total) return i / 10.0;
    return BUCKETS / 10.0;
}

static void report(void) {
    int64_t total = 0;
    for (int i = 0; i < BUCKETS; i++) total += gaps[i];
    printf("{\"gap_ms\": {\"p50\": %.1f, \"p99\": %.1f, \"p999\": %.1f}, \"streams\": [",
           gap_at(0.5, total), gap_at(0.99, total), gap_at(0.999, total));
    for (int i = 0; i < stream_count; i++) {
        Stream *s = streams + i;
        printf("%s{", i ? ", " : "");
        write_track("video", &s->video);
        printf(", ");
        write_track("audio", &s->audio);
        printf(", \"burst\": %d, \"control\": %lld}", s->burst, (long long)s->control);
    }
    printf("]}\n");
}

static void new_window(void) {
    memset(gaps, 0, sizeof gaps);
    for (int i = 0; i < stream_count; i++) {
        Stream *s = streams + i;
        memset(&s->video, 0, sizeof s->video);
        memset(&s->audio, 0, sizeof s->audio);
        s->count = s->control = s->burst = 0;
    }
    printf("{\"window\": 1}\n");
}

static void obey(const char *line) {
    int stream;
    if (!strncmp(line, "report", 6)) {
        report();
    } else if (!strncmp(line, "window", 6)) {
        new_window();
    } else if (sscanf(line, "arm %d", &stream) == 1 && stream >= 0 && stream < stream_count) {
        Stream *s = streams + stream;
        s->armed = 1;
        s->armed_at = now(CLOCK_MONOTONIC);
        s->parameters = s->in_key = 0;
        s->first = 0;
        printf("{\"armed\": %d}\n", stream);
    } else {
        printf("{\"error\": 1}\n");
    }
    fflush(stdout);
}

/* Take in what was written to us; whole lines are commands. Returns 0 at the end. */
static int read_commands(void) {
    static char text[4096];
    static size_t length;
    ssize_t got = read(0, text + length, sizeof text - 1 - length);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) return 0;
    length += got;
    text[length] = 0;
    for (char *end; (end = strchr(text, '\n'));) {
        *end = 0;
        obey(text);
        length -= end + 1 - text;
        memmove(text, end + 1, length + 1);
    }
    return 1;
}

static int open_port(int port, int gro) {
    int on = 1, room = 4 << 20;
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (s < 0) die("socket");
    if (setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room))
        setsockopt(s, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (setsockopt(s, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on)) die("SO_TIMESTAMPNS");
    if (gro) setsockopt(s, IPPROTO_UDP, UDP_GRO, &on, sizeof on);
    if (bind(s, (struct sockaddr *)&here, sizeof here)) die("bind");
    return s;
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: receiver FIRST-PORT STREAMS FRAMES-PER-SECOND AUDIO-CLOCK GRO\n");
        return 2;
    }
    first_port = atoi(argv[1]);
    stream_count = atoi(argv[2]);
    frame_rate = atoi(argv[3]);
    audio_clock = atoi(argv[4]);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    streams = calloc(stream_count, sizeof *streams);
    int *sockets = calloc(stream_count * PORTS, sizeof *sockets);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!streams || !sockets || epoll < 0) die("no memory");
    for (int i = 0; i < stream_count * PORTS; i++) {
        sockets[i] = open_port(first_port + i, atoi(argv[5]));
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, sockets[i], &event)) die("epoll");
    }
    fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK);
    realtime_offset = now(CLOCK_MONOTONIC) - now(CLOCK_REALTIME);
    printf("{\"ready\": %d}\n", first_port);
    fflush(stdout);
    struct epoll_event ready[256];
    const struct timespec rest = {0, 2 * MILLISECOND};
    for (;;) {
        int count = epoll_wait(epoll, ready, 256, 0);
        for (int i = 0; i < count; i++) drain(sockets[ready[i].data.u32], ready[i].data.u32);
        if (!read_commands()) return 0;
        if (count < 256) nanosleep(&rest, NULL);
    }
}
