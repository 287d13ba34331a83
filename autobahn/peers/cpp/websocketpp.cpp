// WebSocket++: websocketpp server | client URL
#include "peer.hpp"
#include <websocketpp/client.hpp>
#include <websocketpp/config/asio_no_tls.hpp>
#include <websocketpp/config/asio_no_tls_client.hpp>
#include <websocketpp/extensions/permessage_deflate/enabled.hpp>
#include <websocketpp/server.hpp>

const char *const agent = "websocketpp";

template <typename Config>
struct Deflating : Config {
    struct permessage_deflate_config {};
    typedef websocketpp::extensions::permessage_deflate::enabled<permessage_deflate_config> permessage_deflate_type;
};
using Server = websocketpp::server<Deflating<websocketpp::config::asio>>;
using Client = websocketpp::client<Deflating<websocketpp::config::asio_client>>;

template <typename Endpoint>
static void prepare(Endpoint &endpoint) {
    endpoint.clear_access_channels(websocketpp::log::alevel::all);
    endpoint.clear_error_channels(websocketpp::log::elevel::all);
    endpoint.init_asio();
}

template <typename Endpoint>
static void answer(Endpoint &endpoint, websocketpp::connection_hdl handle, typename Endpoint::message_ptr message) {
    websocketpp::lib::error_code error; // the connection may have ended
    endpoint.send(handle, message->get_payload(), message->get_opcode(), error);
}

void serve() {
    Server server;
    prepare(server);
    server.set_message_handler([&](websocketpp::connection_hdl handle, Server::message_ptr message) {
        answer(server, handle, message);
    });
    server.listen(boost::asio::ip::tcp::endpoint(boost::asio::ip::make_address("127.0.0.1"), 0));
    server.start_accept();
    websocketpp::lib::asio::error_code error;
    announce(server.get_local_endpoint(error).port());
    server.run();
}

std::string visit(const std::string &url, bool echo) {
    Client client;
    std::string first;
    bool any = false;
    prepare(client);
    client.set_message_handler([&](websocketpp::connection_hdl handle, Client::message_ptr message) {
        if (!any) first = message->get_payload();
        any = true;
        if (echo) answer(client, handle, message);
    });
    websocketpp::lib::error_code error;
    auto connection = client.get_connection(url, error);
    if (error) throw std::runtime_error(error.message());
    client.connect(connection);
    client.run();
    return first;
}

int main(int argc, char **argv) { return run(argc, argv); }
