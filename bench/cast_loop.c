/* Voters that cast as fast as they are acknowledged, for bench/cast_loop.py: one thread, epoll, no allocation while it runs. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

enum { EVENTS = 512, BUFFER = 4096, PING_MAX = 125, TROUBLE = 256 };

struct voter {
    int socket;
    const char *frames; /* the casts of this voter, one after the other; their ids are 1, 2, … */
    const int *ends;    /* where each of them ends */
    int sent, in_flight;
    int held; /* bytes in `buffer`: the beginning of a frame */
    double *sent_s; /* of each cast; 0: it is not sent, or answered */
    unsigned char buffer[BUFFER];
};

struct crowd {
    int count, casts, in_flight, epoll;
    long committed;
    float *latencies_s; /* room for all casts */
    char trouble[TROUBLE]; /* the first reply that is no acknowledgement of a committed cast, or the first failed call */
    struct voter voters[];
};

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

static int fail(struct crowd *crowd, const char *text, int length) {
    if (!crowd->trouble[0]) snprintf(crowd->trouble, TROUBLE, "%.*s", length, text);
    return -1;
}

static int send_all(struct crowd *crowd, struct voter *voter, const void *bytes, size_t length) {
    ssize_t sent = send(voter->socket, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent == (ssize_t) length) return 0;
    const char *problem = sent < 0 ? strerror(errno) : "a short send";
    return fail(crowd, problem, (int) strlen(problem));
}

/* Sends the next casts, as many as may be in flight, with one call. */
static int cast(struct crowd *crowd, struct voter *voter) {
    int first = voter->sent, last = first + crowd->in_flight - voter->in_flight;
    if (last == first) return 0;
    if (last > crowd->casts) return fail(crowd, "a voter has no casts left", 25);
    double sent_s = now_s();
    for (int id = first + 1; id <= last; id++) voter->sent_s[id - 1] = sent_s;
    int begin = first ? voter->ends[first - 1] : 0;
    voter->in_flight += last - first;
    voter->sent = last;
    return send_all(crowd, voter, voter->frames + begin, voter->ends[last - 1] - begin);
}

static int take(struct crowd *crowd, struct voter *voter, unsigned char *frame, const unsigned char *payload, int length) {
    const char *text = (const char *) payload;
    if (frame[0] == 0x89) { /* a ping, answered with its payload and a mask of zeros */
        if (length > PING_MAX) return fail(crowd, "a ping is too long", 18);
        unsigned char pong[6 + PING_MAX] = {0x8A, 0x80 | length};
        memcpy(pong + 6, payload, length);
        return send_all(crowd, voter, pong, 6 + length);
    }
    if (length < 7 || memcmp(text, "{\"re\":", 6) || !memmem(text, length, "\"committed\"", 11)) return fail(crowd, text, length);
    int id = 0;
    for (int at = 6; at < length && text[at] >= '0' && text[at] <= '9'; at++) id = id * 10 + text[at] - '0';
    if (id < 1 || id > voter->sent || !voter->sent_s[id - 1]) return fail(crowd, text, length);
    crowd->latencies_s[crowd->committed++] = now_s() - voter->sent_s[id - 1];
    voter->sent_s[id - 1] = 0;
    voter->in_flight--;
    return 0;
}

static int receive(struct crowd *crowd, struct voter *voter) {
    ssize_t got = recv(voter->socket, voter->buffer + voter->held, BUFFER - voter->held, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return 0;
    if (got < 0) return fail(crowd, strerror(errno), (int) strlen(strerror(errno)));
    if (got == 0) return fail(crowd, "the server closed a connection", 30);
    int end = voter->held + got, start = 0;
    while (end - start >= 2) {
        unsigned char *frame = voter->buffer + start;
        int length = frame[1], head = 2;
        if (length == 127) return fail(crowd, "a frame is too long", 19);
        if (length == 126) {
            if (end - start < 4) break;
            length = frame[2] << 8 | frame[3];
            head = 4;
        }
        if (head + length > BUFFER) return fail(crowd, "a frame is too long", 19);
        if (end - start < head + length) break;
        if (take(crowd, voter, frame, frame + head, length)) return -1;
        start += head + length;
    }
    memmove(voter->buffer, voter->buffer + start, end - start);
    voter->held = end - start;
    return 0;
}

/* Gives a crowd whose voters have these sockets, each with `casts` casts; NULL: no memory, or no epoll. */
struct crowd *crowd_open(int count, const int *sockets, const char *const *frames, const int *const *ends, int casts, int in_flight) {
    struct crowd *crowd = calloc(1, sizeof *crowd + count * sizeof *crowd->voters);
    if (!crowd) return NULL;
    *crowd = (struct crowd) {.count = count, .casts = casts, .in_flight = in_flight, .epoll = epoll_create1(0)};
    crowd->latencies_s = malloc(sizeof *crowd->latencies_s * count * casts);
    double *sent_s = calloc((size_t) count * casts, sizeof *sent_s);
    if (!crowd->latencies_s || !sent_s || crowd->epoll < 0) return NULL;
    for (int i = 0; i < count; i++) {
        struct voter *voter = &crowd->voters[i];
        voter->socket = sockets[i];
        voter->frames = frames[i];
        voter->ends = ends[i];
        voter->sent_s = sent_s + (size_t) i * casts;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = voter};
        if (epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, sockets[i], &event)) return NULL;
    }
    return crowd;
}

static long unanswered(const struct crowd *crowd) {
    long count = 0;
    for (int i = 0; i < crowd->count; i++) count += crowd->voters[i].in_flight;
    return count;
}

/* Lets the voters cast for this time. If `casting` is 0, waits for all answers instead, at most this time. Gives how many are missing;
   -1: trouble. */
long crowd_run(struct crowd *crowd, double seconds, int casting) {
    struct epoll_event events[EVENTS];
    double end_s = now_s() + seconds;
    for (int i = 0; i < crowd->count; i++) {
        if (casting && cast(crowd, &crowd->voters[i])) return -1;
    }
    while (now_s() < end_s && (casting || unanswered(crowd))) {
        int ready = epoll_wait(crowd->epoll, events, EVENTS, 100);
        for (int i = 0; i < ready; i++) {
            struct voter *voter = events[i].data.ptr;
            if (receive(crowd, voter) || (casting && cast(crowd, voter))) return -1;
        }
    }
    return unanswered(crowd);
}

long crowd_committed(const struct crowd *crowd) { return crowd->committed; }
const float *crowd_latencies_s(const struct crowd *crowd) { return crowd->latencies_s; }
const char *crowd_trouble(const struct crowd *crowd) { return crowd->trouble; }
int crowd_sent(const struct crowd *crowd, int voter) { return crowd->voters[voter].sent; }
