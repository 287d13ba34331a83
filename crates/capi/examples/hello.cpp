// Both ends of a connection in one program, without a socket: what one has to say is handed to the other.
#include <bowsprit.hpp>

#include <cstdio>
#include <vector>

namespace ws = bowsprit;

/// Hands over what waits at `from`, and tells `hear` what happens at `to`.
template <typename Hear> static bool carry(ws::Connection &from, ws::Connection &to, uint64_t now, Hear hear) {
    const auto pending = from.pending();
    if (pending.empty())
        return false;
    std::vector<uint8_t> bytes(pending.begin(), pending.end());
    from.written(bytes.size());
    ws::Connection::Input input{bytes.data(), bytes.size()};
    for (ws::Event event; to.next(input, now, event);)
        hear(event);
    return true;
}

int main() {
    auto options = ws::options();
    options.deflate = 1;
    const ws::Config config(options);
    uint64_t now = 0;

    ws::Request request;
    request.host = "localhost";
    request.subprotocols = {"greeting"};
    auto client = ws::Connection::client(config, request, now);
    auto server = ws::Connection::server(config, now);
    const auto farewell = ws::Prepared::text("Good bye, whoever you are");

    auto at_server = [&](const ws::Event &event) {
        if (event.kind == BOW_EVENT_REQUEST) {
            ws::Acceptance acceptance;
            acceptance.subprotocol = server.choose_subprotocol({"greeting"});
            server.accept(acceptance, now);
        } else if (event.kind == BOW_EVENT_MESSAGE) {
            server.send_text("Hello, " + std::string(event.bytes()));
            server.send(farewell);
            server.close(1000, "that was all", now);
        }
    };
    auto at_client = [&](const ws::Event &event) {
        if (event.kind == BOW_EVENT_OPEN) {
            std::printf("%.*s, %s\n", int(client.subprotocol().size()), client.subprotocol().data(),
                        client.is_compressed() ? "compressed" : "plain");
            client.send_text("C++");
        } else if (event.kind == BOW_EVENT_MESSAGE) {
            std::printf("%.*s\n", int(event.len), event.bytes().data());
        }
    };
    while (carry(client, server, now, at_server) | carry(server, client, now, at_client))
        now += 1;

    const auto outcome = client.outcome();
    const auto reason = ws::view(outcome.reason);
    std::printf("%u %.*s\n", outcome.code, int(reason.size()), reason.data());

    try {
        client.send_text("too late");
    } catch (const ws::Error &error) {
        std::printf("%s\n", error.what());
    }
    return outcome.clean ? 0 : 1;
}
