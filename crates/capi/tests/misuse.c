/*
 * What C can get wrong, and bytes in every cut: each call has to come back with an error, or with what is right; the rest is
 * seen by valgrind and by AddressSanitizer, under which this is run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bowsprit.h>

#undef NDEBUG /* the assertions are the test */
#include <assert.h>

#define IS(call, error) check((call), (error), #call, __LINE__)

static unsigned checks;

static void check(bow_error found, bow_error expected, const char *call, int line) {
    checks += 1;
    if (found != expected) {
        fprintf(stderr, "line %d: %s: %u (%s) in place of %u\n", line, call, found, bow_error_text(found), expected);
        exit(1);
    }
}

static const char OPENING[] = "GET /chat?a=1 HTTP/1.1\r\nHost: localhost:9001\r\nUpgrade: websocket\r\n"
                              "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: one, two\r\n\r\n";

/* --- helpers ------------------------------------------------------------------------------------------------------ */

static bow_config *config_with(uint32_t deflate, uint32_t delivery) {
    bow_options options;
    bow_config *config;
    IS(bow_options_init(&options, sizeof options), BOW_OK);
    options.deflate = deflate;
    options.delivery = delivery;
    IS(bow_config_new(&options, &config), BOW_OK);
    return config;
}

static bow_conn *server_with(const bow_config *config) {
    bow_conn *conn;
    IS(bow_conn_server(config, 0, &conn), BOW_OK);
    return conn;
}

static bow_conn *client_with(const bow_config *config) {
    static const char *const offers[] = {"one", "two"};
    bow_request request = {.size = sizeof request, .host = "localhost:9001", .resource = "/chat?a=1"};
    request.subprotocols = offers;
    request.subprotocol_count = 2;
    bow_conn *conn;
    IS(bow_conn_client(config, &request, 0, &conn), BOW_OK);
    return conn;
}

/* What happened, as text: so that two runs can be compared. Pieces of one message are one, whatever their cut. */
struct log {
    char text[1 << 16];
    size_t len;
};

static void add(struct log *log, const void *bytes, size_t len) {
    assert(log->len + len < sizeof log->text);
    if (len > 0)
        memcpy(log->text + log->len, bytes, len);
    log->len += len;
    log->text[log->len] = '\0';
}

static void tell(struct log *log, const bow_event *event) {
    char line[300];
    if (event->kind == BOW_EVENT_CHUNK) {
        add(log, event->data, event->len);
        if (event->message_ends)
            add(log, "|\n", 2);
        return;
    }
    int used = snprintf(line, sizeof line, "%u %u %u %u %s %s ", event->kind, event->data_kind, event->code,
                        event->error, event->text ? event->text : "-", event->section ? event->section : "-");
    add(log, line, (size_t)used);
    add(log, event->data, event->len);
    add(log, "\n", 1);
}

/* Gives a copy of its own size, so that whoever looks beyond its end is seen. Accepts what asks. */
static void give(bow_conn *conn, const void *bytes, size_t len, struct log *log) {
    uint8_t *copy = malloc(len ? len : 1), *input = copy;
    bow_event event = {.size = sizeof event};
    memcpy(copy, bytes, len);
    do {
        IS(bow_conn_next(conn, &input, &len, 1, &event), BOW_OK);
        if (event.kind != BOW_EVENT_NONE)
            tell(log, &event);
        if (event.kind == BOW_EVENT_REQUEST) {
            static const char *const known[] = {"three", "two"};
            bow_acceptance acceptance = {.size = sizeof acceptance};
            acceptance.subprotocol = bow_conn_choose_subprotocol(conn, known, 2);
            assert(acceptance.subprotocol == NULL || acceptance.subprotocol == known[1]);
            IS(bow_conn_accept(conn, &acceptance, 1), BOW_OK);
        }
        if (event.kind == BOW_EVENT_PLAIN_REQUEST) {
            bow_refusal refusal = {.size = sizeof refusal, .status = 200, .body = "page", .body_len = 4};
            IS(bow_conn_refuse(conn, &refusal, 1), BOW_OK);
        }
        if (event.kind == BOW_EVENT_MESSAGE && bow_conn_step(conn) == BOW_STEP_TALK) {
            bow_error error = bow_conn_send(conn, event.data_kind, event.data, event.len); /* lies in `copy` */
            assert(error == BOW_OK || error == BOW_ERROR_CLOSING);
        }
    } while (event.kind != BOW_EVENT_NONE);
    assert(len == 0);
    free(copy);
}

/* Takes all that is pending, in steps of so many bytes. */
static size_t drain(bow_conn *conn, char *to, size_t room, size_t step) {
    size_t used = 0;
    for (;;) {
        bow_slice pending = bow_conn_pending(conn);
        size_t len = pending.len < step ? pending.len : step;
        if (len == 0) {
            assert(bow_conn_queued(conn) == 0);
            return used;
        }
        assert(used + len <= room && bow_conn_queued(conn) >= pending.len);
        memcpy(to + used, pending.data, len);
        used += len;
        IS(bow_conn_written(conn, len), BOW_OK);
    }
}

/* --- NULL, sizes, nonsense ----------------------------------------------------------------------------------------- */

static void null_everywhere(void) {
    bow_options options;
    bow_config *config = NULL;
    bow_conn *conn = NULL;
    bow_prepared *prepared = NULL;
    bow_event event = {.size = sizeof event};
    bow_outcome outcome = {.size = sizeof outcome};
    bow_slice slice;
    uint8_t byte = 0, *input = &byte;
    size_t len = 1;

    IS(bow_options_init(NULL, sizeof options), BOW_ERROR_NULL);
    IS(bow_config_new(NULL, NULL), BOW_ERROR_NULL);
    IS(bow_config_new(NULL, &config), BOW_OK);
    IS(bow_config_allow_origin(NULL, "https://example.com"), BOW_ERROR_NULL);
    IS(bow_config_allow_origin(config, NULL), BOW_ERROR_NULL);
    IS(bow_config_allow_host(NULL, "example.com"), BOW_ERROR_NULL);
    IS(bow_config_allow_host(config, NULL), BOW_ERROR_NULL);
    IS(bow_conn_server(NULL, 0, &conn), BOW_ERROR_NULL);
    assert(conn == NULL);
    IS(bow_conn_server(config, 0, NULL), BOW_ERROR_NULL);
    bow_request request = {.size = sizeof request, .host = "localhost"};
    IS(bow_conn_client(NULL, &request, 0, &conn), BOW_ERROR_NULL);
    IS(bow_conn_client(config, NULL, 0, &conn), BOW_ERROR_NULL);
    IS(bow_conn_client(config, &request, 0, NULL), BOW_ERROR_NULL);
    request.host = NULL;
    IS(bow_conn_client(config, &request, 0, &conn), BOW_ERROR_NULL);
    request.host = "localhost";
    request.subprotocol_count = 1;
    IS(bow_conn_client(config, &request, 0, &conn), BOW_ERROR_NULL);
    request.subprotocol_count = 0;
    request.header_count = 1;
    IS(bow_conn_client(config, &request, 0, &conn), BOW_ERROR_NULL);
    bow_header header = {NULL, "x"};
    request.headers = &header;
    IS(bow_conn_client(config, &request, 0, &conn), BOW_ERROR_NULL);

    IS(bow_conn_next(NULL, &input, &len, 0, &event), BOW_ERROR_NULL);
    IS(bow_conn_eof(NULL, &event), BOW_ERROR_NULL);
    assert(bow_conn_request(NULL) == NULL);
    assert(bow_conn_header(NULL, "Host").data == NULL);
    IS(bow_conn_header_at(NULL, 0, &slice, &slice), BOW_ERROR_NULL);
    assert(bow_conn_choose_subprotocol(NULL, NULL, 0) == NULL);
    IS(bow_conn_accept(NULL, NULL, 0), BOW_ERROR_NULL);
    IS(bow_conn_refuse(NULL, NULL, 0), BOW_ERROR_NULL);
    assert(bow_conn_subprotocol(NULL).data == NULL && !bow_conn_is_compressed(NULL));
    IS(bow_conn_send(NULL, BOW_TEXT, "x", 1), BOW_ERROR_NULL);
    IS(bow_conn_send_with(NULL, BOW_TEXT, "x", 1, BOW_COMPRESS_OFF), BOW_ERROR_NULL);
    IS(bow_conn_send_prepared(NULL, NULL), BOW_ERROR_NULL);
    IS(bow_conn_start_message(NULL, BOW_TEXT, "x", 1, BOW_COMPRESS_AUTO), BOW_ERROR_NULL);
    IS(bow_conn_continue_message(NULL, "x", 1), BOW_ERROR_NULL);
    IS(bow_conn_finish_message(NULL, "x", 1), BOW_ERROR_NULL);
    IS(bow_conn_ping(NULL, "x", 1), BOW_ERROR_NULL);
    IS(bow_conn_pong(NULL, "x", 1), BOW_ERROR_NULL);
    IS(bow_conn_close(NULL, 1000, "", 0), BOW_ERROR_NULL);
    assert(bow_conn_pending(NULL).len == 0 && bow_conn_queued(NULL) == 0 && bow_conn_held(NULL) == 0);
    IS(bow_conn_written(NULL, 0), BOW_ERROR_NULL);
    assert(bow_conn_step(NULL) == BOW_STEP_CLOSE && bow_conn_next_timeout(NULL) == BOW_NEVER);
    IS(bow_conn_outcome(NULL, &outcome), BOW_ERROR_NULL);
    IS(bow_prepared_new(BOW_TEXT, "x", 1, NULL), BOW_ERROR_NULL);
    IS(bow_prepared_new(BOW_TEXT, NULL, 1, &prepared), BOW_ERROR_NULL);
    bow_config_free(NULL);
    bow_conn_free(NULL);
    bow_prepared_free(NULL);

    /* The same with a connection, of each stage. */
    struct log log = {.len = 0};
    for (int open = 0; open < 2; open++) {
        conn = server_with(config);
        if (open) {
            give(conn, OPENING, sizeof OPENING - 1, &log);
            IS(bow_conn_send(conn, BOW_BINARY, NULL, 1), BOW_ERROR_NULL);
            IS(bow_conn_send(conn, BOW_BINARY, NULL, 0), BOW_OK);
            IS(bow_conn_start_message(conn, BOW_TEXT, NULL, 1, BOW_COMPRESS_AUTO), BOW_ERROR_NULL);
            IS(bow_conn_start_message(conn, BOW_TEXT, NULL, 0, BOW_COMPRESS_AUTO), BOW_OK);
            IS(bow_conn_continue_message(conn, NULL, 1), BOW_ERROR_NULL);
            IS(bow_conn_finish_message(conn, NULL, 1), BOW_ERROR_NULL);
            IS(bow_conn_finish_message(conn, NULL, 0), BOW_OK);
            IS(bow_conn_ping(conn, NULL, 1), BOW_ERROR_NULL);
            IS(bow_conn_pong(conn, NULL, 1), BOW_ERROR_NULL);
            IS(bow_conn_send_prepared(conn, NULL), BOW_ERROR_NULL);
        } else {
            IS(bow_conn_send(conn, BOW_BINARY, NULL, 1), BOW_ERROR_NOT_OPEN);
        }
        IS(bow_conn_next(conn, NULL, &len, 0, &event), BOW_ERROR_NULL);
        IS(bow_conn_next(conn, &input, NULL, 0, &event), BOW_ERROR_NULL);
        IS(bow_conn_next(conn, &input, &len, 0, NULL), BOW_ERROR_NULL);
        uint8_t *nothing = NULL;
        IS(bow_conn_next(conn, &nothing, &len, 0, &event), BOW_ERROR_NULL);
        len = SIZE_MAX;
        IS(bow_conn_next(conn, &input, &len, 0, &event), BOW_ERROR_ARGUMENT);
        len = 0;
        IS(bow_conn_next(conn, &nothing, &len, 0, &event), BOW_OK);
        len = 1;
        IS(bow_conn_eof(conn, NULL), BOW_ERROR_NULL);
        IS(bow_conn_outcome(conn, NULL), BOW_ERROR_NULL);
        IS(bow_conn_header_at(conn, 0, NULL, &slice), BOW_ERROR_NULL);
        IS(bow_conn_header_at(conn, 0, &slice, NULL), BOW_ERROR_NULL);
        assert(bow_conn_header(conn, NULL).data == NULL);
        assert(bow_conn_choose_subprotocol(conn, NULL, 3) == NULL);
        assert(input == &byte && len == 1); /* nothing was taken */
        bow_conn_free(conn);
    }
    bow_config_free(config);
}

static void sizes_that_are_none(void) {
    bow_config *config = config_with(0, BOW_DELIVER_MESSAGES), *none;
    bow_conn *conn = server_with(config), *no_conn;
    static const size_t sizes[] = {0, 1, sizeof(size_t), 4097, SIZE_MAX};
    uint8_t *input = NULL;
    size_t len = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        bow_options options;
        bow_request request = {.size = sizes[i], .host = "localhost"};
        bow_event event = {.size = sizes[i]};
        bow_outcome outcome = {.size = sizes[i]};
        bow_acceptance acceptance = {.size = sizes[i]};
        bow_refusal refusal = {.size = sizes[i], .status = 403};
        IS(bow_options_init(&options, sizes[i]), BOW_ERROR_SIZE);
        options.size = sizes[i];
        IS(bow_config_new(&options, &none), BOW_ERROR_SIZE);
        IS(bow_conn_client(config, &request, 0, &no_conn), BOW_ERROR_SIZE);
        IS(bow_conn_next(conn, &input, &len, 0, &event), BOW_ERROR_SIZE);
        IS(bow_conn_eof(conn, &event), BOW_ERROR_SIZE);
        IS(bow_conn_outcome(conn, &outcome), BOW_ERROR_SIZE);
        IS(bow_conn_accept(conn, &acceptance, 0), BOW_ERROR_SIZE);
        IS(bow_conn_refuse(conn, &refusal, 0), BOW_ERROR_SIZE);
    }
    IS(bow_conn_accept(conn, NULL, 0), BOW_ERROR_NO_REQUEST);
    assert(bow_conn_step(conn) == BOW_STEP_TALK); /* the wrong eof has done nothing */

    /* A program of a later version, and what it asks for that we do not know. */
    struct {
        bow_options options;
        uint64_t later[4];
    } newer;
    IS(bow_options_init(&newer.options, sizeof newer), BOW_OK);
    assert(newer.options.size == sizeof newer && newer.later[0] == 0 && newer.later[3] == 0);
    IS(bow_config_new(&newer.options, &none), BOW_OK);
    bow_config_free(none);
    newer.later[2] = 1;
    IS(bow_config_new(&newer.options, &none), BOW_ERROR_SIZE);
    struct {
        bow_event event;
        uint64_t later[2];
    } event = {.event = {.size = sizeof event}, .later = {7, 7}};
    IS(bow_conn_next(conn, &input, &len, 0, &event.event), BOW_OK);
    assert(event.event.size == sizeof event && event.later[0] == 0 && event.later[1] == 0);
    bow_conn_free(conn);
    bow_config_free(config);
}

static void nonsense(void) {
    bow_config *config = config_with(0, BOW_DELIVER_MESSAGES);
    bow_prepared *prepared;
    struct log log = {.len = 0};
    IS(bow_config_allow_origin(config, "*"), BOW_ERROR_ORIGIN);
    IS(bow_config_allow_host(config, "a b"), BOW_ERROR_HOST);
    IS(bow_config_allow_host(config, "\xff"), BOW_ERROR_NOT_UTF8);
    IS(bow_prepared_new(0, "x", 1, &prepared), BOW_ERROR_ARGUMENT);
    IS(bow_prepared_new(BOW_TEXT, "\xff", 1, &prepared), BOW_ERROR_NOT_UTF8);
    IS(bow_prepared_new(BOW_BINARY, "\xff", SIZE_MAX, &prepared), BOW_ERROR_ARGUMENT);

    bow_conn *conn;
    static const struct {
        const char *host, *resource, *origin, *name, *value;
        bow_error error;
    } requests[] = {
        {"a b", "/", NULL, "X", "y", BOW_ERROR_HOST},
        {"localhost\r\nX: y", "/", NULL, "X", "y", BOW_ERROR_HOST},
        {"localhost", "chat", NULL, "X", "y", BOW_ERROR_RESOURCE},
        {"localhost", "/a b", NULL, "X", "y", BOW_ERROR_RESOURCE},
        {"localhost", "/", "\r\n", "X", "y", BOW_ERROR_ORIGIN},
        {"localhost", "/", NULL, "X", "y\r\nZ: z", BOW_ERROR_HEADER},
        {"localhost", "/", NULL, "Sec-WebSocket-Key", "y", BOW_ERROR_HEADER},
        {"localhost", "/", NULL, "", "y", BOW_ERROR_HEADER},
        {"localhost", "/", NULL, "X", "\xff", BOW_ERROR_NOT_UTF8},
    };
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        bow_header header = {requests[i].name, requests[i].value};
        bow_request request = {.size = sizeof request, .headers = &header, .header_count = 1};
        request.host = requests[i].host;
        request.resource = requests[i].resource;
        request.origin = requests[i].origin;
        IS(bow_conn_client(config, &request, 0, &conn), requests[i].error);
        assert(conn == NULL);
    }
    static const char *const twice[] = {"one", "one"};
    bow_request request = {.size = sizeof request, .host = "localhost", .subprotocols = twice, .subprotocol_count = 2};
    IS(bow_conn_client(config, &request, 0, &conn), BOW_ERROR_SUBPROTOCOL);
    request.subprotocol_count = SIZE_MAX;
    IS(bow_conn_client(config, &request, 0, &conn), BOW_ERROR_ARGUMENT);

    /* A request that waits stays, whatever the answer; and takes nothing of what comes behind it. */
    conn = server_with(config);
    char early[sizeof OPENING + 8];
    memcpy(early, OPENING, sizeof OPENING - 1);
    memcpy(early + sizeof OPENING - 1, "\x81\x80\1\2\3\4", 6);
    uint8_t *input = (uint8_t *)early;
    size_t len = sizeof OPENING - 1 + 6;
    bow_event event = {.size = sizeof event};
    IS(bow_conn_next(conn, &input, &len, 0, &event), BOW_OK);
    assert(event.kind == BOW_EVENT_REQUEST && len == 6);
    IS(bow_conn_next(conn, &input, &len, 0, &event), BOW_OK);
    assert(event.kind == BOW_EVENT_NONE && len == 6);
    const bow_request_view *asked = bow_conn_request(conn);
    assert(asked != NULL && asked->resource.len == 9 && memcmp(asked->resource.data, "/chat?a=1", 9) == 0);
    assert(asked->origin.data == NULL && bow_conn_header(conn, "hOsT").len == 14);
    bow_slice name, value;
    IS(bow_conn_header_at(conn, 0, &name, &value), BOW_OK);
    assert(name.len == 4 && memcmp(name.data, "Host", 4) == 0);
    IS(bow_conn_header_at(conn, 6, &name, &value), BOW_OK);
    assert(name.data == NULL && value.data == NULL);
    bow_header header = {"Upgrade", "x"};
    bow_acceptance acceptance = {.size = 1};
    IS(bow_conn_accept(conn, &acceptance, 0), BOW_ERROR_SIZE);
    acceptance = (bow_acceptance){.size = sizeof acceptance, .subprotocol = "four"};
    IS(bow_conn_accept(conn, &acceptance, 0), BOW_ERROR_SUBPROTOCOL);
    acceptance = (bow_acceptance){.size = sizeof acceptance, .headers = &header, .header_count = 1};
    IS(bow_conn_accept(conn, &acceptance, 0), BOW_ERROR_HEADER);
    bow_refusal refusal = {.size = sizeof refusal, .status = 101};
    IS(bow_conn_refuse(conn, &refusal, 0), BOW_ERROR_STATUS);
    refusal.status = SIZE_MAX;
    IS(bow_conn_refuse(conn, &refusal, 0), BOW_ERROR_STATUS);
    refusal.status = 403;
    refusal.content_type = "a\nb";
    IS(bow_conn_refuse(conn, &refusal, 0), BOW_ERROR_CONTENT_TYPE);
    refusal.content_type = NULL;
    refusal.body_len = 1;
    IS(bow_conn_refuse(conn, &refusal, 0), BOW_ERROR_NULL);
    IS(bow_conn_ping(conn, "x", 1), BOW_ERROR_NOT_OPEN);
    IS(bow_conn_close(conn, 1000, NULL, 0), BOW_ERROR_NOT_OPEN);
    IS(bow_conn_accept(conn, NULL, 0), BOW_OK);
    IS(bow_conn_accept(conn, NULL, 0), BOW_ERROR_NO_REQUEST);
    assert(bow_conn_request(conn) == NULL && bow_conn_header(conn, "Host").data == NULL);
    IS(bow_conn_next(conn, &input, &len, 0, &event), BOW_OK);
    assert(event.kind == BOW_EVENT_MESSAGE && event.data_kind == BOW_TEXT && event.len == 0 && len == 0);

    IS(bow_conn_written(conn, SIZE_MAX), BOW_ERROR_ARGUMENT);
    IS(bow_conn_written(conn, bow_conn_pending(conn).len + 1), BOW_ERROR_ARGUMENT);
    IS(bow_conn_send(conn, 3, "x", 1), BOW_ERROR_ARGUMENT);
    IS(bow_conn_send_with(conn, BOW_TEXT, "x", 1, 3), BOW_ERROR_ARGUMENT);
    IS(bow_conn_send(conn, BOW_TEXT, "\xc3", 1), BOW_ERROR_NOT_UTF8);
    IS(bow_conn_send(conn, BOW_BINARY, "x", SIZE_MAX), BOW_ERROR_ARGUMENT);
    IS(bow_conn_continue_message(conn, "x", 1), BOW_ERROR_NO_MESSAGE_OPEN);
    IS(bow_conn_finish_message(conn, "x", 1), BOW_ERROR_NO_MESSAGE_OPEN);
    IS(bow_conn_start_message(conn, 0, "x", 1, 0), BOW_ERROR_ARGUMENT);
    IS(bow_conn_start_message(conn, BOW_TEXT, "\xc3", 1, 0), BOW_OK);
    IS(bow_conn_send(conn, BOW_TEXT, "x", 1), BOW_ERROR_MESSAGE_OPEN);
    IS(bow_conn_finish_message(conn, "x", 1), BOW_ERROR_NOT_UTF8);
    IS(bow_conn_finish_message(conn, "\xa4", 1), BOW_OK);
    char long_payload[200];
    memset(long_payload, 'x', sizeof long_payload);
    IS(bow_conn_ping(conn, long_payload, 126), BOW_ERROR_CONTROL_TOO_LONG);
    IS(bow_conn_pong(conn, long_payload, 125), BOW_OK);
    IS(bow_conn_close(conn, 1005, NULL, 0), BOW_ERROR_CLOSE_CODE);
    IS(bow_conn_close(conn, 65536 + 1000, NULL, 0), BOW_ERROR_CLOSE_CODE);
    IS(bow_conn_close(conn, 0, "why", 0), BOW_ERROR_ARGUMENT);
    IS(bow_conn_close(conn, 1000, "\xff", 0), BOW_ERROR_NOT_UTF8);
    long_payload[124] = '\0';
    IS(bow_conn_close(conn, 1000, long_payload, 0), BOW_ERROR_REASON_TOO_LONG);
    long_payload[123] = '\0';
    IS(bow_conn_close(conn, 4999, long_payload, 0), BOW_OK);
    IS(bow_conn_close(conn, 1000, NULL, 0), BOW_ERROR_CLOSING);
    IS(bow_conn_send(conn, BOW_TEXT, "x", 1), BOW_ERROR_CLOSING);
    bow_conn_free(conn); /* with bytes that wait */

    /* After a fault, and after the end. */
    conn = server_with(config);
    give(conn, OPENING, sizeof OPENING - 1, &log);
    give(conn, "\x81\x01x", 3, &log); /* no mask */
    assert(bow_conn_step(conn) == BOW_STEP_SHUTDOWN);
    give(conn, "\x81\x81\0\0\0\0x", 7, &log); /* not looked at */
    IS(bow_conn_send(conn, BOW_TEXT, "x", 1), BOW_ERROR_CLOSING);
    bow_outcome outcome = {.size = sizeof outcome};
    IS(bow_conn_outcome(conn, &outcome), BOW_OK);
    assert(!outcome.clean && outcome.error == BOW_PEER_MASK_MISSING && outcome.sent_code == 1002 && outcome.code == 1006);
    IS(bow_conn_eof(conn, &event), BOW_OK);
    assert(event.kind == BOW_EVENT_NONE && bow_conn_step(conn) == BOW_STEP_CLOSE);
    IS(bow_conn_eof(conn, &event), BOW_OK);
    give(conn, "\x81\x01x", 3, &log);
    IS(bow_conn_send(conn, BOW_TEXT, "x", 1), BOW_ERROR_CLOSING);
    bow_conn_free(conn);
    bow_config_free(config);

    /* A client that has gone before its request was answered. */
    config = config_with(0, BOW_DELIVER_MESSAGES);
    conn = server_with(config);
    input = (uint8_t *)early;
    len = sizeof OPENING - 1;
    memcpy(early, OPENING, len);
    IS(bow_conn_next(conn, &input, &len, 0, &event), BOW_OK);
    assert(event.kind == BOW_EVENT_REQUEST);
    IS(bow_conn_eof(conn, &event), BOW_OK);
    assert(event.kind == BOW_EVENT_FAILED && event.error == BOW_PEER_GONE && bow_conn_step(conn) == BOW_STEP_CLOSE);
    IS(bow_conn_accept(conn, NULL, 0), BOW_ERROR_CLOSING);
    refusal = (bow_refusal){.size = sizeof refusal, .status = 403};
    IS(bow_conn_refuse(conn, &refusal, 0), BOW_ERROR_CLOSING);
    bow_conn_free(conn);
    bow_config_free(config);

    for (uint32_t number = 0; number < 300; number++)
        assert(bow_error_text(number) != NULL && strlen(bow_error_text(number)) > 3);
    assert(bow_error_section(UINT32_MAX) == NULL && strstr(bow_error_section(BOW_PEER_MASK_MISSING), "5.1") != NULL);
    assert(strcmp(bow_error_text(UINT32_MAX), "no error of this library") == 0);
}

/* --- every cut ------------------------------------------------------------------------------------------------------ */

/* A client's bytes: the request; a text in three fragments with a Ping between them; a binary one; a Close. */
static size_t client_stream(const bow_config *config, char *to, size_t room) {
    bow_conn *client = client_with(config), *server = server_with(config);
    struct log log = {.len = 0};
    char answer[4096], echo[256];
    size_t used = drain(client, to, room, SIZE_MAX);
    give(server, to, used, &log);
    size_t len = drain(server, answer, sizeof answer, SIZE_MAX);
    give(client, answer, len, &log);
    IS(bow_conn_start_message(client, BOW_TEXT, "\xe2\x82", 2, BOW_COMPRESS_ON), BOW_OK);
    IS(bow_conn_ping(client, "ping", 4), BOW_OK);
    IS(bow_conn_continue_message(client, "\xac", 1), BOW_OK);
    IS(bow_conn_finish_message(client, "uro", 3), BOW_OK);
    memset(echo, 'e', sizeof echo);
    IS(bow_conn_send_with(client, BOW_BINARY, echo, sizeof echo, BOW_COMPRESS_ON), BOW_OK);
    IS(bow_conn_close(client, 1001, "going", 1), BOW_OK);
    used += drain(client, to + used, room - used, SIZE_MAX);
    bow_conn_free(client);
    bow_conn_free(server);
    return used;
}

static void no_cut_matters(uint32_t deflate, uint32_t delivery) {
    bow_config *config = config_with(deflate, delivery);
    static char stream[4096], sent[8192], whole_sent[8192];
    static struct log whole, log;
    size_t len = client_stream(config, stream, sizeof stream);
    /* cut 0: whole; the last: byte by byte */
    size_t whole_len = 0;
    for (size_t cut = 0; cut <= len; cut++) {
        bow_conn *server = server_with(config);
        log.len = 0;
        log.text[0] = '\0';
        if (cut < len) {
            give(server, stream, cut, &log);
            give(server, stream + cut, len - cut, &log);
        } else {
            for (size_t i = 0; i < len; i++)
                give(server, stream + i, 1, &log);
        }
        size_t sent_len = drain(server, sent, sizeof sent, 1 + cut % 7);
        assert(bow_conn_step(server) == BOW_STEP_SHUTDOWN);
        bow_outcome outcome = {.size = sizeof outcome};
        IS(bow_conn_outcome(server, &outcome), BOW_OK);
        assert(outcome.clean && outcome.code == 1001 && outcome.reason.len == 5);
        bow_conn_free(server);
        if (cut == 0) {
            whole = log;
            whole_len = sent_len;
            memcpy(whole_sent, sent, sent_len);
        } else if (strcmp(whole.text, log.text) != 0 || sent_len != whole_len || memcmp(sent, whole_sent, sent_len) != 0) {
            fprintf(stderr, "cut at %zu: %s\nand not: %s\n", cut, log.text, whole.text);
            exit(1);
        }
    }
    assert(strstr(whole.text, delivery == BOW_DELIVER_CHUNKS ? "uro|\n" : "\xe2\x82\xacuro\n") != NULL);

    /* The same for a client: what the server answers, in every cut. */
    struct log first = {.len = 0};
    for (size_t cut = 0;; cut++) {
        bow_conn *client = client_with(config), *server = server_with(config);
        struct log of_client = {.len = 0}, of_server = {.len = 0};
        size_t used = drain(client, sent, sizeof sent, SIZE_MAX);
        give(server, sent, used, &of_server);
        IS(bow_conn_send(server, BOW_TEXT, "hello", 5), BOW_OK);
        IS(bow_conn_ping(server, "p", 1), BOW_OK);
        IS(bow_conn_close(server, 1000, "bye", 1), BOW_OK);
        used = drain(server, sent, sizeof sent, SIZE_MAX);
        if (cut > used) {
            bow_conn_free(client);
            bow_conn_free(server);
            break;
        }
        give(client, sent, cut, &of_client);
        give(client, sent + cut, used - cut, &of_client);
        assert(bow_conn_subprotocol(client).len == 3 && bow_conn_is_compressed(client) == (deflate == 1));
        if (cut == 0)
            first = of_client;
        assert(strcmp(first.text, of_client.text) == 0);
        bow_conn_free(client);
        bow_conn_free(server);
    }
    bow_config_free(config);
}

/* Bytes of a stream with some of them wrong, in random cuts: nothing but an error may come of it. */
static void noise(uint32_t deflate) {
    static char stream[4096], wrong[4096], sent[1 << 20];
    static struct log log;
    bow_config *config = config_with(deflate, BOW_DELIVER_BOTH);
    size_t len = client_stream(config, stream, sizeof stream);
    uint64_t state = 0x9e3779b97f4a7c15u;
    for (int round = 0; round < 2000; round++) {
        bow_conn *conn = round % 4 == 3 ? client_with(config) : server_with(config);
        memcpy(wrong, stream, len);
        for (int flips = 0; flips < 1 + round % 3; flips++) {
            state ^= state << 13, state ^= state >> 7, state ^= state << 17;
            size_t from = round % 2 ? len / 2 : 0; /* half of them behind the request */
            wrong[from + state % (len - from)] ^= (char)(1u << (state >> 60 & 7));
        }
        log.len = 0;
        for (size_t at = 0; at < len;) {
            state ^= state << 13, state ^= state >> 7, state ^= state << 17;
            size_t part = 1 + state % 200;
            part = part < len - at ? part : len - at;
            give(conn, wrong + at, part, &log);
            at += part;
        }
        drain(conn, sent, sizeof sent, 1000);
        bow_event event = {.size = sizeof event};
        IS(bow_conn_eof(conn, &event), BOW_OK);
        assert(bow_conn_step(conn) == BOW_STEP_CLOSE && bow_conn_held(conn) < 1 << 20);
        bow_conn_free(conn);
    }
    bow_config_free(config);
}

int main(void) {
    null_everywhere();
    sizes_that_are_none();
    nonsense();
    for (uint32_t deflate = 0; deflate < 2; deflate++) {
        for (uint32_t delivery = BOW_DELIVER_MESSAGES; delivery <= BOW_DELIVER_BOTH; delivery++)
            no_cut_matters(deflate, delivery);
        noise(deflate);
    }
    printf("%u calls came back as they should\n", checks);
    return 0;
}
