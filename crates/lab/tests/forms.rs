//! Reads bytes in the forms in which programs print them, as printed by those programs. The bytes read are those
//! printed; a text cut anywhere gives the start of them; and text in no known form is refused.
//!
//! A test reports that a program is not installed and passes, unless `BOWSPRIT_REQUIRE_PEERS` is set.

#![cfg(unix)]

#[path = "../../../tests/support/installed.rs"]
mod installed;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bowsprit_lab::capture::{packets, pcapng, printed};
use bowsprit_lab::conversation::{End, Peer};
use bowsprit_lab::forms;
use bowsprit_lab::random::Random;

/// What should happen to a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It is read.
    Read,
    /// It is read, or refused if the text of few bytes fits two forms.
    Unclear,
    /// It is refused with this message.
    Refused(&'static str),
}
use Outcome::{Read, Refused, Unclear};

/// The form, the command that prints the file `$f` in it, and the outcome.
#[rustfmt::skip]
const SHELL: &[(&str, &str, Outcome)] = &[
    ("xxd",            "xxd $f",                          Read),
    ("xxd",            "xxd -p $f",                       Read),
    ("xxd",            "xxd -i $f",                       Read),
    ("xxd",            "xxd -C -i $f",                    Read),
    ("xxd",            "xxd -u $f",                       Read),
    ("xxd",            "xxd -d $f",                       Read),
    ("xxd",            "xxd -a $f",                       Read),
    ("xxd",            "xxd -g1 $f",                      Read),
    ("xxd",            "xxd -g1 -c8 $f",                  Read),
    ("xxd",            "xxd -c5 $f",                      Read),
    ("xxd",            "xxd -c32 $f",                     Read),
    ("xxd",            "xxd -g4 $f",                      Unclear),
    ("xxd",            "xxd -g8 $f",                      Unclear),
    ("xxd",            "xxd -g0 $f",                      Read),
    ("xxd",            "xxd -b $f",                       Unclear),
    ("xxd",            "xxd -e $f",                       Unclear),
    ("xxd",            "xxd -e -g8 $f",                   Unclear),
    ("xxd",            "xxd -o 0x1230 $f",                Read),
    ("hexdump",        "hexdump -C $f",                   Read),
    ("hexdump",        "hexdump -b $f",                   Unclear),
    ("hexdump",        "hexdump $f",                      Refused("hexdump -C")),
    ("hexdump",        "hexdump -x $f",                   Refused("hexdump -C")),
    ("hexdump",        "hexdump -d $f",                   Refused("hexdump -C")),
    ("hexdump",        "hexdump -o $f",                   Refused("hexdump -C")),
    ("od",             "od $f",                           Refused("od -t x1")),
    ("od",             "od -x $f",                        Refused("od -t x1")),
    ("od",             "od -t x4 $f",                     Refused("od -t x1")),
    ("od",             "od -t x1 $f",                     Read),
    ("od",             "od -A x -t x1z $f",               Read),
    ("od",             "od -A d -t x1 -v $f",             Read),
    ("od",             "od -A n -t x1 -v $f",             Read),
    ("od",             "od -w8 -t x1 $f",                 Read),
    ("od",             "od -b $f",                        Unclear),
    ("od",             "od -t u1 $f",                     Unclear),
    ("od",             "od -A x -t u1 $f",                Unclear),
    ("od",             "od -t d1 $f",                     Read),
    ("od",             "od -c $f",                        Unclear),
    ("base64",         "base64 $f",                       Read),
    ("base64",         "base64 -w 20 $f",                 Read),
];

/// Python expressions that print the bytes `data`.
const PYTHON: &[&str] = &[
    "print(data)",
    "pprint.pprint(data)",
    "print(bytearray(data))",
    "print('rx:', data)",
    "print(list(data))",
    "print(array.array('B', data))",
    "print(data[:len(data)//2], '+', data[len(data)//2:])",
    "print(data.hex())",
    "print(data.hex(' '))",
    "print(data.hex(':'))",
    "print(f'bytes.fromhex(\"{data.hex(\" \")}\")')",
    "print(base64.urlsafe_b64encode(data).decode())",
    "print('{' + ', '.join(hex(b) for b in data) + '}')",
    r#"print('char d[] = "' + ''.join(f'\\x{b:02x}' for b in data) + '";')"#,
    r#"print('char d[] =\n' + '\n'.join('    "' + ''.join(f'\\{b:03o}' for b in data[at:at + 9]) + '"' for at in range(0, len(data), 9)) + ';')"#,
];

const NODE: &[&str] = &[
    "console.log(data.subarray(0, 50))",
    "console.log({ rx: new Uint8Array(data) })",
    "console.log([...data])",
    "console.log(JSON.stringify(data))",
    "console.log(JSON.stringify(new Uint8Array(data)))",
    "console.log(new Uint8Array(data).buffer.slice(0, 50))",
    "console.log(data.toString('hex'))",
    "console.log(`data:application/octet-stream;base64,${data.toString('base64')}`)",
    "console.log('[' + new Int8Array(data).join(', ') + ']')",
];

/// Makes bytes of each length up to 70: random, text, frames, and all alike.
fn samples(name: &str) -> (PathBuf, Vec<Vec<u8>>) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let mut random = Random::new(17);
    let samples: Vec<Vec<u8>> = (1..=70_usize)
        .map(|length| {
            let mut bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
            match length % 4 {
                0 => bytes.iter_mut().for_each(|byte| *byte = b' ' + *byte % 95),
                1 => bytes[0] = 0x81,
                2 if length > 40 => bytes[..length - 3].fill(0),
                _ => {}
            }
            bytes
        })
        .collect();
    for sample in &samples {
        fs::write(folder.join(sample.len().to_string()), sample).unwrap();
    }
    (folder, samples)
}

/// Returns whether a form is tried with this length: the limits of rows, and every seventh.
fn chosen(form: usize, length: usize) -> bool {
    matches!(length, 1 | 2 | 15..=17 | 32 | 33 | 46 | 70) || length % 7 == form % 7
}

/// Returns what a program prints; `None` if it is not installed.
fn run(program: &str, folder: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).current_dir(folder).stdin(Stdio::null()).output();
    let output = output.ok()?;
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

fn is_installed(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).any(|folder| folder.join(program).exists());
    if !found {
        installed::skip(program, "install it");
    }
    found
}

/// Checks that a text printed by a program is read, whole and cut.
fn holds(form: &str, text: &str, bytes: &[u8], outcome: Outcome) {
    let read = forms::read(text);
    match (&read, outcome) {
        (Err(why), Refused(told)) => return assert!(why.contains(told), "{form}: {why}\n{text}"),
        (Ok(found), Refused(_)) => panic!("{form} is read as {found:?}\n{text}"),
        (Err(why), Unclear) if why.contains("two ways") || why.contains("may be") => return,
        (Err(why), _) => panic!("{form}: {why}\n{text}"),
        (Ok(found), _) => {
            assert_eq!((found.bytes(), &found.cut), (bytes.to_vec(), &None), "{form}\n{text}");
        }
    }
    if matches!(bytes.len(), 17 | 46) {
        cuts(form, text, bytes);
    }
}

fn cuts(form: &str, text: &str, bytes: &[u8]) {
    let text = text.trim_end();
    let is_closed = text.ends_with(|c| "\"')}]>;".contains(c));
    let is_dump = text.starts_with("0000") && text.find([' ', ':']).is_some_and(|at| at < 17);
    // A first word that is cut, or has nothing after it, cannot be identified.
    let first = text.char_indices().filter(|(_, c)| c.is_whitespace()).nth(1).map_or(8, |(at, _)| at);
    // Every cut of few bytes is tried; of more, only some, because this takes quadratic time.
    let step = if bytes.len() < 20 { 1 } else { 5 };
    for at in (first + 1..text.len()).step_by(step).filter(|at| text.is_char_boundary(*at)) {
        let (start, rest) = text.split_at(at);
        // The start of base64 may be digits.
        let is_digits =
            |text: &str| text.bytes().all(|c| c.is_ascii_hexdigit() || c == b'-' || c.is_ascii_whitespace());
        if is_digits(start) && !is_digits(text) {
            continue;
        }
        let Ok(found) = forms::read(start) else { continue };
        assert!(bytes.starts_with(&found.bytes()), "{form}: cut at {at} read as {found:?}\n{start}");
        // A row may be the last one, and digits end anywhere; without another row nothing shows how long they are.
        let last = start.lines().last().unwrap_or_default().trim_end();
        let is_offset = is_dump && text.find([' ', ':']) == Some(last.len());
        let is_whole = rest.lines().next().is_none_or(|line| line.trim().is_empty())
            || start.ends_with('\n')
            || is_offset;
        let is_told = found.cut.is_some() || !found.notes.is_empty();
        let is_due = found.bytes() != bytes && (is_closed || (is_dump && !is_whole && start.contains('\n')));
        assert!(is_told || !is_due, "{form}: cut at {at} is not told: {found:?}\n{start}");
    }
}

#[test]
fn what_tools_print_is_read() {
    let (folder, samples) = samples("forms-shell");
    for (place, (program, command, outcome)) in SHELL.iter().enumerate() {
        if !is_installed(program) {
            continue;
        }
        let lengths: Vec<String> =
            (1..=70).filter(|length| chosen(place, *length)).map(|length| length.to_string()).collect();
        let script = format!("for f in {}; do export f; {command}; printf '\\f'; done", lengths.join(" "));
        let printed = run("sh", &folder, &["-c", &script]).unwrap();
        for (length, text) in lengths.iter().zip(printed.split_terminator('\u{c}')) {
            let bytes = &samples[length.parse::<usize>().unwrap() - 1];
            holds(command, text, bytes, *outcome);
        }
    }
}

#[test]
fn what_python_and_node_print_is_read() {
    let (folder, samples) = samples("forms-languages");
    let python = |forms: &[&str]| {
        let forms: Vec<String> =
            forms.iter().map(|form| format!("    {form}\n    print(end='\\f')\n")).collect();
        format!(
            "import array, base64, pprint\nfor length in range(1, 71):\n    data = open(str(length), 'rb').read()\n{}",
            forms.concat()
        )
    };
    let node = |forms: &[&str]| {
        let forms: Vec<String> =
            forms.iter().map(|form| format!("{form}; process.stdout.write('\\f');")).collect();
        format!(
            "for (let length = 1; length <= 70; length++) {{ const data = require('fs').readFileSync(String(length)); {} }}",
            forms.concat()
        )
    };
    for (program, flag, script, forms) in
        [("python3", "-c", python(PYTHON), PYTHON), ("node", "-e", node(NODE), NODE)]
    {
        if !is_installed(program) {
            continue;
        }
        let printed = run(program, &folder, &[flag, &script]).unwrap();
        let texts: Vec<&str> = printed.split_terminator('\u{c}').collect();
        assert_eq!(texts.len(), 70 * forms.len());
        for (place, text) in texts.iter().enumerate() {
            let (bytes, form) = (&samples[place / forms.len()], forms[place % forms.len()]);
            let bytes = if form.contains("50)") { &bytes[..bytes.len().min(50)] } else { bytes };
            holds(form, text, bytes, Read);
        }
    }
}

/// A capture file and the output of tools about it hold the same.
#[test]
fn packets_that_tools_print_are_read() {
    let (folder, samples) = samples("forms-packets");
    let mut file = Vec::new();
    let mut writer = pcapng::Writer::new(&mut file).unwrap();
    let ends = ["127.0.0.1:40000", "127.0.0.1:9001"].map(|end| end.parse().unwrap());
    let zero = std::time::Duration::ZERO;
    writer.open(1, ends[0], ends[1], zero).unwrap();
    writer.bytes(1, zero, Peer::Client, b"GET / HTTP/1.1\r\n\r\n").unwrap();
    for (place, sample) in samples.iter().enumerate() {
        let from = if place % 2 == 0 { Peer::Client } else { Peer::Server };
        writer.bytes(1, zero, from, &[b"\x82\x7e\0", &[sample.len() as u8][..], sample].concat()).unwrap();
    }
    writer.end(1, zero, Peer::Client, End::Finished).unwrap();
    drop(writer);
    fs::write(folder.join("a.pcapng"), &file).unwrap();
    let mut told = Vec::new();
    packets::read(&file, |entry| told.push(entry.what)).unwrap();
    assert!(told.len() > 70);
    for (program, args) in [
        ("tshark", &["-r", "a.pcapng", "-x"][..]),
        ("tshark", &["-r", "a.pcapng", "-P", "-x"]),
        ("tcpdump", &["-r", "a.pcapng", "-x"]),
        ("tcpdump", &["-r", "a.pcapng", "-nXX"]),
    ] {
        if !is_installed(program) {
            continue;
        }
        let text = run(program, &folder, args).unwrap();
        assert!(printed::is_in(&text), "{args:?}: {text}");
        let read = printed::packets(&text).unwrap();
        assert!(!read.is_cut, "{args:?}");
        let mut again = Vec::new();
        packets::read_bare(read.packets.clone(), |entry| again.push(entry.what));
        assert_eq!(again, told, "{program} {args:?}");
        // Each packet alone, as a dump of one thing.
        for (_, packet) in read.packets.iter().skip(3) {
            assert!(packets::is_packet(packet));
        }
        for cut in (0..text.len()).step_by(97).filter(|cut| text.is_char_boundary(*cut)) {
            let Ok(part) = printed::packets(&text[..cut]) else { continue };
            let (last, others) = part.packets.split_last().unwrap();
            let is_whole = |(place, (_, packet)): (usize, &printed::Packet)| *packet == read.packets[place].1;
            assert!(others.iter().enumerate().all(is_whole), "{program} cut at {cut}");
            let there = &read.packets[others.len()].1;
            assert!(
                there.starts_with(&last.1) && (part.is_cut || *there == last.1),
                "{program} cut at {cut}"
            );
        }
    }
}
