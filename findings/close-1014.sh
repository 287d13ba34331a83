#!/bin/sh
# Close codes 1012, 1013 and 1014 end four clients in a protocol error of their own making or lose their number.
#
# Rule: RFC 6455 section 7.4.2 lets IANA's registry define codes 1000-2999; it has 1012 (Service Restart), 1013 (Try
# Again Later) and 1014 (Bad Gateway). They are what a server in maintenance and a proxy send, and what a client should
# wait longer for; instead it sees 1002, "you broke the protocol". Each list stops at another number.
#
# Seen (what the client reports; what it answers; 1000 is the control):
#   faye-websocket 0.11.4:  1012 -> 1002; 1002, 1014 -> 1002; 1002
#   trio-websocket 0.12.2 (wsproto 1.3.2):  1012 -> 1012; 1012, 1013 -> 1013; 1013, 1014 -> 1002 and no answer
#   lomond 0.3.4:  1012 -> 1012; 1012, 1014 -> protocol_error and no answer
#   ws4py 0.6.0:   1012 -> 1005; 1005 (a code that no Close frame may carry)
#   ws 8.23.0:     all as sent
. "$(dirname "$0")/lib.sh"
pip_packages trio-websocket==0.12.2 wsproto==1.3.2 lomond==0.3.4 ws4py==0.6.0
npm_packages faye-websocket@0.11.4 ws@8.23.0

meet() { expect "$1, $2" "$3" "$(python3 "$here/meet.py" "$1" "close $2")"; }
meet faye-websocket 1000 "closed 1000; answer 1000"
meet faye-websocket 1012 "closed 1002; answer 1002"
meet faye-websocket 1014 "closed 1002; answer 1002"
meet trio-websocket 1012 "closed 1012; answer 1012"
meet trio-websocket 1013 "closed 1013; answer 1013"
meet trio-websocket 1014 "closed 1002; answer none"
meet lomond 1012 "closed 1012; answer 1012"
meet lomond 1014 "protocol_error; answer none"
meet ws4py 1000 "closed 1000; answer 1000"
meet ws4py 1012 "closed 1005; answer 1005"
meet ws 1014 "closed 1014; answer 1014"
verdict
