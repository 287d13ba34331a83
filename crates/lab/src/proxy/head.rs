//! A head as it came: its first line and its fields, without judgement.

/// The longest head that is kept.
pub(super) const MOST: usize = 256 * 1024;

/// A request or an answer up to its blank line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RawHead {
    /// All bytes, including empty lines in front.
    pub(super) bytes: Vec<u8>,
    /// The request line or status line.
    pub(super) first: Vec<u8>,
    /// The name and the value of each line, with the value trimmed.
    pub(super) fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl RawHead {
    /// Takes a whole head from the front of these bytes, if there is one.
    pub(super) fn take(bytes: &mut Vec<u8>) -> Option<Self> {
        let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
        let length = bytes[start..].windows(4).position(|four| four == b"\r\n\r\n")?;
        let rest = bytes.split_off(start + length + 4);
        Some(Self::parse(std::mem::replace(bytes, rest)))
    }

    /// Parses a head; a line that is not a field gets an empty name.
    pub(super) fn parse(bytes: Vec<u8>) -> Self {
        let text = bytes.trim_ascii();
        let mut lines =
            text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let first = lines.next().unwrap_or_default().to_vec();
        let field = |line: &[u8]| match line.iter().position(|byte| *byte == b':') {
            Some(colon) => (line[..colon].to_vec(), line[colon + 1..].trim_ascii().to_vec()),
            None => (Vec::new(), line.to_vec()),
        };
        let fields = lines.map(field).collect();
        Self { first, fields, bytes }
    }

    /// Returns the status of an answer.
    pub(super) fn status(&self) -> Option<u16> {
        let rest = self.first.strip_prefix(b"HTTP/1.").or_else(|| self.first.strip_prefix(b"HTTP/2."))?;
        str::from_utf8(rest.get(2..5)?).ok()?.parse().ok()
    }

    /// Returns the words of the first line.
    pub(super) fn words(&self) -> Vec<&[u8]> {
        self.first.splitn(3, |byte| *byte == b' ').collect()
    }

    /// Returns the values of a field, one for each line.
    pub(super) fn values(&self, name: &str) -> Vec<&[u8]> {
        let is_it = |field: &&(Vec<u8>, Vec<u8>)| field.0.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(is_it).map(|(_, value)| &value[..]).collect()
    }

    /// Returns the value of a field that has exactly one line.
    pub(super) fn only(&self, name: &str) -> Option<String> {
        match self.values(name)[..] {
            [value] => Some(String::from_utf8_lossy(value).into_owned()),
            _ => None,
        }
    }

    /// Returns the members of a list field; a comma inside quotes does not separate members.
    pub(super) fn members(&self, name: &str) -> Vec<Vec<u8>> {
        let mut members = Vec::new();
        for value in self.values(name) {
            let (mut start, mut quoted) = (0, false);
            for (at, byte) in value.iter().enumerate() {
                match byte {
                    b'"' => quoted = !quoted,
                    b',' if !quoted => {
                        members.push(value[start..at].trim_ascii().to_vec());
                        start = at + 1;
                    }
                    _ => {}
                }
            }
            members.push(value[start..].trim_ascii().to_vec());
        }
        members.retain(|member| !member.is_empty());
        members
    }

    /// Returns whether one of the members is this, ignoring case.
    pub(super) fn has_member(&self, name: &str, member: &str) -> bool {
        self.members(name).iter().any(|one| one.eq_ignore_ascii_case(member.as_bytes()))
    }

    /// Returns whether `Upgrade` and `Connection` are those of an upgrade to WebSocket.
    pub(super) fn upgrades(&self) -> bool {
        self.has_member("upgrade", "websocket") && self.has_member("connection", "upgrade")
    }
}

/// Rewrites a request for an upgrade as HTTP/2 has it (RFC 8441 §5), still in the form of HTTP/1.1: without the fields
/// for an HTTP/1.1 connection. The bytes after the head are kept.
pub(super) fn extended_connect(request: &[u8]) -> Vec<u8> {
    const LEFT_OUT: [&[u8]; 3] = [b"upgrade:", b"connection:", b"sec-websocket-key:"];
    let end = request.windows(4).position(|four| four == b"\r\n\r\n").map_or(request.len(), |at| at + 2);
    let (head, rest) = request.split_at(end);
    let mut lines = head.split_inclusive(|byte| *byte == b'\n');
    let mut words = lines.next().unwrap_or_default().split(|byte| *byte == b' ');
    let target = words.nth(1).unwrap_or_default();
    let mut out = [b"CONNECT ", target, b" HTTP/2.0\r\n"].concat();
    let is_left_out = |line: &&[u8]| {
        LEFT_OUT
            .iter()
            .any(|name| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))
    };
    lines.filter(|line| !is_left_out(line)).for_each(|line| out.extend_from_slice(line));
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_taken_whole() {
        let mut bytes = b"\r\nGET / HTTP/1.1\r\nHost: a\r\nX: 1, \"2,3\" \r\nx:4\r\nodd\r\n\r\nrest".to_vec();
        for cut in 0..bytes.len() - 4 {
            assert_eq!(RawHead::take(&mut bytes[..cut].to_vec()), None, "{cut}");
        }
        let head = RawHead::take(&mut bytes).unwrap();
        assert_eq!(bytes, b"rest");
        assert_eq!(head.words(), [&b"GET"[..], b"/", b"HTTP/1.1"]);
        assert_eq!(head.values("X"), [&b"1, \"2,3\""[..], b"4"]);
        assert_eq!(head.members("x"), [&b"1"[..], b"\"2,3\"", b"4"]);
        assert_eq!(head.values(""), [b"odd"]);
        assert!(head.bytes.starts_with(b"\r\nGET") && head.bytes.ends_with(b"odd\r\n\r\n"));
    }

    #[test]
    fn a_request_for_an_upgrade_becomes_an_extended_connect() {
        let request =
            b"GET /a?b HTTP/1.1\r\nHost: a\r\nUPGRADE: x\r\nConnection: y\r\nX-Upgrade: z\r\n\r\nrest";
        let expected = b"CONNECT /a?b HTTP/2.0\r\nHost: a\r\nX-Upgrade: z\r\n\r\nrest";
        assert_eq!(extended_connect(request), expected);
    }

    #[test]
    fn an_answer_has_a_status() {
        for (first, status) in [
            ("HTTP/1.1 101 Go", Some(101)),
            ("HTTP/2.0 200 ", Some(200)),
            ("HTTP/1.0 200", Some(200)),
            ("ICY 200", None),
        ] {
            assert_eq!(RawHead::parse(format!("{first}\r\n\r\n").into_bytes()).status(), status);
        }
    }
}
