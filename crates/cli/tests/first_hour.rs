//! What a new user types in a shell: each line has the intended outcome, or an answer that says what to type.

#![cfg(unix)]

mod support;

#[path = "../../../tests/support/certificates.rs"]
mod certificates;

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, thread};

use support::command::{BOWSPRIT, Running, serve};
use support::port::reserved;

/// A line, its exit code, and text on stdout or stderr.
///
/// `WS` and `WSS` are servers, `PORT` is the port of the first, `SOCKET` the path of a socket of it, `NOBODY` an
/// address where nobody listens, `AUTHORITY` host and port of `WSS`, `CERT` the self-signed certificate of the second
/// one, `FOLDER` a folder.
const LINES: &[(&str, i32, &str)] = &[
    // Talking.
    (r"printf 'one\ntwo\n' | bowsprit connect WS", 0, "one\ntwo\n"),
    ("echo hi | bowsprit connect 127.0.0.1:PORT", 0, "hi\n"),
    ("echo hi | bowsprit connect PORT", 0, "hi\n"),
    ("bowsprit connect WS -m hi", 0, "hi\n"),
    ("bowsprit connect WS hi", 2, "-m hi"),
    ("bowsprit connect WS 'hi there'", 2, "-m 'hi there'"),
    ("bowsprit connect WS </dev/null", 0, ""),
    ("bowsprit connect", 2, "<URL>"),
    ("bowsprit WS -m hi", 0, "hi\n"),
    ("bowsprit PORT -m hi", 0, "hi\n"),
    ("bowsprit -v WS -m hi", 0, "hi\n"),
    ("bowsprit WS hi", 2, "-m hi"),
    ("bowsprit 'WSgrüße an alle?x={1}' -m hi", 0, "hi\n"),
    ("bowsprit ' WS ' -m hi", 0, "hi\n"),
    ("bowsprit -m hi", 2, "bowsprit connect URL"),
    ("bowsprit localhost", 2, "bowsprit connect localhost"),
    ("bowsprit serve --https", 2, "--tls-cert FILE"),
    ("bowsprit serve --loglevel=debug", 2, "-v, or -vv"),
    ("bowsprit serve --allow-origin 192.0.2.1", 2, "https://192.0.2.1"),
    ("bowsprit connect WS --stay --idle-timeout 0.1", 1, "--idle-timeout waits longer"),
    ("bowsprit connect WS --stay --timeout 0.2", 0, ""),
    ("bowsprit connect WS --close-code-exit -m hi", 0, "hi\n"),
    (
        "bowsprit connect WS -H 'Sec-WebSocket-Protocol: chat' -m hi -v 2>&1 | grep Protocol:",
        0,
        "Protocol: chat",
    ),
    ("bowsprit connect nobody.invalid:80 -m hi", 3, "cannot find the address of ws://nobody.invalid"),
    ("(yes || true) | bowsprit WS | head -1", 0, "y\n"),
    ("printf 'a\\nb' | bowsprit WS", 0, "a\nb\n"),
    ("bowsprit WS -m '' | wc -c", 0, "1"),
    ("bowsprit WS --preamble login -m hi", 0, "login\nhi\n"),
    ("bowsprit WS -m hi --close-timeout 0.1 <&-", 0, "hi\n"),
    ("bowsprit WS --redirects 1 -m hi", 0, "hi\n"),
    ("bowsprit watch PORT --listen 0 --drop-pongs -- bowsprit {url} -m hi", 0, "no rule was broken"),
    ("bowsprit decode gQVIZWxsbw==", 0, "Hello"),
    ("bowsprit serve --listen example.com:9001", 2, "0.0.0.0:9001"),
    ("bowsprit serve --mode tcp:", 2, "tcp:127.0.0.1:22"),
    ("bowsprit http://127.0.0.1:PORT/", 2, "use ws://127.0.0.1:"),
    ("bowsprit conect WS", 2, "bowsprit connect"),
    ("bowsprit help conect", 2, "bowsprit connect --help"),
    ("bowsprit man conect", 2, "bowsprit man connect"),
    ("bowsprit man test servr", 2, "bowsprit man test server"),
    // What logs in is shown to nobody.
    (
        "bowsprit connect WS -v -m hi --auth me:pw 2>&1 >/dev/null | grep Authorization",
        0,
        "> Authorization: Basic …",
    ),
    (
        "bowsprit connect WS -v -m hi -H 'Cookie: sid=s3cret; a=b' 2>&1 >/dev/null | grep Cookie",
        0,
        "> Cookie: sid=…; a=…",
    ),
    (r"printf '/ping x\n' | bowsprit connect WS --commands", 0, "< Pong \"x\" after "),
    ("bowsprit connect WS -m hi --proxy http://NOBODY", 3, "is the proxy running?"),
    ("bowsprit connect WS -s chat -m hi", 0, "none of the subprotocols that were offered: chat"),
    ("bowsprit -c WS", 2, "bowsprit connect URL"),
    ("bowsprit connect -c WS", 2, "bowsprit connect URL"),
    ("bowsprit connect WS -x hi", 2, "-m TEXT"),
    ("bowsprit connect WS -1 </dev/null", 2, "--expect 1"),
    ("bowsprit connect WS --orgin x", 2, "--origin"),
    ("bowsprit connect http://127.0.0.1:PORT/", 2, "use ws://127.0.0.1:"),
    ("bowsprit connect WS -m hi --timeout soon", 2, "250ms"),
    ("bowsprit connect WS -m hi -H nothing", 2, "NAME: VALUE"),
    ("bowsprit connect WS -o http://evil.example -m hi", 3, "403"),
    ("bowsprit connect WS --expect 3 -m hi --timeout 0.5", 1, "of 3 messages came in time"),
    ("seq 9 | bowsprit connect WS --expect 3 | wc -l", 0, "3\n"),
    ("bowsprit connect WS -m 'more than ten' --max-message 10", 1, "; --max-message accepts more"),
    ("bowsprit connect WS -m hi -o out.txt", 2, "> FILE"),
    ("bowsprit connect WS -m hi -o null", 3, "403"),
    ("bowsprit connect - WS", 2, "leave the - out"),
    ("bowsprit connect WS --no-compression -m hi", 2, "--no-deflate"),
    ("bowsprit connect ws:127.0.0.1:PORT -m hi", 2, "use ws://127.0.0.1:"),
    ("head -c 3000000 /dev/zero | tr '\\0' a | bowsprit connect WS | wc -c", 0, "3000001"),
    ("head -c 300000 /dev/urandom | bowsprit connect -b WS | wc -c", 0, "300000"),
    (r"printf 'a\377' | bowsprit connect WS", 2, "--binary"),
    ("bowsprit connect WS --file CERT", 0, "0x2d2d2d2d2d424547494e"),
    ("bowsprit connect WS --file FOLDER/none", 2, "cannot read"),
    ("echo nonsense | bowsprit connect WS --json", 2, r#"{"type":"text""#),
    ("bowsprit connect ws+unix:SOCKET -m hi", 0, "hi\n"),
    ("bowsprit connect SOCKET -m hi", 2, "use ws+unix:"),
    ("bowsprit connect ws+unix:/SOCKET -m hi", 2, "use ws+unix:/"),
    ("bowsprit connect NOBODY -m hi", 3, "is the server running?"),
    ("bowsprit connect ws://127.0.0.1:99999/ -m hi", 2, "65535"),
    // TLS.
    ("bowsprit connect wss://127.0.0.1:PORT/ -m hi", 3, "ws:// is without"),
    ("bowsprit connect WSS -m hi", 3, "-k accepts any"),
    ("bowsprit connect -k WSS -m hi", 0, "hi\n"),
    // Without a scheme, flags about TLS say which it is.
    ("bowsprit -k AUTHORITY -m hi", 0, "hi\n"),
    ("bowsprit AUTHORITY --ca CERT -m hi", 0, "hi\n"),
    ("bowsprit AUTHORITY -m hi", 3, "use wss://"),
    ("bowsprit test server AUTHORITY --case 1.1 --insecure", 0, "all required cases passed"),
    ("bowsprit fuzz server AUTHORITY --count 5 --ca CERT --traces FOLDER", 0, "5 runs"),
    ("bowsprit bench AUTHORITY -d 0.2 --warmup 0 -c 2 --insecure", 0, "errors       0"),
    ("bowsprit watch AUTHORITY --insecure --listen 0 -- bowsprit {url} -m hi", 0, "no rule was broken"),
    ("head -c 300000 /dev/urandom | bowsprit -b localhost:PORT | wc -c", 0, "300000"),
    ("bowsprit connect --ca CERT WSS -m hi", 0, "hi\n"),
    ("bowsprit connect --ca FOLDER/none WSS -m hi", 2, "none"),
    ("bowsprit test server WSS --case 1.1", 3, "--insecure accepts any"),
    ("bowsprit test server WSS --case 1.1 --ca CERT", 0, "all required cases passed"),
    ("bowsprit fuzz server WSS --count 5 --traces FOLDER", 3, "--insecure accepts any"),
    (
        "bowsprit fuzz server WSS --count 20 --ca CERT -H 'X-A: b' -s chat --auth a:b --traces FOLDER",
        0,
        "20 runs",
    ),
    ("bowsprit bench WSS -d 0.2 --warmup 0", 3, "--insecure accepts any"),
    (
        "bowsprit bench WSS -d 0.2 --warmup 0 -c 2 --ca CERT --auth a:b --subprotocol chat",
        0,
        "errors       0",
    ),
    ("bowsprit watch WSS --listen 0 -- bowsprit connect {url} -m hi", 3, "--insecure accepts any"),
    // Serving.
    ("bowsprit serve --listen PORT", 2, "choose another one"),
    ("bowsprit serve PORT", 2, "--listen "),
    ("bowsprit serve -p PORT", 2, "--listen PORT"),
    ("bowsprit serve cat", 2, "--mode exec:cat"),
    ("bowsprit -l PORT", 2, "choose another one"),
    ("bowsprit serve -l PORT", 2, "choose another one"),
    ("bowsprit -l", 2, "-l"),
    ("bowsprit -s PORT", 2, "bowsprit -l PORT"),
    ("bowsprit serve --mode chat", 2, "relay"),
    ("bowsprit serve --mode exec", 2, "exec:COMMAND"),
    ("bowsprit serve --tls-cert CERT", 2, "--tls-key"),
    ("bowsprit serve --cert CERT", 2, "--tls-cert FILE"),
    ("bowsprit serve --max-message 1X", 2, "64K"),
    // Examining.
    ("bowsprit test WS", 2, "bowsprit test server ws://"),
    ("bowsprit test server PORT --case 1.1", 0, "all required cases passed"),
    ("bowsprit test server WS --case 1.1 -H 'X-A: b'", 0, "all required cases passed"),
    ("bowsprit test server WS --case nothing", 2, "--list tells"),
    ("bowsprit test server http://127.0.0.1:PORT/", 2, "use ws://"),
    ("bowsprit test server ws+unix:SOCKET", 2, "Unix-domain"),
    ("bowsprit test server NOBODY --case 1.1", 3, "is the server running?"),
    ("bowsprit test server PORT --case 1.1 --behind-proxy --origin-url PORT", 0, "all required cases passed"),
    ("bowsprit test server PORT --behind-proxy --origin-url ws+unix:SOCKET", 2, "Unix-domain"),
    ("bowsprit test proxy --front NOBODY --origin 0 --case PRX-ERL-001", 3, "no front at ws://"),
    ("bowsprit test client --listen PORT -- true", 2, "already in use"),
    ("bowsprit test client --listen 0 --case 1.1 -- false", 3, "no client came"),
    ("bowsprit fuzz WS", 2, "bowsprit fuzz server ws://"),
    ("bowsprit fuzz server PORT --count 5 --traces FOLDER", 0, "5 runs"),
    ("bowsprit fuzz server PORT -d 1", 2, "--time TIME"),
    ("bowsprit fuzz server NOBODY --count 5 --back 0.1 --traces FOLDER", 3, "is the server running?"),
    ("bowsprit bench PORT -d 0.2 --warmup 0 -c 2", 0, "errors       0"),
    ("bowsprit bench WS -n 10", 0, "10 in "),
    ("bowsprit bench NOBODY -d 0.2", 3, "is the server running?"),
    ("bowsprit explain 5.19", 0, "RFC 6455 §5.4"),
    ("bowsprit explain 5.5.1", 2, "--section 5.5.1"),
    ("bowsprit explain ping", 0, "2.2  "),
    ("bowsprit explain Subprotocol", 0, "SUB-001  "),
    ("bowsprit explain gibberish", 2, "--list tells"),
    ("bowsprit explain 1006", 0, "abnormal closure"),
    ("bowsprit explain --list", 2, "bowsprit test server --list"),
    ("bowsprit test server --list | head -1", 0, "1.1.1 "),
    ("bowsprit test server", 2, "<URL>"),
    ("bowsprit list", 2, "bowsprit test server --list"),
    ("bowsprit WS --send hi", 2, "-m TEXT"),
    ("bowsprit expalin 5.19", 2, "bowsprit explain"),
    // Looking at bytes.
    ("bowsprit decode 88 02 03 e8", 0, "normal closure"),
    ("bowsprit decode 810548656c6c6f", 0, "Hello"),
    (r"bowsprit decode '\x81\x05Hello'", 0, "Hello"),
    (r"printf '\201\005Hello' | bowsprit decode", 2, "--raw"),
    (r"printf '\201\005Hello' | bowsprit decode --raw", 0, "Hello"),
    ("bowsprit decode hello", 2, "hexadecimal digits"),
    ("bowsprit decode CERT", 2, "--file"),
    ("bowsprit decode </dev/null", 2, "nothing to be read"),
    ("bowsprit watch PORT --listen 0 -- bowsprit connect {url} -m hi", 0, "no rule was broken"),
    ("bowsprit watch NOBODY --listen 0 -- bowsprit connect {url} -m hi", 3, "is the server running?"),
    ("bowsprit watch --to WS", 2, "bowsprit watch URL"),
    ("bowsprit replay FOLDER/none", 2, "No such file"),
    ("bowsprit replay CERT", 2, "holds no finding"),
];

#[test]
fn each_line_has_the_outcome_that_was_meant() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("first_hour");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let identity = certificates::self_signed(&["localhost"], |_| {});
    let (cert, key, socket) = (file("cert.pem"), file("key.pem"), file("s"));
    fs::write(&cert, identity.certificate_pem).unwrap();
    fs::write(&key, identity.key_pem).unwrap();
    let server = serve(&["--unix", &socket]);
    let tls = ["serve", "--listen", "localhost:0", "--tls-cert", &cert, "--tls-key", &key];
    let mut secure = Running::bowsprit(&tls);
    let wss = secure.first_line().replace("127.0.0.1", "localhost");
    let nobody = reserved();
    let programs = Path::new(BOWSPRIT).parent().unwrap().to_str().unwrap().to_owned();
    let path = format!("{programs}:{}", env::var("PATH").unwrap());
    let of = |line: &str| {
        // The longer names first.
        line.replace("AUTHORITY", wss.trim_start_matches("wss://").trim_end_matches('/'))
            .replace("WSS", &wss)
            .replace("WS", &server.url)
            .replace("PORT", &server.address.port().to_string())
            .replace("SOCKET", &socket)
            .replace("NOBODY", &nobody.to_string())
            .replace("CERT", &cert)
            .replace("FOLDER", folder.to_str().unwrap())
    };
    // What is wrong with a line, if anything is.
    let fault = |(line, code, said): &(&str, i32, &str)| {
        let mut shell = Command::new("bash");
        shell.args(["-o", "pipefail", "-c", &of(line)]).env("PATH", &path).env_remove("NO_COLOR");
        for variable in ["http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
            shell.env_remove(variable);
        }
        let (got, stdout, stderr) = Running::start(&mut shell).finish();
        let is_right = got == *code && (stdout.contains(said) || stderr.contains(said));
        (!is_right)
            .then(|| format!("{}\nexit code {got} for {code}, without {said:?}: {stdout}{stderr}", of(line)))
    };
    let next = AtomicUsize::new(0);
    let work = || {
        let lines = std::iter::from_fn(|| LINES.get(next.fetch_add(1, Ordering::Relaxed)));
        lines.filter(|line| fault(line).is_some()).collect::<Vec<_>>()
    };
    let late = thread::scope(|scope| {
        let workers: Vec<_> = (0..6).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect::<Vec<_>>()
    });
    // `connect` waits a second for answers, which may be too short beside five others: what is wrong is so alone, too.
    let faults: Vec<String> =
        late.into_iter().filter_map(|line| fault(line).and_then(|_| fault(line))).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(LINES.len() >= 40);
}
