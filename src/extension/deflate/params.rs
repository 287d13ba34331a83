//! The parameters of permessage-deflate (RFC 7692 §7.1).
//!
//! In: an [`Extension`] with valid grammar. Out: typed parameters, or the rule of §7.1 that they break: a name that is
//! unknown or repeated, a value where none is allowed, a missing value, a window out of range. What the parameters of
//! an offer and of an answer mean for each other is left to `negotiate`.

use std::fmt;

use crate::error::Section;
use crate::extension::Extension;
use crate::role::Role;

use super::settings::{DeflateConfig, Half, SendContext};
use super::window::WindowBits;

/// The registered name of the extension, which is case-sensitive (RFC 6455 §9.1).
pub const NAME: &str = "permessage-deflate";

/// What the two sides have agreed on: the parameters of an answer, with the defaults of omitted ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DeflateParams {
    /// Whether the server starts each message with an empty window (§7.1.1.1).
    pub server_no_context_takeover: bool,
    /// Whether the client starts each message with an empty window (§7.1.1.2).
    pub client_no_context_takeover: bool,
    /// The window of what the server sends (§7.1.2.1).
    pub server_max_window_bits: WindowBits,
    /// The window of what the client sends (§7.1.2.2).
    pub client_max_window_bits: WindowBits,
}

impl DeflateParams {
    /// Returns what applies to the messages that `side` sends.
    pub const fn sent_by(&self, side: Role) -> Half {
        match side {
            Role::Client => {
                Half { window: self.client_max_window_bits, takeover: !self.client_no_context_takeover }
            }
            Role::Server => {
                Half { window: self.server_max_window_bits, takeover: !self.server_no_context_takeover }
            }
        }
    }

    /// Returns what we do with the messages that we send: what was agreed, or less if our settings ask for less.
    pub(crate) fn sending(self, side: Role, config: Option<DeflateConfig>) -> Option<Half> {
        let config = config.unwrap_or_default();
        let Half { window, takeover } = self.sent_by(side);
        Some(Half {
            window: window.min(config.send_window),
            takeover: takeover && config.send_context != SendContext::Fresh,
        })
    }

    /// Returns what applies to the messages that we receive.
    pub(crate) fn receiving(self, side: Role) -> Option<Half> {
        Some(self.sent_by(side.peer()))
    }

    /// Returns the corresponding answer. Windows of 15 bits need not be named.
    pub fn to_extension(self) -> Extension {
        let window = |bits: WindowBits| (bits < WindowBits::MAX).then(|| Some(bits.to_string()));
        write([
            (SERVER_NO_CONTEXT, self.server_no_context_takeover.then_some(None)),
            (CLIENT_NO_CONTEXT, self.client_no_context_takeover.then_some(None)),
            (SERVER_WINDOW, window(self.server_max_window_bits)),
            (CLIENT_WINDOW, window(self.client_max_window_bits)),
        ])
    }

    /// Returns the parameters of permessage-deflate among the agreed extensions.
    pub(crate) fn among(answers: &[Extension]) -> Option<Self> {
        answers.iter().find(|answer| answer.name() == NAME).and_then(|answer| Self::from_answer(answer).ok())
    }

    /// Parses the parameters of an answer, and checks its own rules (§7.1).
    ///
    /// # Errors
    ///
    /// [`DeflateParamError`].
    pub fn from_answer(answer: &Extension) -> Result<Self, DeflateParamError> {
        let named = Named::parse(answer)?;
        let client_max_window_bits = match named.client_max_window_bits {
            None => WindowBits::MAX,
            Some(None) => return Err(DeflateParamError::ValueMissing), // §7.1.2.2: an answer has a value
            Some(Some(bits)) => bits,
        };
        Ok(Self {
            server_no_context_takeover: named.server_no_context_takeover,
            client_no_context_takeover: named.client_no_context_takeover,
            server_max_window_bits: named.server_max_window_bits.unwrap_or_default(),
            client_max_window_bits,
        })
    }
}

/// The parameters of an offer or an answer, as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) server_no_context_takeover: bool,
    pub(super) client_no_context_takeover: bool,
    pub(super) server_max_window_bits: Option<WindowBits>,
    pub(super) client_max_window_bits: Option<Option<WindowBits>>,
}

const SERVER_NO_CONTEXT: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT: &str = "client_no_context_takeover";
const SERVER_WINDOW: &str = "server_max_window_bits";
const CLIENT_WINDOW: &str = "client_max_window_bits";

impl Named {
    pub(super) fn parse(extension: &Extension) -> Result<Self, DeflateParamError> {
        let mut named = Self::default();
        for (name, value) in extension.params() {
            match name.as_str() {
                SERVER_NO_CONTEXT => flag(&mut named.server_no_context_takeover, value.as_deref())?,
                CLIENT_NO_CONTEXT => flag(&mut named.client_no_context_takeover, value.as_deref())?,
                SERVER_WINDOW => {
                    // §7.1.2.1: the parameter has a value, in an offer as well.
                    let bits = window(value.as_deref())?.ok_or(DeflateParamError::ValueMissing)?;
                    once(&mut named.server_max_window_bits, bits)?;
                }
                CLIENT_WINDOW => once(&mut named.client_max_window_bits, window(value.as_deref())?)?,
                _ => return Err(DeflateParamError::Unknown), // §7: not defined for use in this place
            }
        }
        Ok(named)
    }

    pub(super) fn to_extension(self) -> Extension {
        write([
            (SERVER_NO_CONTEXT, self.server_no_context_takeover.then_some(None)),
            (CLIENT_NO_CONTEXT, self.client_no_context_takeover.then_some(None)),
            (SERVER_WINDOW, self.server_max_window_bits.map(|bits| Some(bits.to_string()))),
            (CLIENT_WINDOW, self.client_max_window_bits.map(|bits| bits.map(|bits| bits.to_string()))),
        ])
    }
}

fn flag(seen: &mut bool, value: Option<&str>) -> Result<(), DeflateParamError> {
    match (value, std::mem::replace(seen, true)) {
        (Some(_), _) => Err(DeflateParamError::ValueUnexpected), // §7.1.1: has no value
        (None, true) => Err(DeflateParamError::Repeated),
        (None, false) => Ok(()),
    }
}

fn window(value: Option<&str>) -> Result<Option<WindowBits>, DeflateParamError> {
    value.map(|text| WindowBits::parse(text).ok_or(DeflateParamError::WindowOutOfRange)).transpose()
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), DeflateParamError> {
    match slot.replace(value) {
        Some(_) => Err(DeflateParamError::Repeated), // §7: multiple parameters with the same name
        None => Ok(()),
    }
}

fn write(params: [(&str, Option<Option<String>>); 4]) -> Extension {
    params.into_iter().fold(Extension::known(NAME), |extension, (name, value)| match value {
        Some(value) => extension.with_known(name, value),
        None => extension,
    })
}

/// What is wrong with the parameters of permessage-deflate: an offer with it is declined, an answer with it fails the
/// connection (RFC 7692 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeflateParamError {
    /// A parameter that the extension does not define: `permessage-deflate; foo`.
    Unknown,
    /// A parameter twice: `server_max_window_bits=10; server_max_window_bits=12`.
    Repeated,
    /// A value where none belongs: `server_no_context_takeover=1`.
    ValueUnexpected,
    /// No value where one belongs: `server_max_window_bits` anywhere, `client_max_window_bits` in an answer.
    ValueMissing,
    /// A window that is not a number from 8 to 15 without leading zeros: `7`, `16`, `08`, `ten`.
    WindowOutOfRange,
}

impl DeflateParamError {
    /// Returns the section that states the rule.
    pub const fn section(self) -> Section {
        match self {
            Self::Unknown | Self::Repeated => Section::rfc7692("7"),
            Self::ValueUnexpected => Section::rfc7692("7.1.1"),
            Self::ValueMissing | Self::WindowOutOfRange => Section::rfc7692("7.1.2"),
        }
    }

    /// Returns the rule in a few words.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Unknown => "permessage-deflate has no such parameter",
            Self::Repeated => "a parameter of permessage-deflate comes at most once",
            Self::ValueUnexpected => "the no_context_takeover parameters have no value",
            Self::ValueMissing => "the max_window_bits parameter needs a value there",
            Self::WindowOutOfRange => "a window has 8 to 15 bits, written without leading zeros",
        }
    }
}

impl fmt::Display for DeflateParamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.rule(), self.section())
    }
}

impl std::error::Error for DeflateParamError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::params;

    fn parse(text: &str) -> Result<Named, DeflateParamError> {
        let list = params::parse([format!("{NAME}{text}").as_bytes()]).unwrap();
        Named::parse(&list[0])
    }

    #[test]
    fn every_right_way_to_write_them() {
        let bits = |bits| WindowBits::new(bits).unwrap();
        let none = Named::default();
        for (text, named) in [
            ("", none),
            ("; server_no_context_takeover", Named { server_no_context_takeover: true, ..none }),
            ("; client_no_context_takeover", Named { client_no_context_takeover: true, ..none }),
            ("; server_max_window_bits=10", Named { server_max_window_bits: Some(bits(10)), ..none }),
            ("; server_max_window_bits=\"10\"", Named { server_max_window_bits: Some(bits(10)), ..none }),
            ("; client_max_window_bits", Named { client_max_window_bits: Some(None), ..none }),
            ("; client_max_window_bits=8", Named { client_max_window_bits: Some(Some(bits(8))), ..none }),
        ] {
            assert_eq!(parse(text), Ok(named), "{text}");
            assert_eq!(Named::parse(&named.to_extension()), Ok(named));
        }
        for number in 8..=15 {
            assert_eq!(WindowBits::parse(&number.to_string()), WindowBits::new(number));
        }
    }

    #[test]
    fn every_wrong_way() {
        use DeflateParamError::*;
        for (text, error) in [
            ("; foo", Unknown),
            ("; foo=1", Unknown),
            ("; Server_no_context_takeover", Unknown),
            ("; server_no_context_takeover=1", ValueUnexpected),
            ("; server_no_context_takeover=true", ValueUnexpected),
            ("; client_no_context_takeover=0", ValueUnexpected),
            ("; server_no_context_takeover; server_no_context_takeover", Repeated),
            ("; client_no_context_takeover; client_no_context_takeover", Repeated),
            ("; server_max_window_bits=10; server_max_window_bits=10", Repeated),
            ("; server_max_window_bits=10; server_max_window_bits=12", Repeated),
            ("; client_max_window_bits; client_max_window_bits=10", Repeated),
            ("; server_max_window_bits", ValueMissing),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
        for value in
            ["7", "16", "0", "-9", "99999999999", "08", "015", "9.0", "0x0a", "ten", "+9", "300", "1", "５"]
        {
            assert_eq!(WindowBits::parse(value), None, "{value}");
        }
        for value in ["7", "16", "0", "-9", "99999999999", "08", "015", "9.0", "0x0a", "ten", "+9"] {
            for name in [SERVER_WINDOW, CLIENT_WINDOW] {
                assert_eq!(parse(&format!("; {name}={value}")), Err(WindowOutOfRange), "{name}={value}");
            }
        }
    }

    #[test]
    fn an_answer_names_the_window_of_the_client() {
        let answer = Extension::new(NAME).unwrap().with(CLIENT_WINDOW, None).unwrap();
        assert_eq!(DeflateParams::from_answer(&answer), Err(DeflateParamError::ValueMissing));
        let params = DeflateParams {
            server_no_context_takeover: true,
            client_max_window_bits: WindowBits::MIN,
            ..Default::default()
        };
        let answer = params.to_extension();
        assert_eq!(
            answer.to_string(),
            "permessage-deflate; server_no_context_takeover; client_max_window_bits=8"
        );
        assert_eq!(DeflateParams::from_answer(&answer), Ok(params));
        assert_eq!(params.sent_by(Role::Client), Half { window: WindowBits::MIN, takeover: true });
        assert_eq!(params.sent_by(Role::Server), Half { window: WindowBits::MAX, takeover: false });
    }
}
