/*
 * An echo server on poll(2): one thread, one buffer for all that is read, any number of connections.
 *
 *     echo_server [PORT] [--deflate]         prints its address; port 0 is any
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bowsprit.h>

enum { MOST = 1000 };

/* The listener is number 0; clients[i] belongs to polled[i]. */
static struct pollfd polled[1 + MOST];
static struct client {
    bow_conn *conn;
    bool shut; /* our direction has ended */
} clients[1 + MOST];
static nfds_t count = 1;

static volatile sig_atomic_t stopped;

static void stop(int number) {
    (void)number;
    stopped = 1;
}

static uint64_t milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The first of these that the client offers, or none. */
static const char *const subprotocols[] = {"chat", "echo"};

/* What happened on a connection; says whether there may be more. */
static bool handle(bow_conn *conn, const bow_event *event, uint64_t now) {
    bow_error error = BOW_OK;
    switch (event->kind) {
    case BOW_EVENT_NONE:
        return false;
    case BOW_EVENT_REQUEST: {
        bow_acceptance acceptance = {.size = sizeof acceptance};
        acceptance.subprotocol = bow_conn_choose_subprotocol(conn, subprotocols, 2);
        error = bow_conn_accept(conn, &acceptance, now);
        break;
    }
    case BOW_EVENT_PLAIN_REQUEST: {
        bow_refusal refusal = {.size = sizeof refusal, .status = 426};
        error = bow_conn_refuse(conn, &refusal, now);
        break;
    }
    case BOW_EVENT_MESSAGE:
        error = bow_conn_send(conn, event->data_kind, event->data, event->len);
        if (error == BOW_ERROR_QUEUE_FULL)
            error = bow_conn_close(conn, 1013, "you do not read", now);
        break;
    case BOW_EVENT_FAILED:
        fprintf(stderr, "%s%s%s\n", event->text, event->section ? ", " : "", event->section ? event->section : "");
        break;
    default: /* Pings and Close frames are answered already */
        break;
    }
    if (error != BOW_OK && error != BOW_ERROR_CLOSING)
        fprintf(stderr, "this program is wrong: %s\n", bow_error_text(error));
    return true;
}

/* Takes what was read, or only what is due. */
static void take(bow_conn *conn, uint8_t *input, size_t len, uint64_t now) {
    bow_event event = {.size = sizeof event};
    while (bow_conn_next(conn, &input, &len, now, &event) == BOW_OK && handle(conn, &event, now)) {
    }
}

/* Reads once. */
static void receive(nfds_t i, uint64_t now) {
    static uint8_t buffer[64 * 1024];
    ssize_t len = recv(polled[i].fd, buffer, sizeof buffer, 0);
    if (len > 0) {
        take(clients[i].conn, buffer, (size_t)len, now);
    } else if (len == 0 || (errno != EAGAIN && errno != EINTR)) {
        bow_event event = {.size = sizeof event};
        if (bow_conn_eof(clients[i].conn, &event) == BOW_OK)
            handle(clients[i].conn, &event, now);
    }
}

/* Writes what the socket takes. */
static void flush(nfds_t i) {
    for (;;) {
        bow_slice pending = bow_conn_pending(clients[i].conn);
        if (pending.len == 0)
            return;
        ssize_t len = send(polled[i].fd, pending.data, pending.len, MSG_NOSIGNAL);
        if (len < 0) {
            bow_event event = {.size = sizeof event};
            if (errno != EAGAIN && errno != EINTR)
                bow_conn_eof(clients[i].conn, &event);
            return;
        }
        bow_conn_written(clients[i].conn, (size_t)len);
    }
}

/* Waits for the right thing, or for nothing any more; says whether the client is still there. */
static bool settle(nfds_t i) {
    struct client *client = &clients[i];
    bool pending = bow_conn_pending(client->conn).len > 0;
    bow_step step = bow_conn_step(client->conn);
    if (step == BOW_STEP_SHUTDOWN && !pending && !client->shut)
        client->shut = shutdown(polled[i].fd, SHUT_WR) == 0;
    /* Who does not read is not read from. */
    polled[i].events = pending ? POLLOUT : POLLIN;
    return step != BOW_STEP_CLOSE;
}

static void forget(nfds_t i) {
    close(polled[i].fd);
    bow_conn_free(clients[i].conn);
    count -= 1;
    polled[i] = polled[count];
    clients[i] = clients[count];
}

static void welcome(const bow_config *config, uint64_t now) {
    int fd = accept4(polled[0].fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    struct client client = {0};
    if (bow_conn_server(config, now, &client.conn) != BOW_OK) {
        close(fd);
        return;
    }
    polled[count] = (struct pollfd){.fd = fd, .events = POLLIN};
    clients[count] = client;
    count += 1;
}

/* Milliseconds until something is due, for poll. */
static int patience(uint64_t now) {
    uint64_t first = BOW_NEVER;
    for (nfds_t i = 1; i < count; i++) {
        uint64_t due = bow_conn_next_timeout(clients[i].conn);
        first = due < first ? due : first;
    }
    if (first == BOW_NEVER)
        return -1;
    if (first <= now)
        return 0;
    return first - now < 60000 ? (int)(first - now) : 60000;
}

static int serve_on(const char *port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof address;
    if (bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, SOMAXCONN) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        perror("echo_server");
        exit(1);
    }
    printf("ws://127.0.0.1:%d/\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv) {
    const char *port = "9001";
    bow_options options;
    bow_options_init(&options, sizeof options);
    options.origins = BOW_ORIGINS_LOOPBACK;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--deflate") == 0)
            options.deflate = 1;
        else
            port = argv[i];
    }
    bow_config *config;
    bow_error error = bow_config_new(&options, &config);
    if (error != BOW_OK) {
        fprintf(stderr, "echo_server: %s\n", bow_error_text(error));
        return 1;
    }

    struct sigaction on_stop = {.sa_handler = stop}; /* without SA_RESTART, so that poll ends */
    sigaction(SIGTERM, &on_stop, NULL);
    sigaction(SIGINT, &on_stop, NULL);
    polled[0].fd = serve_on(port);
    while (!stopped) {
        polled[0].events = count <= MOST ? POLLIN : 0;
        if (poll(polled, count, patience(milliseconds())) < 0 && errno != EINTR)
            break;
        uint64_t now = milliseconds();
        for (nfds_t i = count; i-- > 1;) { /* backwards, as the last one takes the place of who leaves */
            if (polled[i].revents & (POLLIN | POLLHUP | POLLERR))
                receive(i, now);
            if (bow_conn_next_timeout(clients[i].conn) <= now)
                take(clients[i].conn, NULL, 0, now);
            flush(i);
            if (!settle(i))
                forget(i);
        }
        if (polled[0].revents & POLLIN)
            welcome(config, now);
    }
    while (count > 1)
        forget(count - 1);
    close(polled[0].fd);
    bow_config_free(config);
    return 0;
}
