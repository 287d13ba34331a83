//! `bowsprit decode` from a pipe: files that hold both directions, recognized by their first bytes.

#![cfg(unix)]

mod support;

use support::command::Running;

/// Returns exit code, stdout, stderr.
fn decode(args: &[&str], input: &[u8]) -> (i32, String, String) {
    let mut running = Running::bowsprit(&[&["decode"], args].concat());
    running.write(input);
    running.finish()
}

/// A segment as tcpdump -X prints it: from the client, an empty text.
const PACKETS: &str = "22:04:55.500000 IP 127.0.0.1.40000 > 127.0.0.1.9001: Flags [P.], length 6\n\
    \t0x0000:  4500 002e 0000 4000 4006 0000 7f00 0001  E..*..@.@.......\n\
    \t0x0010:  7f00 0001 9c40 2329 0000 0001 0000 0001  .....@#)........\n\
    \t0x0020:  5018 ffff 0000 0000 8180 0102 0304       P.............\n";

const ARCHIVE: &str = r#"{"log": {"entries": [{"request": {"method": "GET", "url": "wss://a/chat"},
    "response": {"status": 101}, "_webSocketMessages": [
        {"type": "send", "time": 1700000000.25, "opcode": 1, "data": "hello \u001b[31m"},
        {"type": "receive", "time": 1700000000.75, "opcode": 2, "data": "AAEC"}]}]}}"#;

#[test]
fn packets_and_archives_are_known_by_how_they_begin() {
    let (code, stdout, stderr) = decode(&[], PACKETS.as_bytes());
    assert_eq!(code, 0, "{stderr}");
    assert!(
        stdout.contains("> 00000000 81 80 01 02 03 04") && stdout.contains("text FIN, 0 bytes"),
        "{stdout}"
    );
    let (code, stdout, stderr) = decode(&[], ARCHIVE.as_bytes());
    assert_eq!(code, 0, "{stderr}");
    assert!(
        stdout.contains("text of 11 bytes") && stdout.contains("00 01 02") && !stdout.contains('\x1b'),
        "{stdout}"
    );
    assert!(!stdout.contains("\n\n"), "{stdout}");
    for form in ["--json", "--html"] {
        let (code, stdout, _) = decode(&[form], ARCHIVE.as_bytes());
        assert!(code == 0 && stdout.contains("hello") && !stdout.contains('\x1b'), "{stdout}");
    }
}

/// Returns the text on stderr and the exit code.
#[test]
fn how_bytes_were_understood_is_told() {
    for (input, code, told) in [
        (r#"unsigned char d[] = "\x81\x05Hello";"#, 0, ""),
        ("rx: b'\\x81\\x05'\nrx: b'Hello'\n", 0, "2 pieces are read one behind the other"),
        ("129 5 72 101 108 108 111\n", 0, "read as decimal numbers"),
        ("<Buffer 81 05 48 65 6c 6c 6f ... 50 more bytes>\n", 1, "ends early: Node has left 50 bytes out"),
        ("00000000: 8105 4865 6c6c 6f    ..Hel", 1, "ends early: line 1 ends inside its text"),
        (" \n", 2, "no bytes"),
        ("[]\n", 2, "no bytes"),
    ] {
        let (found, stdout, stderr) = decode(&[], input.as_bytes());
        assert_eq!(found, code, "{input}: {stdout} {stderr}");
        assert!(stderr.contains(told) && stderr.is_empty() == told.is_empty(), "{input}: {stderr}");
        assert!(stdout.contains("48 65 6c 6c 6f") == (code < 2), "{input}: {stdout}");
    }
}

/// A copy of a packet is not a frame, and a dump of a file is read as that file.
#[test]
fn what_the_bytes_are_is_seen() {
    let rows: String =
        PACKETS.lines().skip(1).map(|line| line.trim().replace("0x", "0000")).collect::<Vec<_>>().join("\n");
    let (code, stdout, stderr) = decode(&[], rows.as_bytes());
    assert!(code == 0 && stdout.contains("> 00000000 81 80 01 02 03 04"), "{stdout} {stderr}");
    let saved = "{\"bowsprit\":\"watch\",\"version\":1,\"url\":\"\",\"target\":\"\",\"began\":\"\"}\n\
                 {\"connection\":1,\"seconds\":0,\"from\":\"client\",\"bytes\":\"R0VU\"}\n{\"conn";
    let hex: String = saved.bytes().map(|byte| format!("{byte:02x} ")).collect();
    let (code, stdout, stderr) = decode(&[], hex.as_bytes());
    assert!(
        code == 1 && stdout.contains("GET") && stderr.contains("ends inside a line"),
        "{stdout} {stderr}"
    );
}

#[test]
fn one_bad_entry_spoils_no_archive() {
    let bad = ARCHIVE.replace("\"AAEC\"", "\"?\"}, {\"type\": \"send\", \"opcode\": 8, \"data\": \"A+g=\"");
    let (code, stdout, stderr) = decode(&[], bad.as_bytes());
    assert!(code == 1 && stdout.contains("1000 (normal closure)") && stdout.contains("hello"), "{stdout}");
    assert!(stderr.contains("not shown: entry 1, message 2: its data is no base64"), "{stderr}");
}

#[test]
fn what_is_not_understood_is_refused() {
    for (input, why) in [
        (PACKETS.replace("0x0010", "0x0020"), "line 3: its offset does not fit"),
        (ARCHIVE.replace("_webSocketMessages", "messages"), "no entry of this archive"),
        (ARCHIVE.replace("101", "\"?\""), "no entry of this archive can be read: entry 1: invalid type"),
        (ARCHIVE[..ARCHIVE.len() - 9].to_owned(), "ends early"),
        ("{\"bowsprit\":\"watch\",\"version\":9}\n".to_owned(), "line 1"),
        ("\n\r\r\n and no capture".to_owned(), "is not what it began as"),
    ] {
        let (code, stdout, stderr) = decode(&[], input.as_bytes());
        assert!(code == 2 && stderr.contains(why), "{why}: {code} {stdout} {stderr}");
    }
}
