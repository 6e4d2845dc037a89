/* The least that sending can cost: no file, no container, packets of about the right size, sent
 * evenly by one thread, one system call for each frame (UDP_SEGMENT) and each packet of audio.
 *
 *     floor FIRST-PORT STREAMS FRAMES-PER-SECOND AUDIO-CLOCK-RATE
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
enum { PORTS = 4, PAYLOAD = 1388, HEADER = 12, PACKET = HEADER + PAYLOAD, AAC = 344 };
enum { FRAME_PACKETS = 9, SAMPLES = 1024 };  /* 9 x 1388 x 30 Hz: 3 Mbit/s */
#define SECOND 1000000000LL
#define TICK (5 * SECOND / 1000)  /* it wakes no more often */

typedef struct {
    struct sockaddr_in video, audio;
    int64_t next_video, next_audio;
    uint16_t video_sequence, audio_sequence;
    uint32_t frames, sounds;
} Stream;

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static void write_header(uint8_t *p, int type, int marker, uint16_t sequence, uint32_t timestamp) {
    uint16_t s = htons(sequence);
    uint32_t t = htonl(timestamp), source = htonl(1);
    p[0] = 0x80;
    p[1] = type | marker << 7;
    memcpy(p + 2, &s, 2);
    memcpy(p + 4, &t, 4);
    memcpy(p + 8, &source, 4);
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    int port = atoi(argv[1]), count = atoi(argv[2]), rate = atoi(argv[3]), clock = atoi(argv[4]);
    int one = socket(AF_INET, SOCK_DGRAM, 0), many = socket(AF_INET, SOCK_DGRAM, 0);
    int segment = PACKET, room = 4 << 20;
    if (setsockopt(many, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment)) return 1;
    setsockopt(many, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    Stream *streams = calloc(count, sizeof *streams);
    static uint8_t frame[FRAME_PACKETS * PACKET], sound[HEADER + AAC];
    for (int i = 0; i < FRAME_PACKETS; i++) {
        frame[i * PACKET + HEADER] = 28;                        /* FU-A */
        frame[i * PACKET + HEADER + 1] = i ? 1 : 0x80 | 1;      /* of a slice */
    }
    int64_t begin = now();
    for (int i = 0; i < count; i++) {
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        streams[i].video = streams[i].audio = to;
        streams[i].video.sin_port = htons(port + PORTS * i);
        streams[i].audio.sin_port = htons(port + PORTS * i + 2);
        streams[i].next_video = streams[i].next_audio = begin + SECOND / rate * i / count;
    }
    for (int64_t wake = begin, next;; wake = next > wake + TICK ? next : wake + TICK) {
        struct timespec until = {wake / SECOND, wake % SECOND};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        next = INT64_MAX;
        for (Stream *s = streams; s < streams + count; s++) {
            for (; s->next_video <= wake; s->next_video += SECOND / rate, s->frames++) {
                for (int i = 0; i < FRAME_PACKETS; i++)
                    write_header(frame + i * PACKET, 96, i == FRAME_PACKETS - 1,
                                 s->video_sequence++, s->frames * (90000 / rate));
                sendto(many, frame, sizeof frame, 0, (struct sockaddr *)&s->video, sizeof s->video);
            }
            for (; s->next_audio <= wake; s->next_audio += SECOND * SAMPLES / clock, s->sounds++) {
                write_header(sound, 97, 1, s->audio_sequence++, s->sounds * SAMPLES);
                sendto(one, sound, sizeof sound, 0, (struct sockaddr *)&s->audio, sizeof s->audio);
            }
            if (s->next_video < next) next = s->next_video;
            if (s->next_audio < next) next = s->next_audio;
        }
    }
}
