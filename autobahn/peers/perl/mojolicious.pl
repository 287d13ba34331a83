# Mojolicious: mojolicious.pl server | client URL
use Mojo::Base -strict, -signatures;
use Mojo::IOLoop;
use Mojo::Server::Daemon;
use Mojo::UserAgent;
use Mojolicious::Lite;

sub answer ($tx) {
    $tx->on(text   => sub ($tx, $text) { $tx->send({text => $text}) });
    $tx->on(binary => sub ($tx, $data) { $tx->send({binary => $data}) });
}

sub serve {
    websocket '/*any' => {any => ''} => sub ($c) {
        $c->tx->with_compression;
        answer($c->tx);
        $c->inactivity_timeout(600);
        $c->render_later->rendered(101);
    };
    app->log->level('fatal');
    my $daemon = Mojo::Server::Daemon->new(app => app, listen => ['http://127.0.0.1'], silent => 1);
    $daemon->start;
    $| = 1;
    say "ws://127.0.0.1:", $daemon->ports->[0], "/";
    my $stdin = IO::Handle->new_from_fd(fileno(STDIN), 'r');
    Mojo::IOLoop->singleton->reactor->io($stdin => sub { exit 0 unless sysread $stdin, my $bytes, 256 })->watch($stdin, 1, 0);
    Mojo::IOLoop->start;
}

# $done is called with the first message, once the connection has ended.
sub open_socket ($agent, $url, $echo, $done) {
    $agent->websocket($url => {'Sec-WebSocket-Extensions' => 'permessage-deflate'} => sub ($agent, $tx) {
        my $first;
        return $done->(undef) unless $tx->is_websocket;
        answer($tx) if $echo;
        $tx->on(message => sub ($tx, $message) { $first //= $message });
        $tx->on(finish  => sub { $done->($first) });
    });
}

sub play ($url) {
    my $agent = Mojo::UserAgent->new(inactivity_timeout => 60);
    my $step;
    open_socket($agent, "$url/getCaseCount", 0, sub ($count) {
        $step = sub ($number) {
            return open_socket($agent, "$url/updateReports?agent=mojolicious", 0, sub { Mojo::IOLoop->stop }) if $number > $count;
            open_socket($agent, "$url/runCase?case=$number&agent=mojolicious", 1, sub { $step->($number + 1) });
        };
        $step->(1);
    });
    Mojo::IOLoop->start;
}

$ARGV[0] eq 'server' ? serve() : play($ARGV[1] =~ s{/$}{}r);
