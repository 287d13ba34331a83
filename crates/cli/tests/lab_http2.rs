//! `bowsprit test client --http2` over TLS, with our own client.

#[path = "../../../tests/support/certificates.rs"]
mod certificates;
mod support;

use std::time::Duration;

use bowsprit::blocking;
use bowsprit::client::{ClientConfig, Http};
use bowsprit::message::Message;
use bowsprit::tls::TlsClient;
use certificates::Authority;
use support::command::Running;
use support::folder::Folder;

/// Requests this, and echoes what comes if it is a case. Returns the first message.
fn talk(base: &str, resource: &str, tls: &TlsClient) -> Option<String> {
    let config = ClientConfig::new(&format!("{base}{resource}")).unwrap().http(Http::Http2).tls(tls.clone());
    let mut client = blocking::connect_with(&config).ok()?;
    client.set_timeout(Some(Duration::from_secs(60)));
    let mut first = None;
    while let Ok(Some(message)) = client.read() {
        let (text, bytes) = match message {
            Message::Text(text) => (Some(text.to_owned()), Vec::new()),
            Message::Binary(bytes) => (None, bytes.to_vec()),
        };
        first = first.or_else(|| text.clone());
        if resource.starts_with("/runCase") {
            // One that is refused has the end still to be read.
            let _ = match text {
                Some(text) => client.send(&*text),
                None => client.send(&*bytes),
            };
        }
    }
    first
}

#[test]
fn our_client_passes_over_tls() {
    let authority = Authority::new();
    let identity = authority.issue(&["localhost"]);
    let folder = Folder::new("lab-http2");
    let (chain, key) =
        (folder.write("chain.pem", &identity.certificate_pem), folder.write("key.pem", &identity.key_pem));
    let report = folder.path("report.json");
    let tls = TlsClient::builder().ca(authority.certificate()).unwrap().build().unwrap();
    let cases = "1,7,H2W-002,H2W-102,H2W-110,H2W-112,H2W-119";
    let flags = ["--listen", "127.0.0.1:0", "--handshake", "--cut", "mixed", "--case", cases, "--idle", "60"];
    let files = ["--tls-cert", &chain, "--tls-key", &key, "--json", &report];
    let lab = Running::bowsprit(&[&["test", "client", "--http2"], &flags[..], &files].concat());
    let port = lab.told(" on wss://127.0.0.1:");
    let base = format!("wss://localhost:{}", port.split(' ').next().unwrap());
    let count: usize = talk(&base, "/getCaseCount", &tls).unwrap().parse().unwrap();
    for number in 1..=count {
        let query = format!("case={number}&agent=bowsprit");
        talk(&base, &format!("/nextCase?{query}"), &tls).unwrap();
        talk(&base, &format!("/runCase?{query}"), &tls);
    }
    talk(&base, "/updateReports?agent=bowsprit", &tls);
    let (code, _, stderr) = lab.finish();
    assert_eq!(code, 0, "{stderr}");
    let run = folder.run("report.json");
    assert_eq!(run.cases.len(), count);
    assert!(count > 60 && run.cases.iter().all(|case| case.passed), "{stderr}");
    assert!(run.cases.iter().any(|case| case.id.starts_with("H2W-002")));
}
