/*
 * The C interface on epoll(7), for benches/compare: the least that a C program does around it. One thread, one buffer for all
 * that is read, level-triggered, one write for each read. What it leaves out (time-outs, SIGTERM) is in
 * crates/capi/examples/echo_server.c.
 *
 *     capi PORT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bowsprit.h>

#include "loopback.h"

struct client {
    bow_conn *conn;
    int fd;
    bool waits; /* for room to write */
};

static int epoll;
static uint8_t buffer[64 * 1024];

static void check(bow_error error) {
    if (error != BOW_OK) {
        fprintf(stderr, "capi: %s\n", bow_error_text(error));
        exit(1);
    }
}

static void take(bow_conn *conn, size_t len) {
    uint8_t *input = buffer;
    bow_event event = {.size = sizeof event};
    for (;;) {
        check(bow_conn_next(conn, &input, &len, 0, &event));
        switch (event.kind) {
        case BOW_EVENT_NONE:
            return;
        case BOW_EVENT_REQUEST:
            check(bow_conn_accept(conn, NULL, 0));
            break;
        case BOW_EVENT_MESSAGE:
            check(bow_conn_send(conn, event.data_kind, event.data, event.len));
            break;
        }
    }
}

/* Says whether the connection goes on. */
static bool flush(struct client *client) {
    bow_slice pending;
    bool full = false;
    while (!full && (pending = bow_conn_pending(client->conn)).len > 0) {
        ssize_t sent = send(client->fd, pending.data, pending.len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return false;
        full = sent < (ssize_t)pending.len;
        if (sent > 0)
            check(bow_conn_written(client->conn, (size_t)sent));
    }
    if (full != client->waits) {
        struct epoll_event wanted = {.events = full ? EPOLLOUT : EPOLLIN, .data.ptr = client};
        epoll_ctl(epoll, EPOLL_CTL_MOD, client->fd, &wanted);
        client->waits = full;
    }
    return full || bow_conn_step(client->conn) == BOW_STEP_TALK;
}

static void welcome(int listener, const bow_config *config) {
    int fd, yes = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct client *client = calloc(1, sizeof *client);
        if (client == NULL)
            exit(1);
        client->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        check(bow_conn_server(config, 0, &client->conn));
        struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = client};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wanted);
    }
}

int main(int argc, char **argv) {
    int listener = listen_on(argc > 1 ? argv[1] : "9001", "capi");
    bow_config *config;
    check(bow_config_new(NULL, &config));
    epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event wanted = {.events = EPOLLIN}, events[256];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &wanted);
    for (;;) {
        int count = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            struct client *client = events[i].data.ptr;
            if (client == NULL) {
                welcome(listener, config);
                continue;
            }
            ssize_t len = 0;
            if (!client->waits || events[i].events & (EPOLLHUP | EPOLLERR)) {
                len = recv(client->fd, buffer, sizeof buffer, 0);
                if (len > 0)
                    take(client->conn, (size_t)len);
            }
            bool ended = len == 0 && !client->waits;
            if (ended || (len < 0 && errno != EAGAIN) || !flush(client)) {
                close(client->fd);
                bow_conn_free(client->conn);
                free(client);
            }
        }
    }
}
