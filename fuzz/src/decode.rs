//! The decoder of `bowsprit decode`. For any input it ends, its text is bounded by the input, and no byte of a peer
//! reaches a terminal unescaped.

use bowsprit_lab::decode::{Reading, Sender, decode};
use bowsprit_lab::hex;

pub fn run(data: &[u8]) {
    let Some((&bits, bytes)) = data.split_first() else { return };
    let sender = [Sender::Client, Sender::Server][usize::from(bits & 1)];
    let (text, _) = decode(bytes, Reading { sender, deflate: bits & 2 != 0 });
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    // A frame of two bytes takes a few lines, and inflated text is shown in part.
    assert!(text.len() <= 4096 + bytes.len() * 400, "{} bytes become {} of text", bytes.len(), text.len());

    // Bytes written as hex are read back, with blanks and line ends anywhere between them.
    let mut text = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        text.push_str(&format!("{byte:02x}"));
        text.push_str(["", " ", "\n"][(at + usize::from(bits)) % 3]);
    }
    if !bytes.is_empty() {
        assert_eq!(hex::parse(&text).as_deref(), Ok(bytes));
    }
    // Any text is either bytes or an error.
    let _ = hex::parse(&String::from_utf8_lossy(bytes));
}
