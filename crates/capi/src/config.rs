//! Settings, which any number of connections can share.

#![allow(unsafe_code, reason = "exports symbols")]

use std::ffi::c_char;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bowsprit::connection::{Config, Delivery};
use bowsprit::extension::deflate::{DeflateConfig, ReceiveContext, SendContext, WindowBits};
use bowsprit::handshake::{HeadLimits, MAX_REFUSAL_BODY, OriginPolicy};

pub use crate::clock::BOW_NEVER;
use crate::error::bow_error;
use crate::error::bow_error::*;
use crate::guard;
use crate::pointers::{Versioned, hand_over, init_versioned, read_versioned, take_back, text};

/// How data frames are delivered: `delivery` of `bow_options`.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum bow_delivery {
    /// As whole messages: `BOW_EVENT_MESSAGE`.
    BOW_DELIVER_MESSAGES = 0,
    /// As they arrive, in any pieces: `BOW_EVENT_CHUNK`. Nothing is held.
    BOW_DELIVER_CHUNKS = 1,
    /// Both: the pieces as they arrive, and each message when it is complete.
    BOW_DELIVER_BOTH = 2,
}

/// Which pages may connect to a server: `origins` of `bow_options`. A browser lets any page connect to any server, with
/// the server's cookies. Clients that send no `Origin` are not browsers, and may always connect.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum bow_origins {
    /// Pages that this server itself served, under an address, `localhost` or a name of `bow_config_allow_host`, and
    /// those of `bow_config_allow_origin`.
    BOW_ORIGINS_SAME = 0,
    /// As `BOW_ORIGINS_SAME`, for a server that only this machine reaches: under `localhost` and loopback addresses
    /// alone.
    BOW_ORIGINS_LOOPBACK = 1,
    /// All pages. For servers that trust neither cookies nor the network that a request comes from, or that check
    /// `origin` of `bow_request_view` themselves.
    BOW_ORIGINS_ANY = 2,
}

/// What is kept between two messages of one direction: `deflate_send_context` and `deflate_receive_context`.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum bow_context {
    /// Nothing: each message is compressed by itself.
    BOW_CONTEXT_FRESH = 0,
    /// As many of the last bytes as fit in the window.
    BOW_CONTEXT_WINDOW = 1,
    /// A compressor for each connection, which takes about 400,000 bytes; for sending only.
    BOW_CONTEXT_COMPRESSOR = 2,
}

/// What a connection accepts, how long it waits, and how much it holds. `bow_options_init` fills in the defaults. 0
/// means zero and not "no limit". Times are in milliseconds; `BOW_NEVER` means never.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bow_options {
    /// `sizeof` of this struct.
    pub size: usize,
    /// The longest message to accept, in bytes; for a compressed message, after inflating. 16 MiB.
    pub max_message: u64,
    /// The longest frame to accept, in bytes of payload; longer ones are refused at the header. 16 MiB.
    pub max_frame: u64,
    /// How many bytes may wait for a peer that does not read; beyond that, messages are refused
    /// (`BOW_ERROR_QUEUE_FULL`). 4 MiB.
    pub max_queued: u64,
    /// Messages longer than this are sent in fragments of this many bytes; 0 means never. 0.
    pub fragment_size: u64,
    /// The longest head of a request or response, in bytes. 16 KiB.
    pub max_head: u64,
    /// How much of the body of a response other than 101 is kept, in bytes. 64 KiB.
    pub max_refusal_body: u64,
    /// How long the peer may take for its part of the handshake. 10 s.
    pub handshake_timeout: u64,
    /// How long the peer may take to answer a Close frame, and then to end the transport. 5 s.
    pub close_timeout: u64,
    /// Ends a connection if nothing has come for this long while a message was incomplete. 30 s.
    pub message_timeout: u64,
    /// Ends a connection if nothing has come for this long. Never.
    pub idle_timeout: u64,
    /// Sends a Ping if nothing has come for this long. Never.
    pub ping_interval: u64,
    /// How long after such a Ping something must have come. 20 s.
    pub pong_timeout: u64,
    /// The most fields in a head. 100.
    pub max_headers: u32,
    /// The most fragments in a message. 1,048,576.
    pub max_fragments: u32,
    /// The most fragments without payload in a message. 1,024.
    pub max_empty_fragments: u32,
    /// A `bow_delivery`. Messages.
    pub delivery: u32,
    /// Whether Pings are answered automatically: 1 or 0. 1.
    pub answer_pings: u32,
    /// A `bow_origins`, for servers. Same.
    pub origins: u32,
    /// Whether permessage-deflate (RFC 7692) is offered and accepted: 1 or 0. 0.
    pub deflate: u32,
    /// How hard to search for repetitions: 0 to 9. 4.
    pub deflate_level: u32,
    /// How much memory the compressor uses: 1 to 9. 8.
    pub deflate_memory_level: u32,
    /// The largest window for what we send, in bits: 8 to 15. 15.
    pub deflate_send_window: u32,
    /// The largest window for what the peer sends, in bits: 8 to 15, or 0 for what peers in use accept. 0.
    pub deflate_receive_window: u32,
    /// A `bow_context`, for what we send. Fresh.
    pub deflate_send_context: u32,
    /// A `bow_context`, for what the peer sends. Window.
    pub deflate_receive_context: u32,
    /// Messages shorter than this, in bytes, are sent uncompressed. 1,024.
    pub deflate_threshold: u32,
}

// SAFETY: only numbers, the size first; 13 of 8 bytes and 14 of 4 leave no padding.
unsafe impl Versioned for bow_options {
    const FIRST: usize = size_of::<Self>();
}

/// Settings. Connections share the settings they are made with, so a `bow_config` may be freed before them. Once it is
/// complete, any number of threads may use it at the same time.
pub struct bow_config {
    pub(crate) settings: Arc<Settings>,
}

/// The settings of the library and of the handshake.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) core: Arc<Config>,
    pub(crate) head: HeadLimits,
    pub(crate) max_refusal_body: usize,
    pub(crate) handshake_timeout: Option<Duration>,
    pub(crate) origins: OriginPolicy,
}

/// Fills in the defaults. `size` is `sizeof(bow_options)`.
///
/// Errors: `BOW_ERROR_NULL`, `BOW_ERROR_SIZE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_options_init(options: *mut bow_options, size: usize) -> bow_error {
    // SAFETY: NULL, or `size` bytes are there.
    guard::catch(|| unsafe { init_versioned(options, size, &bow_options::default()) })
}

/// Makes settings, with the defaults if `options` is NULL. Free them with `bow_config_free`.
///
/// Errors: `BOW_ERROR_NULL`, `BOW_ERROR_SIZE`; `BOW_ERROR_ARGUMENT` for an unknown enumerator, a window that is not
/// from 8 to 15, or a level beyond 9.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_config_new(
    options: *const bow_options,
    config: *mut *mut bow_config,
) -> bow_error {
    guard::catch(|| {
        // SAFETY: both pointers are NULL or valid.
        unsafe {
            hand_over(config, || {
                let default = bow_options::default();
                let options = if options.is_null() { default } else { read_versioned(options, default)? };
                Ok(bow_config { settings: Arc::new(options.settings()?) })
            })
        }
    })
}

/// Frees settings; does nothing for NULL. Connections made with them keep what they need.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_config_free(config: *mut bow_config) {
    // SAFETY: NULL, or made by `bow_config_new` and not freed yet.
    unsafe { take_back(config) }
}

/// Allows pages of one more origin: `https://example.com`; `*.` in front of the host stands for all names below it, `*`
/// as the port for any port, and `null` for pages without an origin. This applies to connections made afterwards; no
/// other thread may use the settings during the call.
///
/// Errors: `BOW_ERROR_NULL`, `BOW_ERROR_ORIGIN`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_config_allow_origin(
    config: *mut bow_config,
    origin: *const c_char,
) -> bow_error {
    // SAFETY: both pointers are NULL or valid.
    unsafe {
        allow(config, origin, |policy, origin| policy.allow_origin(origin).map_err(|_| BOW_ERROR_ORIGIN))
    }
}

/// Adds a name, such as `chat.example.com`, to the names of this server. This applies to connections made afterwards;
/// no other thread may use the settings during the call.
///
/// Errors: `BOW_ERROR_NULL`, `BOW_ERROR_HOST`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_config_allow_host(config: *mut bow_config, host: *const c_char) -> bow_error {
    // SAFETY: both pointers are NULL or valid.
    unsafe { allow(config, host, |policy, host| policy.allow_host(host).map_err(|_| BOW_ERROR_HOST)) }
}

/// # Safety
///
/// Both pointers are NULL or valid.
unsafe fn allow(
    config: *mut bow_config,
    what: *const c_char,
    add: impl FnOnce(OriginPolicy, &str) -> Result<OriginPolicy, bow_error>,
) -> bow_error {
    guard::catch(|| {
        // SAFETY: the caller's promise.
        let (config, what) = unsafe { (config.as_mut().ok_or(BOW_ERROR_NULL)?, text(what)?) };
        let what = what.ok_or(BOW_ERROR_NULL)?;
        let origins = add(config.settings.origins.clone(), what)?;
        Arc::make_mut(&mut config.settings).origins = origins;
        Ok(())
    })
}

impl Default for bow_options {
    /// Returns the library's defaults; the handshake timeout is that of its event loop.
    fn default() -> Self {
        let (core, head, deflate) = (Config::default(), HeadLimits::default(), DeflateConfig::default());
        let never = |time: Option<Duration>| time.map_or(BOW_NEVER, millis);
        Self {
            size: size_of::<Self>(),
            max_message: core.max_message as u64,
            max_frame: core.max_frame,
            max_queued: core.max_queued as u64,
            fragment_size: core.fragment_size.map_or(0, |size| size.get() as u64),
            max_head: head.max_bytes as u64,
            max_refusal_body: MAX_REFUSAL_BODY as u64,
            handshake_timeout: 10_000,
            close_timeout: millis(core.close_timeout),
            message_timeout: never(core.message_timeout),
            idle_timeout: never(core.idle_timeout),
            ping_interval: never(core.ping_interval),
            pong_timeout: millis(core.pong_timeout),
            max_headers: head.max_headers as u32,
            max_fragments: core.max_fragments,
            max_empty_fragments: core.max_empty_fragments,
            delivery: bow_delivery::BOW_DELIVER_MESSAGES as u32,
            answer_pings: core.answer_pings.into(),
            origins: bow_origins::BOW_ORIGINS_SAME as u32,
            deflate: 0,
            deflate_level: deflate.level.into(),
            deflate_memory_level: deflate.memory_level.into(),
            deflate_send_window: deflate.send_window.bits().into(),
            deflate_receive_window: deflate.receive_window.map_or(0, |window| window.bits().into()),
            deflate_send_context: bow_context::BOW_CONTEXT_FRESH as u32,
            deflate_receive_context: bow_context::BOW_CONTEXT_WINDOW as u32,
            deflate_threshold: deflate.threshold as u32,
        }
    }
}

impl bow_options {
    fn settings(&self) -> Result<Settings, bow_error> {
        let mut core = Config::default();
        core.max_message = size(self.max_message);
        core.max_frame = self.max_frame;
        core.max_queued = size(self.max_queued);
        core.fragment_size = NonZeroUsize::new(size(self.fragment_size));
        core.close_timeout = Duration::from_millis(self.close_timeout);
        core.message_timeout = time(self.message_timeout);
        core.idle_timeout = time(self.idle_timeout);
        core.ping_interval = time(self.ping_interval);
        core.pong_timeout = Duration::from_millis(self.pong_timeout);
        core.max_fragments = self.max_fragments;
        core.max_empty_fragments = self.max_empty_fragments;
        core.delivery = match self.delivery {
            0 => Delivery::Messages,
            1 => Delivery::Frames,
            2 => Delivery::Both,
            _ => return Err(BOW_ERROR_ARGUMENT),
        };
        core.answer_pings = flag(self.answer_pings)?;
        let deflate = self.deflate()?;
        core.deflate = flag(self.deflate)?.then_some(deflate);
        Ok(Settings {
            core: Arc::new(core),
            head: HeadLimits::new(size(self.max_head), size(self.max_headers.into())),
            max_refusal_body: size(self.max_refusal_body),
            handshake_timeout: time(self.handshake_timeout),
            origins: match self.origins {
                0 => OriginPolicy::same_origin(),
                1 => OriginPolicy::loopback(),
                2 => OriginPolicy::any(),
                _ => return Err(BOW_ERROR_ARGUMENT),
            },
        })
    }

    fn deflate(&self) -> Result<DeflateConfig, bow_error> {
        let level = |level: u32, least: u8| match u8::try_from(level) {
            Ok(level) if (least..=9).contains(&level) => Ok(level),
            _ => Err(BOW_ERROR_ARGUMENT),
        };
        let window = |bits: u32| u8::try_from(bits).ok().and_then(WindowBits::new).ok_or(BOW_ERROR_ARGUMENT);
        let mut deflate = DeflateConfig::default();
        deflate.level = level(self.deflate_level, 0)?;
        deflate.memory_level = level(self.deflate_memory_level, 1)?;
        deflate.threshold = size(self.deflate_threshold.into());
        deflate.send_window = window(self.deflate_send_window)?;
        deflate.receive_window = match self.deflate_receive_window {
            0 => None,
            bits => Some(window(bits)?),
        };
        deflate.send_context = match self.deflate_send_context {
            0 => SendContext::Fresh,
            1 => SendContext::Window,
            2 => SendContext::Compressor,
            _ => return Err(BOW_ERROR_ARGUMENT),
        };
        deflate.receive_context = match self.deflate_receive_context {
            0 => ReceiveContext::Fresh,
            1 => ReceiveContext::Window,
            _ => return Err(BOW_ERROR_ARGUMENT),
        };
        Ok(deflate)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(BOW_NEVER)
}

fn time(millis: u64) -> Option<Duration> {
    (millis != BOW_NEVER).then(|| Duration::from_millis(millis))
}

/// A limit that does not fit is no limit.
fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

const fn flag(number: u32) -> Result<bool, bow_error> {
    match number {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(BOW_ERROR_ARGUMENT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_library() {
        let settings = bow_options::default().settings().unwrap();
        assert_eq!(format!("{:?}", settings.core), format!("{:?}", Config::default()));
        assert_eq!(settings.head, HeadLimits::default());
        assert_eq!(bow_options::default().deflate(), Ok(DeflateConfig::default()));
    }

    #[test]
    fn a_config_may_be_shared() {
        fn shared<T: Send + Sync>() {}
        shared::<bow_config>();
    }

    #[test]
    fn what_is_no_choice_is_refused() {
        type Change = fn(&mut bow_options);
        let changes: [Change; 13] = [
            |options| options.delivery = 3,
            |options| options.answer_pings = 2,
            |options| options.origins = 3,
            |options| options.deflate = u32::MAX,
            |options| options.deflate_level = 10,
            |options| options.deflate_memory_level = 0,
            |options| options.deflate_memory_level = 10,
            |options| options.deflate_send_window = 7,
            |options| options.deflate_send_window = 256 + 15,
            |options| options.deflate_receive_window = 16,
            |options| options.deflate_send_context = 3,
            |options| options.deflate_receive_context = 2,
            |options| options.deflate_receive_context = 3,
        ];
        for change in changes {
            let mut options = bow_options::default();
            change(&mut options);
            assert_eq!(options.settings().err(), Some(BOW_ERROR_ARGUMENT), "{options:?}");
        }
    }
}
