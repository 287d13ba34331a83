// Boost.Beast, on threads: beast server | client URL
#include "peer.hpp"
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>

namespace beast = boost::beast;
namespace websocket = beast::websocket;
using tcp = boost::asio::ip::tcp;
using Socket = websocket::stream<tcp::socket>;

const char *const agent = "beast";

static void prepare(Socket &socket) {
    websocket::permessage_deflate deflate;
    deflate.server_enable = deflate.client_enable = true;
    socket.set_option(deflate);
    socket.read_message_max(64 << 20);
    socket.next_layer().set_option(tcp::no_delay(true));
}

// Until the WebSocket has ended; the first message.
static std::string answer(Socket &socket, bool echo) {
    std::string first;
    beast::error_code error;
    for (bool any = false;; any = true) {
        beast::flat_buffer message;
        socket.read(message, error);
        if (error) return first;
        if (!any) first = beast::buffers_to_string(message.data());
        if (!echo) continue;
        socket.text(socket.got_text());
        socket.write(message.data(), error);
        if (error) return first;
    }
}

void serve() {
    boost::asio::io_context context;
    tcp::acceptor acceptor(context, {boost::asio::ip::make_address("127.0.0.1"), 0});
    announce(acceptor.local_endpoint().port());
    for (;;) {
        tcp::socket accepted(context);
        acceptor.accept(accepted);
        std::thread([accepted = std::move(accepted)]() mutable {
            Socket socket(std::move(accepted));
            beast::error_code error;
            prepare(socket);
            socket.accept(error);
            if (!error) answer(socket, true);
        }).detach();
    }
}

std::string visit(const std::string &url, bool echo) {
    auto slash = url.find('/', 5);
    std::string authority = url.substr(5, slash - 5);
    auto port = std::stoi(authority.substr(authority.find(':') + 1));
    boost::asio::io_context context;
    tcp::socket connected(context);
    connected.connect({boost::asio::ip::make_address("127.0.0.1"), static_cast<unsigned short>(port)});
    Socket socket(std::move(connected));
    prepare(socket);
    socket.handshake(authority, url.substr(slash));
    return answer(socket, echo);
}

int main(int argc, char **argv) { return run(argc, argv); }
