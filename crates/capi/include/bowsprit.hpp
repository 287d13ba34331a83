// bowsprit for C++17: owners that free what they own, errors as exceptions, views in place of pointers and lengths.
//
// One header over bowsprit.h, whose rules are the same here; a moved-from or default-made owner holds nothing.
#ifndef BOWSPRIT_HPP
#define BOWSPRIT_HPP

#include <bowsprit.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bowsprit {

/// What this program did wrong. What the peer does wrong is an event.
class Error : public std::logic_error {
public:
    explicit Error(bow_error code) : std::logic_error(bow_error_text(code)), code_(code) {}
    bow_error code() const noexcept { return code_; }

private:
    bow_error code_;
};

inline void check(bow_error error) {
    if (error != BOW_OK)
        throw Error(error);
}

inline std::string_view view(bow_slice slice) noexcept {
    return slice.data ? std::string_view(slice.data, slice.len) : std::string_view();
}

/// The defaults, to be changed.
inline bow_options options() {
    bow_options options;
    check(bow_options_init(&options, sizeof options));
    return options;
}

/// Settings, which any number of connections share.
class Config {
public:
    Config() : Config(bowsprit::options()) {}
    explicit Config(const bow_options &options) {
        bow_config *made = nullptr;
        check(bow_config_new(&options, &made));
        config_.reset(made);
    }
    Config &allow_origin(const std::string &origin) {
        check(bow_config_allow_origin(config_.get(), origin.c_str()));
        return *this;
    }
    Config &allow_host(const std::string &host) {
        check(bow_config_allow_host(config_.get(), host.c_str()));
        return *this;
    }
    const bow_config *get() const noexcept { return config_.get(); }

private:
    struct Free {
        void operator()(bow_config *config) const noexcept { bow_config_free(config); }
    };
    std::unique_ptr<bow_config, Free> config_;
};

/// A message that is encoded once and sent to many.
class Prepared {
public:
    Prepared(bow_data_kind kind, std::string_view bytes) {
        bow_prepared *made = nullptr;
        check(bow_prepared_new(kind, bytes.data(), bytes.size(), &made));
        prepared_.reset(made);
    }
    static Prepared text(std::string_view text) { return {BOW_TEXT, text}; }
    static Prepared binary(std::string_view bytes) { return {BOW_BINARY, bytes}; }
    const bow_prepared *get() const noexcept { return prepared_.get(); }

private:
    struct Free {
        void operator()(bow_prepared *prepared) const noexcept { bow_prepared_free(prepared); }
    };
    std::unique_ptr<bow_prepared, Free> prepared_;
};

/// What happened; what it shows holds until the next call of `next`, `eof` or the destructor.
struct Event : bow_event {
    Event() : bow_event() { size = sizeof(bow_event); }
    std::string_view bytes() const noexcept {
        return data ? std::string_view(reinterpret_cast<const char *>(data), len) : std::string_view();
    }
    bow_data_kind message_kind() const noexcept { return static_cast<bow_data_kind>(data_kind); }
    explicit operator bool() const noexcept { return kind != BOW_EVENT_NONE; }
};

struct Header {
    std::string name, value;
};

/// What a client asks for.
struct Request {
    std::string host, resource = "/", origin;
    std::vector<std::string> subprotocols;
    std::vector<Header> headers;
};

/// What a server says in its 101.
struct Acceptance {
    std::string subprotocol;
    std::vector<Header> headers;
};

/// What a server says in place of it.
struct Refusal {
    unsigned status = 403;
    std::optional<std::string> body;
    std::string content_type;
    std::vector<Header> headers;
};

/// A connection of either role, from its first byte on.
class Connection {
public:
    static Connection server(const Config &config, uint64_t now) {
        bow_conn *made = nullptr;
        check(bow_conn_server(config.get(), now, &made));
        return Connection(made);
    }
    static Connection client(const Config &config, const Request &asked, uint64_t now) {
        std::vector<const char *> names;
        for (const auto &name : asked.subprotocols)
            names.push_back(name.c_str());
        const auto fields = list(asked.headers);
        bow_request request = {};
        request.size = sizeof request;
        request.host = asked.host.c_str();
        request.resource = asked.resource.c_str();
        request.origin = asked.origin.empty() ? nullptr : asked.origin.c_str();
        request.subprotocols = names.data();
        request.subprotocol_count = names.size();
        request.headers = fields.data();
        request.header_count = fields.size();
        bow_conn *made = nullptr;
        check(bow_conn_client(config.get(), &request, now, &made));
        return Connection(made);
    }

    /// The bytes of one read, which events are taken from the front of.
    struct Input {
        uint8_t *data = nullptr;
        size_t len = 0;
    };
    /// The next event; false once all input is taken and nothing is due.
    bool next(Input &input, uint64_t now, Event &event) {
        check(bow_conn_next(conn_.get(), &input.data, &input.len, now, &event));
        return static_cast<bool>(event);
    }
    bool eof(Event &event) {
        check(bow_conn_eof(conn_.get(), &event));
        return static_cast<bool>(event);
    }

    /// NULL where no request waits.
    const bow_request_view *request() const noexcept { return bow_conn_request(conn_.get()); }
    std::string_view header(const char *name) const noexcept { return view(bow_conn_header(conn_.get(), name)); }
    std::vector<std::pair<std::string_view, std::string_view>> headers() const {
        std::vector<std::pair<std::string_view, std::string_view>> all;
        for (bow_slice name, value;; all.emplace_back(view(name), view(value))) {
            check(bow_conn_header_at(conn_.get(), all.size(), &name, &value));
            if (name.data == nullptr)
                return all;
        }
    }
    /// The first that the request offers, or an empty one.
    std::string choose_subprotocol(const std::vector<std::string> &supported) const {
        for (const auto &name : supported) {
            const char *one = name.c_str();
            if (bow_conn_choose_subprotocol(conn_.get(), &one, 1) != nullptr)
                return name;
        }
        return {};
    }
    void accept(uint64_t now) { check(bow_conn_accept(conn_.get(), nullptr, now)); }
    void accept(const Acceptance &answer, uint64_t now) {
        const auto fields = list(answer.headers);
        bow_acceptance acceptance = {};
        acceptance.size = sizeof acceptance;
        acceptance.subprotocol = answer.subprotocol.empty() ? nullptr : answer.subprotocol.c_str();
        acceptance.headers = fields.data();
        acceptance.header_count = fields.size();
        check(bow_conn_accept(conn_.get(), &acceptance, now));
    }
    void refuse(const Refusal &answer, uint64_t now) {
        const auto fields = list(answer.headers);
        bow_refusal refusal = {};
        refusal.size = sizeof refusal;
        refusal.status = answer.status;
        refusal.body = answer.body ? answer.body->data() : nullptr;
        refusal.body_len = answer.body ? answer.body->size() : 0;
        refusal.content_type = answer.content_type.empty() ? nullptr : answer.content_type.c_str();
        refusal.headers = fields.data();
        refusal.header_count = fields.size();
        check(bow_conn_refuse(conn_.get(), &refusal, now));
    }
    std::string_view subprotocol() const noexcept { return view(bow_conn_subprotocol(conn_.get())); }
    bool is_compressed() const noexcept { return bow_conn_is_compressed(conn_.get()); }

    void send(bow_data_kind kind, std::string_view bytes, bow_compression compression = BOW_COMPRESS_AUTO) {
        check(bow_conn_send_with(conn_.get(), kind, bytes.data(), bytes.size(), compression));
    }
    void send_text(std::string_view text) { send(BOW_TEXT, text); }
    void send_binary(std::string_view bytes) { send(BOW_BINARY, bytes); }
    void send(const Prepared &message) { check(bow_conn_send_prepared(conn_.get(), message.get())); }
    void start_message(bow_data_kind kind, std::string_view part, bow_compression compression = BOW_COMPRESS_AUTO) {
        check(bow_conn_start_message(conn_.get(), kind, part.data(), part.size(), compression));
    }
    void continue_message(std::string_view part) { check(bow_conn_continue_message(conn_.get(), part.data(), part.size())); }
    void finish_message(std::string_view part) { check(bow_conn_finish_message(conn_.get(), part.data(), part.size())); }
    void ping(std::string_view bytes = {}) { check(bow_conn_ping(conn_.get(), bytes.data(), bytes.size())); }
    void pong(std::string_view bytes = {}) { check(bow_conn_pong(conn_.get(), bytes.data(), bytes.size())); }
    void close(unsigned code, const std::string &reason, uint64_t now) {
        check(bow_conn_close(conn_.get(), code, reason.c_str(), now));
    }

    std::string_view pending() const noexcept { return view(bow_conn_pending(conn_.get())); }
    void written(size_t len) { check(bow_conn_written(conn_.get(), len)); }
    size_t queued() const noexcept { return bow_conn_queued(conn_.get()); }
    size_t held() const noexcept { return bow_conn_held(conn_.get()); }
    bow_step step() const noexcept { return bow_conn_step(conn_.get()); }
    uint64_t next_timeout() const noexcept { return bow_conn_next_timeout(conn_.get()); }
    bow_outcome outcome() const {
        bow_outcome outcome = {};
        outcome.size = sizeof outcome;
        check(bow_conn_outcome(conn_.get(), &outcome));
        return outcome;
    }
    bow_conn *get() const noexcept { return conn_.get(); }

private:
    struct Free {
        void operator()(bow_conn *conn) const noexcept { bow_conn_free(conn); }
    };
    explicit Connection(bow_conn *conn) : conn_(conn) {}
    static std::vector<bow_header> list(const std::vector<Header> &headers) {
        std::vector<bow_header> fields;
        for (const auto &field : headers)
            fields.push_back({field.name.c_str(), field.value.c_str()});
        return fields;
    }
    std::unique_ptr<bow_conn, Free> conn_;
};

} // namespace bowsprit

#endif // BOWSPRIT_HPP
