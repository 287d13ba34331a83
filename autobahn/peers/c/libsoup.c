/* libsoup 3: libsoup server | client URL */
#include <libsoup/soup.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOM (64 << 20) /* its default is 128 KiB, which ends the cases on large messages */

static void on_message(SoupWebsocketConnection *connection, gint type, GBytes *message, gpointer unused) {
    (void)unused;
    soup_websocket_connection_send_message(connection, type, message);
}

/* --- the server --- */

static void on_websocket(SoupServer *server, SoupServerMessage *request, const char *path, SoupWebsocketConnection *connection,
                         gpointer unused) {
    (void)server, (void)request, (void)path, (void)unused;
    soup_websocket_connection_set_max_incoming_payload_size(connection, ROOM);
    g_signal_connect(connection, "message", G_CALLBACK(on_message), NULL);
    g_signal_connect(connection, "closed", G_CALLBACK(g_object_unref), NULL);
    g_object_ref(connection);
}

static gboolean on_stdin(GIOChannel *stdin_channel, GIOCondition condition, gpointer unused) {
    char bytes[256];
    (void)stdin_channel, (void)condition, (void)unused;
    if (read(0, bytes, sizeof bytes) <= 0) exit(0);
    return TRUE;
}

static int serve(void) {
    SoupServer *server = soup_server_new(NULL, NULL);
    GError *error = NULL;
    soup_server_add_websocket_handler(server, NULL, NULL, NULL, on_websocket, NULL, NULL);
    if (!soup_server_listen_local(server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error)) return 1;
    GSList *uris = soup_server_get_uris(server);
    printf("ws://127.0.0.1:%d/\n", g_uri_get_port(uris->data));
    fflush(stdout);
    g_io_add_watch(g_io_channel_unix_new(0), G_IO_IN | G_IO_HUP, on_stdin, NULL);
    g_main_loop_run(g_main_loop_new(NULL, FALSE));
    return 0;
}

/* --- the client --- */

static GMainLoop *loop;
static SoupSession *session;
static char *url, *first;
static int echoing;

static void on_first(SoupWebsocketConnection *connection, gint type, GBytes *message, gpointer unused) {
    gsize size;
    const char *bytes = g_bytes_get_data(message, &size);
    (void)connection, (void)type, (void)unused;
    if (!first) first = g_strndup(bytes, size);
}

static void on_closed(SoupWebsocketConnection *connection, gpointer unused) {
    (void)unused;
    g_object_unref(connection);
    g_main_loop_quit(loop);
}

static void on_connected(GObject *source, GAsyncResult *result, gpointer unused) {
    GError *error = NULL;
    SoupWebsocketConnection *connection = soup_session_websocket_connect_finish(SOUP_SESSION(source), result, &error);
    (void)unused;
    if (!connection) {
        g_clear_error(&error);
        g_main_loop_quit(loop);
        return;
    }
    soup_websocket_connection_set_max_incoming_payload_size(connection, ROOM);
    g_signal_connect(connection, "message", G_CALLBACK(echoing ? on_message : on_first), NULL);
    g_signal_connect(connection, "closed", G_CALLBACK(on_closed), NULL);
}

/* One connection, until it has ended. */
static void visit(const char *resource, int echo) {
    char *whole = g_strconcat(url, resource, NULL);
    SoupMessage *message = soup_message_new("GET", whole);
    echoing = echo;
    soup_session_websocket_connect_async(session, message, NULL, NULL, G_PRIORITY_DEFAULT, NULL, on_connected, NULL);
    g_main_loop_run(loop);
    g_object_unref(message);
    g_free(whole);
}

static int play(void) {
    loop = g_main_loop_new(NULL, FALSE);
    session = soup_session_new();
    visit("/getCaseCount", 0);
    int count = first ? atoi(first) : 0;
    for (int number = 1; number <= count; number++) {
        char resource[64];
        snprintf(resource, sizeof resource, "/runCase?case=%d&agent=libsoup", number);
        visit(resource, 1);
    }
    visit("/updateReports?agent=libsoup", 0);
    return count ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "server")) return serve();
    if (argc != 3) return 2;
    url = argv[2];
    if (g_str_has_suffix(url, "/")) url[strlen(url) - 1] = 0;
    return play();
}
