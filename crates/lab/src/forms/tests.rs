use super::*;

const HELLO: &[u8] = b"\x81\x857\xfa!=\x7f\x9fMQX";

/// A tool may show a blank as a dot, also at the ends of the text.
#[test]
fn a_blank_may_be_shown_as_a_dot() {
    for text in [
        "00000000: 20af af20                                 ..",
        "00000000: 20af af20                                ....",
        "00000000: 20af af20                                ... ",
        "00000000  20 af af 20                                       |....|\n00000004",
        "0000   20 af af 20                                       ....",
    ] {
        let found = read(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!((found.bytes(), found.notes), (b" \xaf\xaf ".to_vec(), vec![]), "{text}");
    }
}

/// Each of them is read as `HELLO` without a note.
#[test]
fn forms() {
    for text in [
        "81 85 37 fa 21 3d 7f 9f 4d 51 58",
        "818537fa213d7f9f4d5158",
        "818537fa\n213d7f9f\n4d5158\n",
        "81:85:37:fa:21:3d:7f:9f:4d:51:58",
        "81-85-37-FA-21-3D-7F-9F-4D-51-58",
        "0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58",
        "0x818537fa213d7f9f4d5158",
        r"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
        "\\x81\\x85\\x37\\xfa\\\n  \\x21\\x3d\\x7f\\x9f\\x4d\\x51\\x58",
        r"\x81, \x85, \x37, \xfa, \x21, \x3d, \x7f, \x9f, \x4d, \x51, \x58",
        r"\201\2057\372!=\177\237MQX",
        "00000000: 8185 37fa 213d 7f9f 4d51 58              ..7.!=..MQX",
        "00000000: 81 85 37 fa 21 3d 7f 9f 4d 51 58  ..7.!=..MQX",
        "00000000: 8185 37fa  ..7.\n00000004: 213d 7f9f  !=..\n00000008: 4d51 58    MQX",
        "00000000: 81 85 37 FA 21 3D 7F 9F  4D 51 58                 ..7.!=..MQX",
        "00000000  81 85 37 fa 21 3d 7f 9f  4d 51 58                 |..7.!=..MQX|\n0000000b",
        "0000000 81 85 37 fa 21 3d 7f 9f 4d 51 58\n0000013",
        "000000 81 85 37 fa 21 3d 7f 9f 4d 51 58\n00000b",
        "0000000 201 205 067 372 041 075 177 237 115 121 130\n0000013",
        "0000000 129 133  55 250  33  61 127 159  77  81  88\n0000013",
        "0000000 -127 -123   55   -6   33   61  127  -97   77   81   88\n0000013",
        "0000000 201 205   7 372   !   = 177 237   M   Q   X\n0000013",
        "0000   81 85 37 fa 21 3d 7f 9f 4d 51 58                  ..7.!=..MQX",
        "0000   81 85 37 fa 21 3d 7f 9f  4d 51 58                 ..7.!=.. MQX",
        "00000010: 8185 37fa 213d 7f9f 4d51 58              ..7.!=..MQX",
        "00000000: 10000001 10000101 00110111 11111010 00100001 00111101  ..7.!=\n\
         00000006: 01111111 10011111 01001101 01010001 01011000           ..MQX",
        "static const unsigned char pkt[11] = {\n0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, /* ..}.!=.. */\n0x4d, 0x51, 0x58 /* MQX */\n};",
        "unsigned char x[] = {\n  0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58\n};\nunsigned int x_len = 11;",
        "u8 d[11] = {0x81, 0x85, '7', 0xfa, '!', '=', 0x7f, 0x9f, 'M', 'Q', 'X'};",
        "byte[] d = new byte[] { (byte) 0x81, (byte)0x85, 55, -6, 33, 61, 127, (byte)159, 77, 81, 88 };",
        "let d = [0x81u8, 0x85, b'7', 0xfa, b'!', 0x3d, 0x7f, 0b10011111, 77u8, 81, 88];",
        r#"unsigned char d[] = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";"#,
        r#"char d[] = "\x81\x85" "7\xfa!=" /* "no" */ "\x7f\x9f"  // nor "this"
            "MQX";"#,
        "\"\\x81\\x85\\x37\\xfa\\x21\\x3d\\x7f\\x9f\" \\\n\"\\x4d\\x51\\x58\"\n",
        r#"char d[] = { "\201\2057\372!=\177\237MQX" };"#,
        r"printf '\x81\x857\xfa!=\x7f\x9fMQX' | nc localhost 9001",
        r"$'\201\2057\372!=\177\237MQX'",
        r#"[12] rx: "\x81\x857\xfa!=\x7f\x9fMQX""#,
        r"[12] rx: b'\x81\x857\xfa!=\x7f\x9fMQX'",
        r#"ws.send("\x81\x857\xfa!=" + "\x7f\x9fMQX");"#,
        "<Buffer 81 85 37 fa 21 3d 7f 9f 4d 51 58>",
        "rx 2 <Buffer 81 85 37 fa 21 3d 7f 9f 4d 51 58>",
        "ArrayBuffer { [Uint8Contents]: <81 85 37 fa 21 3d 7f 9f 4d 51 58>, byteLength: 11 }",
        r"b'\x81\x857\xfa!=\x7f\x9fMQX'",
        r"b'\x81\x857' + b'\xfa!=\x7f\x9fMQX'",
        r#"b'\x81\x857' b"\xfa!=\x7f\x9fMQX""#,
        "(b'\\x81\\x857\\xfa!='\n b'\\x7f\\x9fMQX')",
        r#"bytearray(b"\x81\x857\xfa!=\x7f\x9fMQX")"#,
        r"rx: b'\x81\x857\xfa!=\x7f\x9fMQX'",
        r">>> b'\x81\x857\xfa!=\x7f\x9fMQX'",
        r#"2026-11-29 12:00:00,123 DEBUG don't "mind": b'\x81\x857\xfa!=\x7f\x9fMQX'"#,
        r"b'''\x81\x857\xfa!=\x7f\x9fMQX'''",
        "bytes.fromhex('81 85 37 fa 21 3d 7f 9f 4d 51 58')",
        "x = binascii.unhexlify('818537fa213d7f9f4d5158')",
        "Buffer.from('818537fa213d7f9f4d5158', 'hex')",
        "Buffer.from(\"gYU3+iE9f59NUVg=\", \"base64\")",
        "\"818537fa213d7f9f4d5158\"",
        "bytes([129, 133, 55, 250, 33, 61, 127, 159, 77, 81, 88])",
        "[129, 133, 55, 250, 33, 61, 127, 159, 77, 81, 88]",
        "[129 133 55 250 33 61 127 159 77 81 88]",
        "Uint8Array(11) [129, 133, 55, 250, 33, 61, 127, 159, 77, 81, 88]",
        "Buffer(11) [Uint8Array] [\n  129, 133,  55, 250, 33, 61,\n 127, 159,  77, 81, 88\n]",
        "[]byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}",
        "[-127, -123, 55, -6, 33, 61, 127, -97, 77, 81, 88]",
        r#"{"type":"Buffer","data":[129,133,55,250,33,61,127,159,77,81,88]}"#,
        r#"{"0":129,"1":133,"2":55,"3":250,"4":33,"5":61,"6":127,"7":159,"8":77,"9":81,"10":88}"#,
        "gYU3+iE9f59NUVg=",
        "gYU3-iE9f59NUVg=",
        "gYU3+iE9\nf59NUVg=\n",
        "data:application/octet-stream;base64,gYU3+iE9f59NUVg=",
    ] {
        let found = read(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(found, Found::of(HELLO.to_vec()), "{text}");
    }
}

/// If a text may be read in another way, a note says which reading was taken.
#[test]
fn a_reading_that_is_not_plain_is_said() {
    let last = "the last one is taken as whole";
    for (text, bytes, note) in [
        ("88 82 37 37", &b"\x88\x827\x37"[..], "hexadecimal"),
        ("129 5 72 101 108 108 111", b"\x81\x05Hello", last),
        ("88 82 0 0 0 0", b"\x58\x52\0\0\0\0", last),
        ("129,133", b"\x81\x85", last),
        (" 94  75 250  95\n 39", b"^K\xfa_'", last),
        ("-127 5 -6", b"\x81\x05\xfa", last),
        ("81 5 48 65 6c", b"\x81\x05Hel", "stand alone"),
        ("0x81 0x5 0x48", b"\x81\x05H", "stand alone"),
        ("00000010 81 05", b"\x81\x05", "00000010 is taken as an offset"),
        ("0000000 81 05", b"\x81\x05", "it may be cut"),
        ("00000000: 8105 4865  .oHe", b"\x81\x05He", "is not theirs"),
        ("00000000: 4b5e 5ffa 270d e691 67ab  ^K._.'...g", b"^K\xfa_\x0d'\x91\xe6\xabg", "little-endian"),
        ("00000000: 5ffa4b5e e691270d       67  ^K._.'..g", b"^K\xfa_\x0d'\x91\xe6g", "little-endian"),
        ("zz0x", &[0xcf, 0x3d, 0x31], "base64"),
        ("gYU3+iE9f59NUVgA", b"\x81\x857\xfa!=\x7f\x9fMQX\0", ""),
        ("gYU3-iE9f59NUQ", b"\x81\x857\xfa!=\x7f\x9fMQ", "no padding"),
    ] {
        let found = read(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!((found.bytes(), found.cut.as_deref()), (bytes.to_vec(), None), "{text}");
        assert!(found.notes.join("; ").contains(note), "{text}: {:?}", found.notes);
    }
}

#[test]
fn pieces_are_kept_apart() {
    for (text, pieces) in [
        ("rx: b'\\x81\\x05'\nrx: b'Hello'", &[&b"\x81\x05"[..], b"Hello"][..]),
        ("[b'\\x81\\x05',\n b'Hello']", &[b"\x81\x05", b"Hello"]),
        ("[ <Buffer 81 05>, <Buffer 48> ]", &[b"\x81\x05", b"H"]),
        ("char a[] = { 0x81, 5 };\nchar b[2] = { 72, 'e' };", &[b"\x81\x05", b"He"]),
        ("char a[] = \"\\x81\\5\";\nchar b[] = \"\\x48\";", &[b"\x81\x05", b"H"]),
        ("[[129, 5], [72]]", &[b"\x81\x05", b"H"]),
    ] {
        assert_eq!(read(text).unwrap().pieces, pieces, "{text}");
    }
}

/// Base64 may hold 0x, and may hold only digits if it is declared to be base64.
#[test]
fn escapes_beside_bytes_are_not_those_bytes() {
    for text in [
        "00000000: 5c78 3831  \\x81",
        "00000000  5c 78 38 31  |\\x81|\n00000004",
        "char x[] = { 0x5c, 0x78, 0x38, 0x31 }; /* \\x81 */",
    ] {
        assert_eq!(read(text).unwrap().bytes(), b"\\x81", "{text}");
    }
    // The text beside the bytes may look like any other form.
    for (text, bytes) in [
        ("00000000: 6227 8105 27    b'..'", &b"b'\x81\x05'"[..]),
        ("00000000  5b 31 2c 32 5d 7b 7d 22  |[1,2]{}\"|\n00000008", b"[1,2]{}\""),
        ("00000000: 34 64 20 35 31 20 35 38  4d 51 58", b"4d 51 58"),
        ("0000   20 20 20 41                                         A", b"   A"),
    ] {
        assert_eq!(read(text).unwrap(), Found::of(bytes.to_vec()), "{text}");
    }
}

#[test]
fn base64_is_told_from_hexadecimal_digits() {
    let bytes = |text| read(text).map(|found| found.bytes());
    assert_eq!(bytes("data:;base64,0xyz"), Ok(vec![0xd3, 0x1c, 0xb3]));
    assert_eq!(bytes("data:;base64,beef"), Ok(vec![0x6d, 0xe7, 0x9f]));
    assert_eq!(bytes("beef"), Ok(vec![0xbe, 0xef]));
    assert_eq!(bytes("0xbeef01"), Ok(vec![0xbe, 0xef, 1]));
    assert_eq!(bytes("0x81 0x85 0x37 0xfa"), Ok(vec![0x81, 0x85, 0x37, 0xfa]));
    assert!(bytes("0x81 0x8g").is_err() && bytes("81 0x8g 37").is_err() && bytes("0x81858g").is_err());
    assert!(bytes("this is a text of").is_err() && bytes("hello").is_err());
}

#[test]
fn rows_that_repeat() {
    let text = "00000000  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|\n*\n\
                00000030  01                                                |.|\n00000031";
    assert_eq!(read(text), Ok(Found::of([vec![0; 48], vec![1]].concat())));
}

#[test]
fn what_is_not_understood_is_refused() {
    let two = "00000000: 8185 37fa  ..7.\n";
    for (text, why) in [
        ("0000000 8581 fa37 3d21 9f7f 514d 0058\n000000b", "hexdump -C"),
        ("0000000 102601 175067 036441 117577 050515 000130\n0000013", "od -t x1"),
        ("0000000    8581    fa37    3d21\n0000006", "hexdump -C"),
        ("0000000   34177   64055\n0000004", "hexdump -C"),
        ("0000000   ^   K   z   _  cr   ' dc1   f\n0000010", "line 1"),
        (&format!("{two}00000009: 213d 7f9f  !=.."), "offsets do not fit the bytes beside them: line 1"),
        (&format!("{two}00000002: 213d 7f9f  !=.."), "line 1"),
        (&format!("{two}00000000: 213d 7f9f  !=.."), "line 2 has an offset out of order"),
        (&format!("{two}and so on\n00000004: 21"), "line 2 is no row"),
        ("00000000: 8185 37fa ..7. 00000004: 213d", "something behind its bytes"),
        ("0000000 81 85 37 0000003", "something behind its bytes"),
        ("0000000 201\n0000001", "two ways, as one of od -b and as one of od -t u1"),
        ("00000000: 81828384 85868788  ........", "two ways, as one of xxd and as one of xxd -e"),
        ("00000000: 10000001 00000101", "two ways"),
        ("00000000  ffffffffffffffff\nffffffffffffffff  00", "dump"),
        ("00000000  81\n*\nfffffff0  85", "dump"),
        ("81854865 6c 6c", "may be an offset or bytes"),
        ("00000000", "offset without its row"),
        ("[129, 256]", "'256' is no byte"),
        ("[0x81, 05]", "begins with a 0"),
        ("[81, 6c]", "'6c' is no byte"),
        ("81, 85, 37", "decimal or hexadecimal"),
        ("8 1 0 5", "decimal or hexadecimal"),
        ("88 82 3", "decimal or hexadecimal"),
        ("201 005 110", "octal"),
        ("129 5 300", "'300' is no byte"),
        ("0x81, 5, 72", "0x in front"),
        ("0x8105 0x4865", "words of more than a byte"),
        ("10000001 00000101", "bits"),
        ("12:30:45 81 05", "apart by ':'"),
        ("81:05-48", "apart by ':'"),
        ("0x7ffd8: 0x81 0x05", "apart by ':'"),
        (r"b'\q'", "escape"),
        (r"b'\x8'", "escape"),
        (r"b'\x81' * 4", "expression"),
        (r"b'\x81\x05'[1:]", "expression"),
        (r"b'\x81\x05'.hex()", "expression"),
        ("b'\u{e9}'", "no character of Python bytes"),
        (r#""\u0081\u0005""#, "escape of a character"),
        (r"echo -e '\0201\0005'", "for echo"),
        (r"rx: \x81\x05", "in front of the escapes"),
        (r#"{"\x81\x05", "Hello"}"#, "which of them are the bytes"),
        (r"printf '%b' '\x81\x05'", "which of them are the bytes"),
        (r#"char d[] = "Hello";"#, "'h' is no hex digit"),
        (r#"{"payload":"\u0081\u0005Hello"}"#, "is no hex digit"),
        ("<Buffer 81 85 ... 950 more bytes> <Buffer 01>", "toString('hex')"),
        ("<Buffer 81 8>", "'8' is no byte"),
        ("8g", "hexadecimal digits"),
        ("818", "odd"),
        ("81 858 37", "'858' is no byte"),
        ("81 8a5 37", "odd"),
        ("[12] 81 05", "behind the list"),
        ("", "blank"),
        (" \n\t", "blank"),
        ("[]", "no bytes"),
        ("{}", "no bytes"),
        ("char d[] = { };", "no bytes"),
        ("b''", "no bytes"),
        ("<Buffer >", "no bytes"),
        ("data:;base64,", "no bytes"),
        ("\"\"", "no bytes"),
    ] {
        let refused = read(text).expect_err(text);
        assert!(refused.contains(why), "{text}: {refused}");
    }
}

/// A cut text is read up to its last whole byte, and the cut is reported.
#[test]
fn what_is_cut_is_read_up_to_there() {
    for (text, bytes) in [
        ("<Buffer 81 85 ... 950 more bytes>", &b"\x81\x85"[..]),
        ("<Buffer 81 85", b"\x81\x85"),
        ("<Buffer 81 8", b"\x81"),
        ("[129, 133, 5", b"\x81\x85"),
        ("[129, 133, 5,", b"\x81\x85\x05"),
        ("Uint8Array(120) [\n  129, 133,\n  ... 118 more items\n]", b"\x81\x85"),
        ("char x[] = { 0x81, 0x8", b"\x81"),
        ("char x[] = { 0x81, /* }", b"\x81"),
        (r"b'\x81\x857\xf", b"\x81\x857"),
        (r"(b'\x81\x857'", b"\x81\x857"),
        (r"b'\x81\x857' +", b"\x81\x857"),
        (r#"char d[] = "\x81\5"#, b"\x81"),
        (r#"char d[] = "\x81\5\"#, b"\x81\x05"),
        ("\"\\x81\\x85\" \\", b"\x81\x85"),
        (r"\x81\x8", b"\x81"),
        (r"\201\5", b"\x81"),
        ("bytes.fromhex('8185 3", b"\x81\x85"),
        ("data:;base64,gYU3+", b"\x81\x857"),
        ("gYU3+iE9f59NUV", b"\x81\x857\xfa!=\x7f\x9fMQ"),
        ("81 05 4", b"\x81\x05"),
        ("81 8a 4", b"\x81\x8a"),
        ("81856c\n85373", b"\x81\x85\x6c\x857"),
        ("00000000: 8185 37f", b"\x81\x857"),
        ("00000000: 8185 37fa  ..", b"\x81\x857\xfa"),
        ("00000000: 8185 37fa  ..7.\n0000", b"\x81\x857\xfa"),
        ("00000000: 8185 37fa  ..7.\n00000004:", b"\x81\x857\xfa"),
        ("00000000: 8185 37fa  ..7.\n00000004: 21", b"\x81\x857\xfa!"),
        ("0000000 129 133  5", b"\x81\x85"),
        ("0000000 201 205 06", b"\x81\x85"),
        ("00000000: 10000001 10000101 00110111  ..7\n00000003: 11111010 0010", b"\x81\x857\xfa"),
        ("00000000  81 85\n*", b"\x81\x85"),
    ] {
        let found = read(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(found.bytes(), bytes, "{text}: {found:?}");
        assert!(found.cut.is_some(), "{text}: {found:?}");
    }
}

/// No input makes it panic.
#[test]
fn nothing_panics() {
    let parts = [
        "00000000", ": ", "  ", "\n", "*", "81", "8185", "|..|", "[", "]", "{", "}", "<Buffer", "b'", "'",
        "\\x", "é", "0x", ",", "gY==", "/*", "\"", "0000000 ", "129", "-", "(", ")", "\\", "...", "hex",
        "//", " 5",
    ];
    let mut random = crate::random::Random::new(1);
    for _ in 0..40_000 {
        let mut text = String::new();
        for _ in 0..8 {
            text += parts[random.below(parts.len())];
        }
        let _ = read(&text);
    }
}
