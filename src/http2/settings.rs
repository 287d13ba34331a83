//! The SETTINGS of both sides (RFC 9113 §6.5; RFC 8441 §3).

use alloc::vec::Vec;

use super::error::Http2Error;
use super::frame::{FIRST_WINDOW, MAX_FRAME, MAX_WINDOW};
use super::limits::Limits;
use crate::role::Role;

const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;
const MAX_HEADER_LIST_SIZE: u16 = 6;
const ENABLE_CONNECT_PROTOCOL: u16 = 8;

/// The peer's settings so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct PeerSettings {
    /// The initial window of each stream.
    pub(super) window: i64,
    /// How many streams we may have open.
    pub(super) max_streams: u32,
    /// Whether it accepts extended CONNECT.
    pub(super) connect_protocol: bool,
    /// Whether its table for fields is smaller than 4,096 bytes.
    pub(super) small_table: bool,
}

impl Default for PeerSettings {
    fn default() -> Self {
        Self { window: FIRST_WINDOW, max_streams: u32::MAX, connect_protocol: false, small_table: false }
    }
}

impl PeerSettings {
    /// Applies the payload of a SETTINGS frame sent by `from`, in order, as a setting may appear several times
    /// (§6.5.3).
    pub(super) fn take(&mut self, payload: &[u8], from: Role) -> Result<(), Http2Error> {
        let (settings, rest) = payload.as_chunks::<6>();
        if !rest.is_empty() {
            return Err(Http2Error::FrameLength);
        }
        for &[a, b, c, d, e, f] in settings {
            let value = u32::from_be_bytes([c, d, e, f]);
            match u16::from_be_bytes([a, b]) {
                HEADER_TABLE_SIZE => self.small_table = value < 4096,
                // A server has nothing to allow here, and may only say so.
                ENABLE_PUSH if value > 1 || (value == 1 && from == Role::Server) => {
                    return Err(Http2Error::Setting);
                }
                MAX_CONCURRENT_STREAMS => self.max_streams = value,
                INITIAL_WINDOW_SIZE if i64::from(value) > MAX_WINDOW => {
                    return Err(Http2Error::SettingWindow);
                }
                INITIAL_WINDOW_SIZE => self.window = value.into(),
                MAX_FRAME_SIZE if !(MAX_FRAME as u32..1 << 24).contains(&value) => {
                    return Err(Http2Error::Setting);
                }
                ENABLE_CONNECT_PROTOCOL => match value {
                    0 if self.connect_protocol => return Err(Http2Error::ConnectProtocolWithdrawn),
                    0 => {}
                    1 => self.connect_protocol = true,
                    _ => return Err(Http2Error::Setting),
                },
                _ => {}
            }
        }
        Ok(())
    }
}

/// Returns our settings, as the payload of a SETTINGS frame.
pub(super) fn ours(role: Role, limits: &Limits) -> Vec<u8> {
    let mut payload = Vec::with_capacity(4 * 6);
    let mut put = |setting: u16, value: u32| {
        payload.extend(setting.to_be_bytes());
        payload.extend(value.to_be_bytes());
    };
    match role {
        Role::Client => put(ENABLE_PUSH, 0),
        Role::Server => {
            put(MAX_CONCURRENT_STREAMS, limits.max_streams);
            put(ENABLE_CONNECT_PROTOCOL, 1);
        }
    }
    put(INITIAL_WINDOW_SIZE, limits.window);
    put(MAX_HEADER_LIST_SIZE, limits.max_field_section);
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        use Http2Error::*;
        for (settings, from, expected) in [
            (&[(1u16, 0u32)][..], Role::Client, Ok(())),
            (&[(2, 1)], Role::Client, Ok(())),
            (&[(2, 0)], Role::Server, Ok(())),
            (&[(2, 1)], Role::Server, Err(Setting)),
            (&[(2, 2)], Role::Client, Err(Setting)),
            (&[(4, 0x7fff_ffff)], Role::Client, Ok(())),
            (&[(4, 0x8000_0000)], Role::Client, Err(SettingWindow)),
            (&[(5, 16_383)], Role::Client, Err(Setting)),
            (&[(5, 16_384), (5, 0xff_ffff)], Role::Client, Ok(())),
            (&[(5, 0x100_0000)], Role::Client, Err(Setting)),
            (&[(8, 0), (8, 1), (8, 1)], Role::Server, Ok(())),
            (&[(8, 2)], Role::Server, Err(Setting)),
            (&[(8, 1), (8, 0)], Role::Server, Err(ConnectProtocolWithdrawn)),
            (&[(0xffff, 7)], Role::Server, Ok(())),
        ] {
            let payload: Vec<u8> = settings
                .iter()
                .flat_map(|(setting, value)| {
                    setting.to_be_bytes().into_iter().chain(value.to_be_bytes()).collect::<Vec<_>>()
                })
                .collect();
            assert_eq!(PeerSettings::default().take(&payload, from), expected, "{settings:?}");
        }
        assert_eq!(PeerSettings::default().take(&[0; 5], Role::Client), Err(FrameLength));
    }

    #[test]
    fn ours_are_legal() {
        for role in [Role::Client, Role::Server] {
            let mut settings = PeerSettings::default();
            settings.take(&ours(role, &Limits::default()), role).unwrap();
            assert_eq!(settings.connect_protocol, role == Role::Server);
            assert_eq!(settings.window, 128 * 1024);
        }
    }
}
