// Qt's QWebSocketServer and QWebSocket, which know no compression: qt server | client URL
#include "peer.hpp"
#include <QtCore/QCoreApplication>
#include <QtCore/QEventLoop>
#include <QtWebSockets/QWebSocket>
#include <QtWebSockets/QWebSocketServer>

const char *const agent = "qt";

static void answer(QWebSocket *socket) {
    QObject::connect(socket, &QWebSocket::textMessageReceived, socket, [socket](const QString &text) { socket->sendTextMessage(text); });
    QObject::connect(socket, &QWebSocket::binaryMessageReceived, socket, [socket](const QByteArray &bytes) { socket->sendBinaryMessage(bytes); });
}

void serve() {
    QWebSocketServer server("echo", QWebSocketServer::NonSecureMode);
    QObject::connect(&server, &QWebSocketServer::newConnection, [&] {
        QWebSocket *socket = server.nextPendingConnection();
        answer(socket);
        QObject::connect(socket, &QWebSocket::disconnected, socket, &QObject::deleteLater);
    });
    if (!server.listen(QHostAddress::LocalHost, 0)) std::exit(1);
    announce(server.serverPort());
    QCoreApplication::exec();
}

std::string visit(const std::string &url, bool echo) {
    QWebSocket socket;
    QEventLoop loop;
    QString first;
    if (echo) answer(&socket);
    QObject::connect(&socket, &QWebSocket::textMessageReceived, [&](const QString &text) { if (first.isNull()) first = text; });
    QObject::connect(&socket, &QWebSocket::disconnected, &loop, &QEventLoop::quit);
    QObject::connect(&socket, &QWebSocket::stateChanged, &loop, [&](QAbstractSocket::SocketState state) {
        if (state == QAbstractSocket::UnconnectedState) loop.quit();
    });
    socket.open(QUrl(QString::fromStdString(url)));
    loop.exec();
    return first.toStdString();
}

int main(int argc, char **argv) {
    QCoreApplication application(argc, argv);
    return run(argc, argv);
}
