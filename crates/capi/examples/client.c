/*
 * A client on a blocking socket.
 *
 *     client ws://HOST[:PORT]/PATH TEXT...   sends each text, prints each answer, closes
 *     client --echo ws://...                 sends back what it receives, until the server closes
 *     client --print ws://...                prints what it receives, until the server closes
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bowsprit.h>

static uint64_t milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void fail(const char *what, const char *why) {
    fprintf(stderr, "client: %s: %s\n", what, why);
    exit(1);
}

/* This program did something wrong, which is never the peer's fault. */
static void check(bow_error error) {
    if (error != BOW_OK)
        fail("a call failed", bow_error_text(error));
}

static int dial(const char *host, const char *port) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list, *at;
    int error = getaddrinfo(host, port, &hints, &list), fd = -1;
    if (error != 0)
        fail(host, gai_strerror(error));
    for (at = list; at != NULL; at = at->ai_next) {
        fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) == 0)
            break;
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    freeaddrinfo(list);
    if (fd < 0)
        fail(host, "cannot be reached");
    return fd;
}

static void flush(int fd, bow_conn *conn) {
    for (;;) {
        bow_slice pending = bow_conn_pending(conn);
        if (pending.len == 0)
            return;
        ssize_t len = send(fd, pending.data, pending.len, MSG_NOSIGNAL);
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0) {
            bow_event event = {.size = sizeof event};
            check(bow_conn_eof(conn, &event));
            return;
        }
        check(bow_conn_written(conn, (size_t)len));
    }
}

/* Waits for bytes, or until something is due; says how many have come, -1 where none have. */
static ssize_t receive(int fd, const bow_conn *conn, uint8_t *buffer, size_t size) {
    uint64_t due = bow_conn_next_timeout(conn), now = milliseconds();
    int wait = due == BOW_NEVER ? -1 : due <= now ? 0 : due - now < 60000 ? (int)(due - now) : 60000;
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    if (poll(&polled, 1, wait) <= 0)
        return -1;
    ssize_t len = recv(fd, buffer, size, 0);
    if (len < 0 && errno == EINTR)
        return -1;
    return len < 0 ? 0 : len; /* a connection that was reset has ended, too */
}

int main(int argc, char **argv) {
    bool echo = argc == 3 && strcmp(argv[1], "--echo") == 0;
    bool listens = echo || (argc == 3 && strcmp(argv[1], "--print") == 0);
    const char *url = argc > 1 ? argv[listens ? 2 : 1] : "";
    char host[256] = "", port[6] = "80", authority[300];
    const char *resource = "";
    if (sscanf(url, "ws://%255[^:/]:%5[0-9]", host, port) >= 1 && strlen(url) < 2048)
        resource = strchr(url + strlen("ws://"), '/');
    if (host[0] == '\0')
        fail("usage", "client [--echo | --print] ws://HOST[:PORT]/PATH [TEXT...]");
    snprintf(authority, sizeof authority, strcmp(port, "80") == 0 ? "%s" : "%s:%s", host, port);

    bow_options options;
    check(bow_options_init(&options, sizeof options));
    options.deflate = 1;
    bow_config *config;
    check(bow_config_new(&options, &config));

    int fd = dial(host, port), next = 2, shut = 0, failed = 0;
    bow_request request = {.size = sizeof request, .host = authority, .resource = resource};
    bow_conn *conn;
    check(bow_conn_client(config, &request, milliseconds(), &conn));

    static uint8_t buffer[64 * 1024];
    for (;;) {
        flush(fd, conn);
        bow_step step = bow_conn_step(conn);
        if (step == BOW_STEP_CLOSE)
            break;
        if (step == BOW_STEP_SHUTDOWN && !shut)
            shut = shutdown(fd, SHUT_WR) == 0;

        uint8_t *input = buffer;
        ssize_t got = receive(fd, conn, buffer, sizeof buffer);
        size_t len = got > 0 ? (size_t)got : 0;
        uint64_t now = milliseconds();
        bow_event event = {.size = sizeof event};
        for (;;) {
            check(bow_conn_next(conn, &input, &len, now, &event));
            if (event.kind == BOW_EVENT_NONE && got == 0) {
                got = -1;
                check(bow_conn_eof(conn, &event));
            }
            if (event.kind == BOW_EVENT_NONE)
                break;
            bool answered = event.kind == BOW_EVENT_MESSAGE;
            if (answered && !echo)
                printf("%.*s\n", (int)event.len, (const char *)event.data);
            if (answered && echo && bow_conn_step(conn) == BOW_STEP_TALK)
                bow_conn_send(conn, event.data_kind, event.data, event.len);
            if ((answered || event.kind == BOW_EVENT_OPEN) && !listens) {
                if (next < argc)
                    check(bow_conn_send(conn, BOW_TEXT, argv[next], strlen(argv[next])));
                else
                    check(bow_conn_close(conn, 1000, NULL, now));
                next += 1;
            }
            if (event.kind == BOW_EVENT_FAILED || event.kind == BOW_EVENT_REFUSED) {
                fprintf(stderr, "client: %s\n", event.text);
                failed = 1;
            }
        }
    }
    close(fd);
    bow_conn_free(conn);
    bow_config_free(config);
    return failed;
}
