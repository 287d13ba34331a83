# tcllib's websocket, which reads its sockets blocking, so that each connection of the server has a thread:
# tcllib.tcl server | client URL
package require websocket
::websocket::loglevel emergency

proc answer {socket type message} {
    if {$type in {text binary}} {::websocket::send $socket $type $message}
}

# --- the server: the library judges a head and frames; to read the head is left to its user -------------------------

proc serve {} {
    package require Thread
    set listener [socket -server accept -myaddr 127.0.0.1 0]
    puts "ws://127.0.0.1:[lindex [fconfigure $listener -sockname] 2]/"
    flush stdout
    fconfigure stdin -blocking 0
    fileevent stdin readable {read stdin; if {[eof stdin]} exit}
    vwait forever
}

proc accept {socket host port} {
    after idle [list hand_over $socket] ;# it cannot be given away inside this callback
}

proc hand_over {socket} {
    set thread [thread::create]
    thread::transfer $thread $socket
    thread::send -async $thread [list set argv {}]
    thread::send -async $thread [list source [info script]]
    thread::send -async $thread [list open_socket $socket]
}

proc open_socket {socket} {
    fconfigure $socket -translation crlf -encoding iso8859-1 -blocking 1
    gets $socket request
    set head {}
    while {[gets $socket line] > 0} {
        set colon [string first : $line]
        lappend head [string range $line 0 $colon-1] [string trim [string range $line $colon+1 end]]
    }
    # Without this it throws an error for a client that names no subprotocol.
    if {"sec-websocket-protocol" ni [string tolower [dict keys $head]]} {lappend head Sec-WebSocket-Protocol {}}
    ::websocket::server listener
    ::websocket::live listener * talk
    if {[::websocket::test listener $socket [lindex [split $request] 1] $head]} {
        ::websocket::upgrade $socket
    } else {
        catch {puts $socket "HTTP/1.1 400 Bad Request\nContent-Length: 0\nConnection: close\n"}
        catch {close $socket}
        thread::release
    }
}

proc talk {socket type message} {
    answer $socket $type $message
    if {$type eq "disconnect"} {after idle thread::release}
}

# --- the client -----------------------------------------------------------------------------------------------------

# One connection, until it has ended; its first message.
proc visit {url echo} {
    set ::first {}
    set ::ended 0
    if {[catch {::websocket::open $url [list hear $echo]} problem]} {
        puts stderr $problem
        return {}
    }
    vwait ::ended
    return $::first
}

proc hear {echo socket type message} {
    switch -- $type {
        text - binary {
            if {$::first eq {}} {set ::first $message}
            if {$echo} {answer $socket $type $message}
        }
        disconnect - error - timeout {set ::ended 1}
    }
}

proc play {url} {
    set url [string trimright $url /]
    set count [visit $url/getCaseCount 0]
    for {set number 1} {$number <= $count} {incr number} {
        visit "$url/runCase?case=$number&agent=tcllib" 1
    }
    visit $url/updateReports?agent=tcllib 0
}

switch -- [lindex $argv 0] {
    server serve
    client {play [lindex $argv 1]}
}
