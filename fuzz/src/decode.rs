//! The decoder of `bowsprit decode`: whatever it is given it ends, in an amount of text bounded by its input, and no
//! octet of a peer reaches a terminal raw.

use bowsprit_lab::decode::{Reading, Sender, decode, from_hex};

pub fn run(data: &[u8]) {
    let Some((&bits, octets)) = data.split_first() else { return };
    let sender = [Sender::Client, Sender::Server][usize::from(bits & 1)];
    let (text, _) = decode(octets, Reading { sender, deflate: bits & 2 != 0 });
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    // A frame of two octets is a few lines, and inflated text is shown in part.
    assert!(text.len() <= 4096 + octets.len() * 400, "{} octets become {} of text", octets.len(), text.len());

    // What is written as hex is read back, with blanks and line ends anywhere between octets.
    let mut hex = String::new();
    for (at, octet) in octets.iter().enumerate() {
        hex.push_str(&format!("{octet:02x}"));
        hex.push_str(["", " ", "\n"][(at + usize::from(bits)) % 3]);
    }
    if !octets.is_empty() {
        assert_eq!(from_hex(&hex).as_deref(), Ok(octets));
    }
    // And any text is either octets or an error.
    let _ = from_hex(&String::from_utf8_lossy(octets));
}
