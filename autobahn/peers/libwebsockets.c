/* An echo server on libwebsockets: libwebsockets [--plain | PORT]  (cc libwebsockets.c -lwebsockets -pthread)
 * With --plain it does not compress, and so with a port, which is for benches/compare. The first line on stdout is its URL.
 * It ends when its standard input is closed, so it never outlives its starter; with a port, at SIGTERM.
 * Whole messages are collected and sent back one for each writeable callback, as the library asks; what was written
 * stays until the next one, since compression goes on reading from it. */
#include <libwebsockets.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct message {
    struct message *next;
    size_t len;
    int binary;
    unsigned char bytes[];
};
struct session {
    struct message *first, *last, *written;
    unsigned char *collected;
    size_t len, room;
    int binary;
};

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len) {
    struct session *s = user;
    switch (reason) {
    case LWS_CALLBACK_RECEIVE: {
        if (lws_is_first_fragment(wsi)) {
            s->len = 0;
            s->binary = lws_frame_is_binary(wsi);
        }
        if (s->len + len > s->room) {
            s->room = (s->len + len) * 2;
            s->collected = realloc(s->collected, s->room);
            if (!s->collected) return -1;
        }
        memcpy(s->collected + s->len, in, len);
        s->len += len;
        if (!lws_is_final_fragment(wsi)) break;
        struct message *m = malloc(sizeof *m + LWS_PRE + s->len);
        if (!m) return -1;
        m->next = NULL;
        m->len = s->len;
        m->binary = s->binary;
        memcpy(m->bytes + LWS_PRE, s->collected, s->len);
        s->len = 0;
        if (s->last) s->last->next = m;
        else s->first = m;
        s->last = m;
        lws_callback_on_writable(wsi);
        break;
    }
    case LWS_CALLBACK_SERVER_WRITEABLE: {
        struct message *m = s->first;
        free(s->written);
        s->written = NULL;
        if (!m) break;
        if (lws_write(wsi, m->bytes + LWS_PRE, m->len, m->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT) < (int)m->len)
            return -1;
        s->first = m->next;
        if (!s->first) s->last = NULL;
        s->written = m;
        lws_callback_on_writable(wsi);
        break;
    }
    case LWS_CALLBACK_CLOSED:
        while (s->first) {
            struct message *m = s->first;
            s->first = m->next;
            free(m);
        }
        free(s->written);
        free(s->collected);
        s->written = NULL;
        s->collected = NULL;
        break;
    default:
        break;
    }
    return 0;
}

static const struct lws_protocols protocols[] = {
    {"echo", on_event, sizeof(struct session), 65536, 0, NULL, 0},
    {NULL, NULL, 0, 0, 0, NULL, 0},
};
static const struct lws_extension extensions[] = {
    {"permessage-deflate", lws_extension_callback_pm_deflate, "permessage-deflate; client_no_context_takeover; client_max_window_bits"},
    {NULL, NULL, NULL},
};

static void *end_with_stdin(void *unused) {
    char bytes[256];
    while (read(0, bytes, sizeof bytes) > 0) {}
    (void)unused;
    _exit(0);
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "--version")) {
        puts(lws_get_library_version());
        return 0;
    }
    struct lws_context_creation_info info;
    memset(&info, 0, sizeof info);
    lws_set_log_level(LLL_ERR, NULL);
    int port = argc > 1 ? atoi(argv[1]) : 0;
    info.port = port;
    info.iface = "127.0.0.1";
    info.protocols = protocols;
    if (!port && (argc < 2 || strcmp(argv[1], "--plain"))) info.extensions = extensions;
    info.pt_serv_buf_size = 128 * 1024;
    info.options = LWS_SERVER_OPTION_VALIDATE_UTF8;
    info.timeout_secs = 5;
    struct lws_context *context = lws_create_context(&info);
    if (!context) return 1;
    printf("ws://127.0.0.1:%d/\n", lws_get_vhost_listen_port(lws_get_vhost_by_name(context, "default")));
    fflush(stdout);
    pthread_t thread;
    if (!port && pthread_create(&thread, NULL, end_with_stdin, NULL)) return 1;
    while (lws_service(context, 0) >= 0) {}
    return 0;
}
