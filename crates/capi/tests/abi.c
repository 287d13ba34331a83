/*
 * The committed header, as C11 and as C++17: layouts and numbers that programs were built with. A line here changes only
 * together with the soname. What is added later gets lines of its own.
 */
#include <bowsprit.h>

#ifndef __cplusplus
#define static_assert _Static_assert
#endif

#define IS(what, number) static_assert((what) == (number), #what)
#define AT(type, field, place) static_assert(offsetof(type, field) == (place), #type "." #field)

/* Where pointers and size_t have 8 bytes. */
#if SIZE_MAX == UINT64_MAX
IS(sizeof(bow_slice), 16);
IS(sizeof(bow_header), 16);
IS(sizeof(bow_options), 160);
AT(bow_options, size, 0);
AT(bow_options, max_message, 8);
AT(bow_options, pong_timeout, 96);
AT(bow_options, max_headers, 104);
AT(bow_options, deflate_threshold, 156);
IS(sizeof(bow_event), 64);
AT(bow_event, kind, 8);
AT(bow_event, data_kind, 12);
AT(bow_event, data, 16);
AT(bow_event, len, 24);
AT(bow_event, code, 32);
AT(bow_event, error, 36);
AT(bow_event, text, 40);
AT(bow_event, section, 48);
AT(bow_event, frame_ends, 56);
AT(bow_event, message_ends, 60);
IS(sizeof(bow_outcome), 40);
AT(bow_outcome, clean, 8);
AT(bow_outcome, code, 12);
AT(bow_outcome, sent_code, 16);
AT(bow_outcome, error, 20);
AT(bow_outcome, reason, 24);
IS(sizeof(bow_request), 64);
AT(bow_request, host, 8);
AT(bow_request, header_count, 56);
IS(sizeof(bow_acceptance), 32);
AT(bow_acceptance, subprotocol, 8);
IS(sizeof(bow_refusal), 56);
AT(bow_refusal, status, 8);
AT(bow_refusal, content_type, 32);
AT(bow_request_view, origin, 48);
#endif

/* Enumerators are 32-bit numbers in both languages. */
IS(sizeof(bow_error), 4);
IS(sizeof(bow_event_kind), 4);
IS(sizeof(bow_data_kind), 4);
IS(sizeof(bow_delivery), 4);
IS(sizeof(bow_compression), 4);
IS(sizeof(bow_origins), 4);
IS(sizeof(bow_context), 4);
IS(sizeof(bow_step), 4);

IS(BOW_TEXT, 1);
IS(BOW_BINARY, 2);
IS(BOW_EVENT_NONE, 0);
IS(BOW_EVENT_REQUEST, 1);
IS(BOW_EVENT_PLAIN_REQUEST, 2);
IS(BOW_EVENT_OPEN, 3);
IS(BOW_EVENT_MESSAGE, 4);
IS(BOW_EVENT_CHUNK, 5);
IS(BOW_EVENT_PING, 6);
IS(BOW_EVENT_PONG, 7);
IS(BOW_EVENT_CLOSE, 8);
IS(BOW_EVENT_REFUSED, 9);
IS(BOW_EVENT_FAILED, 10);
IS(BOW_DELIVER_MESSAGES, 0);
IS(BOW_DELIVER_CHUNKS, 1);
IS(BOW_DELIVER_BOTH, 2);
IS(BOW_COMPRESS_AUTO, 0);
IS(BOW_COMPRESS_ON, 1);
IS(BOW_COMPRESS_OFF, 2);
IS(BOW_ORIGINS_SAME, 0);
IS(BOW_ORIGINS_LOOPBACK, 1);
IS(BOW_ORIGINS_ANY, 2);
IS(BOW_CONTEXT_FRESH, 0);
IS(BOW_CONTEXT_WINDOW, 1);
IS(BOW_CONTEXT_COMPRESSOR, 2);
IS(BOW_STEP_TALK, 0);
IS(BOW_STEP_SHUTDOWN, 1);
IS(BOW_STEP_CLOSE, 2);
IS(BOW_OK, 0);
IS(BOW_ERROR_NULL, 1);
IS(BOW_ERROR_SIZE, 2);
IS(BOW_ERROR_ARGUMENT, 3);
IS(BOW_ERROR_NOT_OPEN, 4);
IS(BOW_ERROR_NO_REQUEST, 5);
IS(BOW_ERROR_CLOSING, 6);
IS(BOW_ERROR_QUEUE_FULL, 7);
IS(BOW_ERROR_MESSAGE_OPEN, 8);
IS(BOW_ERROR_NO_MESSAGE_OPEN, 9);
IS(BOW_ERROR_NOT_UTF8, 10);
IS(BOW_ERROR_CONTROL_TOO_LONG, 11);
IS(BOW_ERROR_CLOSE_CODE, 12);
IS(BOW_ERROR_REASON_TOO_LONG, 13);
IS(BOW_ERROR_HOST, 14);
IS(BOW_ERROR_RESOURCE, 15);
IS(BOW_ERROR_ORIGIN, 16);
IS(BOW_ERROR_SUBPROTOCOL, 17);
IS(BOW_ERROR_HEADER, 18);
IS(BOW_ERROR_STATUS, 19);
IS(BOW_ERROR_CONTENT_TYPE, 20);
IS(BOW_ERROR_INTERNAL, 21);
IS(BOW_ERROR_NO_ENTROPY, 22);
IS(BOW_PEER_RULE, 100);
IS(BOW_PEER_MASK_MISSING, 101);
IS(BOW_PEER_DEFLATE_INVALID, 120);
IS(BOW_PEER_REQUEST, 200);
IS(BOW_PEER_ORIGIN, 201);
IS(BOW_PEER_RESPONSE, 202);
IS(BOW_PEER_REFUSED, 203);
IS(BOW_PEER_HANDSHAKE_TIMEOUT, 204);
IS(BOW_PEER_GONE, 205);
IS(BOW_PEER_DEAD, 206);
IS(BOW_PEER_IDLE, 207);
IS(BOW_PEER_STALLED, 208);
IS(BOW_PEER_CLOSE_TIMEOUT, 209);

/* The library was built with the same. */
int main(void) {
    bow_options options;
    if (bow_options_init(&options, sizeof options) != BOW_OK)
        return 1;
    return options.size == sizeof options && options.max_message == 16u << 20 && options.pong_timeout == 20000 &&
                   options.max_headers == 100 && options.deflate_threshold == 1024
               ? 0
               : 1;
}
