//! The static and the dynamic table (RFC 7541 §2.3, Appendix A).

use alloc::boxed::Box;
use alloc::collections::VecDeque;

/// Appendix A; its first entry has index 1.
pub(super) const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// What each field counts beyond its bytes (RFC 7541 §4.1, RFC 9113 §6.5.2).
pub(super) const OVERHEAD: usize = 32;

/// What the peer has stored, the newest first.
#[derive(Debug, Default)]
pub(super) struct Dynamic {
    entries: VecDeque<Entry>,
    size: usize,
}

type Entry = (Box<[u8]>, Box<[u8]>);

impl Dynamic {
    /// Returns the entry with this index, 0 for the newest.
    pub(super) fn get(&self, index: usize) -> Option<(&[u8], &[u8])> {
        self.entries.get(index).map(|(name, value)| (&**name, &**value))
    }

    /// Stores a field, evicting the oldest ones as far as it needs their room (§4.4).
    pub(super) fn insert(&mut self, name: &[u8], value: &[u8], max: usize) {
        let size = name.len() + value.len() + OVERHEAD;
        self.shrink(max.saturating_sub(size));
        if size <= max {
            self.entries.push_front((name.into(), value.into()));
            self.size += size;
        }
    }

    /// Evicts the oldest entries until no more than `max` is left (§4.3).
    pub(super) fn shrink(&mut self, max: usize) {
        while self.size > max
            && let Some((name, value)) = self.entries.pop_back()
        {
            self.size -= name.len() + value.len() + OVERHEAD;
        }
    }

    /// Returns the size as §4.1 counts it, which is about what is held.
    pub(super) const fn size(&self) -> usize {
        self.size
    }
}
