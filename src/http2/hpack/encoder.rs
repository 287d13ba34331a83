//! Encodes fields to blocks.

use alloc::vec::Vec;

use super::table::STATIC;

/// Encodes blocks for which the peer's table has to keep nothing.
#[derive(Debug, Default)]
pub(in crate::http2) struct Encoder {
    /// The peer's table is smaller than the one we might have used: it has to be told that we use none (RFC 7541 §4.2).
    has_to_shrink: bool,
}

impl Encoder {
    /// Records that the peer has made its table smaller than 4,096 bytes.
    pub(in crate::http2) const fn shrink(&mut self) {
        self.has_to_shrink = true;
    }

    /// Begins a block.
    pub(in crate::http2) fn begin(&mut self, block: &mut Vec<u8>) {
        if core::mem::take(&mut self.has_to_shrink) {
            block.push(0x20);
        }
    }

    /// Appends a field. A `secret` one is marked never to be stored on its way (§6.2.3).
    pub(in crate::http2) fn field(&self, block: &mut Vec<u8>, name: &[u8], value: &[u8], secret: bool) {
        let is_named = |entry: &(&str, &str)| entry.0.as_bytes() == name;
        let whole = |entry: &(&str, &str)| is_named(entry) && entry.1.as_bytes() == value;
        if let Some(at) = STATIC.iter().position(whole).filter(|_| !value.is_empty()) {
            return integer(block, 0x80, 7, at + 1);
        }
        let name_at = STATIC.iter().position(is_named).map_or(0, |at| at + 1);
        integer(block, if secret { 0x10 } else { 0 }, 4, name_at);
        if name_at == 0 {
            string(block, name);
        }
        string(block, value);
    }
}

/// Encodes an integer (§5.1).
fn integer(block: &mut Vec<u8>, start: u8, prefix: u32, value: usize) {
    let mask = (1usize << prefix) - 1;
    if value < mask {
        return block.push(start | value as u8);
    }
    block.push(start | mask as u8);
    let mut rest = value - mask;
    while rest >= 0x80 {
        block.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    block.push(rest as u8);
}

fn string(block: &mut Vec<u8>, text: &[u8]) {
    integer(block, 0, 7, text.len());
    block.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::super::Decoder;
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let long = [b'v'; 5000];
        let fields: &[(&[u8], &[u8])] = &[
            (b":status", b"200"),
            (b":status", b"403"),
            (b":authority", b""),
            (b"authorization", b"Bearer x"),
            (b"x-new", b""),
            (b"x-long", &long),
        ];
        let (mut encoder, mut block) = (Encoder::default(), Vec::new());
        encoder.shrink();
        encoder.begin(&mut block);
        for (name, value) in fields {
            encoder.field(&mut block, name, value, *name == b"authorization");
        }
        assert_eq!(block[..2], [0x20, 0x88], "the table is given up, then :status 200");
        assert!(block.windows(2).any(|bytes| bytes == [0x1f, 0x08]), "a secret is never to be kept");
        let mut read = Vec::new();
        let mut decoder = Decoder::new();
        decoder.decode(&block, |name, value| read.push((name.to_vec(), value.to_vec()))).unwrap();
        let written: Vec<_> = fields.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        assert_eq!(read, written);
        assert_eq!(decoder.memory() / 1024, 0, "nothing is kept");
    }
}
