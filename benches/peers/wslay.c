/*
 * wslay (Debian's libwslay-dev) on epoll(7), for benches/compare. wslay begins after the handshake, so the HTTP here is the
 * least that answers a load generator which keeps the rules; it is outside of what is measured.
 *
 *     wslay PORT             its callbacks are recv(2) and send(2), as in wslay's own examples
 *     wslay PORT gather      they copy from and to one buffer, with one read and one write for each readiness
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <wslay/wslay.h>

#include "loopback.h"

struct client {
    wslay_event_context_ptr frames; /* NULL before the handshake */
    int fd;
    bool waits; /* for room to write */
    size_t len;
    char head[4096];
};

static int epoll;
static bool gather;
static uint8_t input[64 * 1024], output[64 * 1024];
static size_t at, end, gathered;

static void die(const char *what) {
    perror(what);
    exit(1);
}

/* What a system call gave, as wslay wants to hear it. */
static ssize_t told(wslay_event_context_ptr frames, ssize_t len) {
    if (len > 0)
        return len;
    bool later = len < 0 && (errno == EAGAIN || errno == EINTR);
    wslay_event_set_error(frames, later ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static ssize_t take(wslay_event_context_ptr frames, uint8_t *bytes, size_t len, int flags, void *user) {
    struct client *client = user;
    (void)flags;
    if (!gather)
        return told(frames, recv(client->fd, bytes, len, 0));
    if (at == end) {
        wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    len = len < end - at ? len : end - at;
    memcpy(bytes, input + at, len);
    at += len;
    return (ssize_t)len;
}

static ssize_t give(wslay_event_context_ptr frames, const uint8_t *bytes, size_t len, int flags, void *user) {
    struct client *client = user;
    if (!gather)
        return told(frames, send(client->fd, bytes, len, MSG_NOSIGNAL | (flags & WSLAY_MSG_MORE ? MSG_MORE : 0)));
    if (gathered == sizeof output) {
        wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    len = len < sizeof output - gathered ? len : sizeof output - gathered;
    memcpy(output + gathered, bytes, len);
    gathered += len;
    return (ssize_t)len;
}

static void echo(wslay_event_context_ptr frames, const struct wslay_event_on_msg_recv_arg *message, void *user) {
    (void)user;
    if (wslay_is_ctrl_frame(message->opcode))
        return;
    struct wslay_event_msg answer = {message->opcode, message->msg, message->msg_length};
    if (wslay_event_queue_msg(frames, &answer) != 0)
        exit(1);
}

static const struct wslay_event_callbacks callbacks = {
    .recv_callback = take, .send_callback = give, .on_msg_recv_callback = echo};

/* Answers a request that is whole; says whether the connection goes on. */
static bool greet(struct client *client) {
    ssize_t len = recv(client->fd, client->head + client->len, sizeof client->head - 1 - client->len, 0);
    if (len <= 0)
        return len < 0 && errno == EAGAIN;
    client->len += (size_t)len;
    client->head[client->len] = '\0';
    if (strstr(client->head, "\r\n\r\n") == NULL)
        return client->len < sizeof client->head - 1;
    char *key = strcasestr(client->head, "\r\nSec-WebSocket-Key:"), line[128], answer[256];
    if (key == NULL || sscanf(key + strlen("\r\nSec-WebSocket-Key:"), " %24s", line) != 1)
        return false;
    strcat(line, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    unsigned char hash[SHA_DIGEST_LENGTH], accept[32];
    SHA1((unsigned char *)line, strlen(line), hash);
    EVP_EncodeBlock(accept, hash, sizeof hash);
    int size = snprintf(answer, sizeof answer,
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: %s\r\n\r\n", accept);
    return send(client->fd, answer, (size_t)size, MSG_NOSIGNAL) == size &&
           wslay_event_context_server_init(&client->frames, &callbacks, client) == 0;
}

/* Writes all; a load generator reads what it asked for. */
static bool put(int fd) {
    for (size_t sent = 0; sent < gathered;) {
        ssize_t len = send(fd, output + sent, gathered - sent, MSG_NOSIGNAL);
        if (len < 0 && errno != EAGAIN)
            return false;
        sent += len > 0 ? (size_t)len : 0;
    }
    gathered = 0;
    return true;
}

static bool talk(struct client *client, uint32_t ready) {
    if (client->frames == NULL)
        return greet(client);
    wslay_event_context_ptr frames = client->frames;
    if (ready & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        if (gather) {
            ssize_t len = recv(client->fd, input, sizeof input, 0);
            if (len == 0 || (len < 0 && errno != EAGAIN))
                return false;
            at = 0;
            end = len > 0 ? (size_t)len : 0;
        }
        if (wslay_event_recv(frames) != 0)
            return false;
    }
    do {
        if (wslay_event_send(frames) != 0 || !put(client->fd))
            return false;
    } while (gather && wslay_event_want_write(frames));
    bool waits = wslay_event_want_write(frames);
    if (waits != client->waits) {
        struct epoll_event wanted = {.events = EPOLLIN | (waits ? EPOLLOUT : 0), .data.ptr = client};
        epoll_ctl(epoll, EPOLL_CTL_MOD, client->fd, &wanted);
        client->waits = waits;
    }
    return wslay_event_want_read(frames) || wslay_event_want_write(frames);
}

int main(int argc, char **argv) {
    gather = argc > 2 && strcmp(argv[2], "gather") == 0;
    int listener = listen_on(argc > 1 ? argv[1] : "9001", "wslay"), fd, yes = 1;
    epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event wanted = {.events = EPOLLIN}, events[256];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &wanted);
    for (;;) {
        int count = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            struct client *client = events[i].data.ptr;
            if (client != NULL) {
                if (!talk(client, events[i].events)) {
                    close(client->fd);
                    if (client->frames != NULL)
                        wslay_event_context_free(client->frames);
                    free(client);
                }
                continue;
            }
            while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
                if ((client = calloc(1, sizeof *client)) == NULL)
                    die("wslay");
                client->fd = fd;
                wanted = (struct epoll_event){.events = EPOLLIN, .data.ptr = client};
                epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wanted);
            }
        }
    }
}
