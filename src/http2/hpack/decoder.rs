//! Decodes blocks to fields.

use alloc::vec::Vec;

use super::HpackError;
use super::huffman;
use super::table::{Dynamic, STATIC};

/// The maximum size of the dynamic table: what RFC 9113 §6.5.2 gives every peer before it has our SETTINGS.
const MAX_TABLE: usize = 4096;

/// Decodes blocks in the order in which the peer wrote them.
#[derive(Debug)]
pub(in crate::http2) struct Decoder {
    table: Dynamic,
    /// The size that the peer has chosen, at most [`MAX_TABLE`].
    max: usize,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Decoder {
    pub(in crate::http2) fn new() -> Self {
        Self { table: Dynamic::default(), max: MAX_TABLE, name: Vec::new(), value: Vec::new() }
    }

    /// Returns how many bytes of memory are held, beyond its own size.
    pub(in crate::http2) const fn memory(&self) -> usize {
        self.table.size() + self.name.capacity() + self.value.capacity()
    }

    /// Decodes a block, and passes each of its fields to `each`.
    pub(in crate::http2) fn decode(
        &mut self,
        block: &[u8],
        mut each: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), HpackError> {
        let mut rest = block;
        let mut is_first = true;
        while let Some(&byte) = rest.first() {
            if byte & 0xe0 == 0x20 {
                // §4.2: before the first field, and nowhere else.
                let max = integer(&mut rest, 5)?;
                if !is_first {
                    return Err(HpackError::TableSizeLate);
                }
                if max > MAX_TABLE {
                    return Err(HpackError::TableSize);
                }
                self.max = max;
                self.table.shrink(max);
                continue;
            }
            is_first = false;
            if byte & 0x80 != 0 {
                let index = integer(&mut rest, 7)?;
                let (name, value) = entry(&self.table, index)?;
                each(name, value);
                continue;
            }
            let keeps = byte & 0x40 != 0;
            let index = integer(&mut rest, if keeps { 6 } else { 4 })?;
            self.name.clear();
            if index == 0 {
                string(&mut rest, &mut self.name)?;
            } else {
                self.name.extend_from_slice(entry(&self.table, index)?.0);
            }
            self.value.clear();
            string(&mut rest, &mut self.value)?;
            if keeps {
                self.table.insert(&self.name, &self.value, self.max);
            }
            each(&self.name, &self.value);
        }
        // One long field is no reason to hold its length for ever.
        for buffer in [&mut self.name, &mut self.value] {
            if buffer.capacity() > 256 {
                *buffer = Vec::new();
            }
        }
        Ok(())
    }
}

fn entry(table: &Dynamic, index: usize) -> Result<(&[u8], &[u8]), HpackError> {
    let index = index.checked_sub(1).ok_or(HpackError::Index)?;
    match STATIC.get(index) {
        Some((name, value)) => Ok((name.as_bytes(), value.as_bytes())),
        None => table.get(index - STATIC.len()).ok_or(HpackError::Index),
    }
}

/// Decodes an integer (§5.1) with a prefix of this many bits.
fn integer(rest: &mut &[u8], prefix: u32) -> Result<usize, HpackError> {
    let (&first, mut bytes) = rest.split_first().ok_or(HpackError::Truncated)?;
    let mask = (1u8 << prefix) - 1;
    let mut value = u64::from(first & mask);
    if first & mask == mask {
        let mut shift = 0;
        loop {
            let (&byte, more) = bytes.split_first().ok_or(HpackError::Truncated)?;
            bytes = more;
            value += u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
            // Five of these bytes are more than 32 bits; further ones could only be zeros, which nobody needs.
            if shift > 28 {
                return Err(HpackError::Integer);
            }
        }
    }
    *rest = bytes;
    u32::try_from(value).map(|value| value as usize).map_err(|_| HpackError::Integer)
}

/// Decodes a string (§5.2).
fn string(rest: &mut &[u8], out: &mut Vec<u8>) -> Result<(), HpackError> {
    let is_coded = rest.first().ok_or(HpackError::Truncated)? & 0x80 != 0;
    let len = integer(rest, 7)?;
    let (bytes, more) = rest.split_at_checked(len).ok_or(HpackError::Truncated)?;
    *rest = more;
    if is_coded {
        return huffman::decode(bytes, out);
    }
    out.extend_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn decoded(decoder: &mut Decoder, hex: &str) -> Result<String, HpackError> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let block: Vec<u8> = digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        let mut text = String::new();
        decoder.decode(&block, |name, value| {
            text += &alloc::format!("{}: {}\n", name.escape_ascii(), value.escape_ascii());
        })?;
        Ok(text)
    }

    /// RFC 7541 C.3 and C.4: requests without Huffman code and with it, each on one connection.
    #[test]
    fn requests_of_appendix_c() {
        let first = ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n";
        let second =
            ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\ncache-control: no-cache\n";
        let third = ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\n\
                     custom-key: custom-value\n";
        for blocks in [
            [
                "828684410f7777772e6578616d706c652e636f6d",
                "828684be58086e6f2d6361636865",
                "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
            ],
            [
                "828684418cf1e3c2e5f23a6ba0ab90f4ff",
                "828684be5886a8eb10649cbf",
                "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
            ],
        ] {
            let mut decoder = Decoder::new();
            for (block, expected) in blocks.iter().zip([first, second, third]) {
                assert_eq!(decoded(&mut decoder, block).unwrap(), expected);
            }
            assert_eq!(decoder.table.size(), 164);
        }
    }

    /// RFC 7541 C.6: a table of 256 bytes, whose oldest entries are evicted.
    #[test]
    fn responses_of_appendix_c() {
        let mut decoder = Decoder::new();
        decoded(&mut decoder, "3fe101").unwrap(); // 256
        let first = decoded(
            &mut decoder,
            "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
        )
        .unwrap();
        assert_eq!(
            first,
            ":status: 302\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\n\
             location: https://www.example.com\n"
        );
        assert_eq!(decoder.table.size(), 222);
        let second = decoded(&mut decoder, "4883640effc1c0bf").unwrap();
        assert!(second.starts_with(":status: 307\ncache-control: private\n"), "{second}");
        assert_eq!(decoder.table.size(), 222);
        let third = decoded(
            &mut decoder,
            "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
        )
        .unwrap();
        assert!(third.contains("content-encoding: gzip\n"), "{third}");
        assert_eq!(decoder.table.size(), 215);
    }

    #[test]
    fn what_breaks_a_rule() {
        use HpackError::*;
        for (block, error) in [
            ("80", Index),             // 0
            ("be", Index),             // the first of an empty table
            ("ff80808010", Index),     // far beyond
            ("ffffffffff7f", Integer), // more than 32 bits
            ("ff8080808080", Integer), // zeros without end
            ("ff", Truncated),
            ("40", Truncated),
            ("4001", Truncated),
            ("400161", Truncated),
            ("40ffffffff0f", Truncated), // 4 GiB are declared, and nothing is reserved for them
            ("408100", Huffman),
            ("3fe21f", TableSize), // 4097
            ("8220", TableSizeLate),
        ] {
            assert_eq!(decoded(&mut Decoder::new(), block), Err(error), "{block}");
        }
        // The size may change several times before the first field: down, and up again.
        assert!(decoded(&mut Decoder::new(), "203fe11f82").is_ok());
    }

    /// CVE-2016-6581: short references to a long entry. The decoder lends it and copies nothing.
    #[test]
    fn cve_2016_6581_a_bomb_of_references_is_not_copied() {
        let mut block = alloc::vec![0x40, 0x01, b'a', 0x7f, 0xa1, 0x1e];
        block.extend([b'x'; 4000]);
        block.extend([0xbe; 10_000]);
        let (mut decoder, mut fields) = (Decoder::new(), 0);
        decoder.decode(&block, |_, value| fields += usize::from(value.len() == 4000)).unwrap();
        assert_eq!(fields, 10_001);
        assert!(decoder.memory() <= MAX_TABLE, "{}", decoder.memory());
    }
}
