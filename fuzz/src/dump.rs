//! The forms in which `bowsprit decode` accepts bytes. Any text is bytes or an error that says what is understood, and
//! what is written in one of them is read back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bowsprit_lab::capture::printed;
use bowsprit_lab::forms;

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // An asterisk stands for repeated rows up to the next offset, which is bounded but may still be far.
    if !text.contains('*') {
        match forms::read(&text) {
            Ok(found) => {
                let bytes = found.bytes();
                assert!(
                    !bytes.is_empty() && bytes.len() <= text.len(),
                    "{} bytes out of {}",
                    bytes.len(),
                    text.len()
                );
            }
            Err(error) => assert!(!error.is_empty()),
        }
    }
    if printed::is_in(&text)
        && let Ok(printed) = printed::packets(&text)
    {
        assert!(printed.packets.iter().map(|(_, packet)| packet.len()).sum::<usize>() <= text.len());
    }
    if data.is_empty() {
        return;
    }
    let hex =
        |separator: &str| data.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(separator);
    let decimals = data.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let words = |row: &[u8]| {
        row.chunks(2)
            .map(|two| two.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
            .collect::<Vec<_>>()
    };
    let shown = |row: &[u8]| -> String {
        row.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' }).collect()
    };
    let xxd: String = data
        .chunks(16)
        .enumerate()
        .map(|(at, row)| format!("{:08x}: {:<39}  {}\n", at * 16, words(row).join(" "), shown(row)))
        .collect();
    let hexdump: String = data
        .chunks(16)
        .enumerate()
        .map(|(at, row)| {
            let halves: Vec<String> = row
                .chunks(8)
                .map(|half| half.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "))
                .collect();
            format!("{:08x}  {:<48}  |{}|\n", at * 16, halves.join("  "), shown(row))
        })
        .collect();
    for form in [
        hex(" "),
        format!("<Buffer {}>", hex(" ")),
        format!("b'\\x{}'", hex("\\x")),
        format!("[{decimals}]"),
        format!("uint8_t bytes[] = {{ 0x{} }};", hex(", 0x")),
        xxd,
        hexdump + &format!("{:08x}\n", data.len()),
        format!("data:application/octet-stream;base64,{}", STANDARD.encode(data)),
    ] {
        let found = forms::read(&form).map(|found| (found.bytes(), found.cut));
        assert_eq!(found, Ok((data.to_vec(), None)), "{form}");
    }
}
