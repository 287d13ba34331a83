//! The negotiation of permessage-deflate (RFC 7692 §5, §7.1).
//!
//! A server reads the offers in the client's order and accepts the first one that breaks no rule. It declines a bad
//! offer by skipping it, which does not fail the handshake. A client checks the answer against its offer: any mismatch
//! fails the connection.

use std::fmt;

use super::params::{DeflateParamError, DeflateParams, NAME, Named};
use super::settings::{DeflateConfig, ReceiveContext, SendContext};
use super::window::WindowBits;
use crate::error::Section;
use crate::extension::Extension;

impl DeflateConfig {
    /// Returns the server's answer to the first offer of permessage-deflate that breaks no rule, or `None` if there is
    /// none.
    ///
    /// ```
    /// use bowsprit::extension::{deflate::DeflateConfig, params};
    ///
    /// let offers = [&b"permessage-deflate; server_max_window_bits=7"[..], b"permessage-deflate; server_max_window_bits=10"];
    /// let params = DeflateConfig::default().choose(&params::parse(offers).unwrap()).unwrap();
    /// assert_eq!(
    ///     params.to_extension().to_string(),
    ///     "permessage-deflate; server_max_window_bits=10"
    /// );
    /// ```
    pub fn choose(&self, offers: &[Extension]) -> Option<DeflateParams> {
        self.pick(offers).map(|(_, params)| params)
    }

    fn pick(&self, offers: &[Extension]) -> Option<(DeflateOffer, DeflateParams)> {
        let named = offers.iter().filter(|offer| offer.name() == NAME);
        named
            .filter_map(|offer| DeflateOffer::parse(offer).ok())
            .map(|offer| (offer, self.answer(&offer)))
            .next()
    }

    /// Every offer that breaks no rule can be met: all windows are supported in both directions.
    fn answer(&self, DeflateOffer(offer): &DeflateOffer) -> DeflateParams {
        let client_keeps =
            !offer.client_no_context_takeover && self.receive_context == ReceiveContext::Window;
        // §7.1.2.2: only a client that offers it can limit its window. What it names is the most that it will use.
        let client_max_window_bits = match (offer.client_max_window_bits, self.receive_window) {
            (None, _) => WindowBits::MAX,
            (Some(most), Some(window)) => window.min(most.unwrap_or_default()),
            (Some(most), None) if client_keeps => KEPT_WINDOW.min(most.unwrap_or_default()),
            (Some(most), None) => most.unwrap_or_default(),
        };
        DeflateParams {
            // Not for our own `SendContext::Fresh`: using no context needs no agreement.
            server_no_context_takeover: offer.server_no_context_takeover,
            client_no_context_takeover: !client_keeps
                || self.receive_window.is_some_and(|window| client_max_window_bits > window),
            server_max_window_bits: self.send_window.min(offer.server_max_window_bits.unwrap_or_default()),
            client_max_window_bits,
        }
    }
}

/// The window that a server keeps for a client that can limit its own, by default: 4 KiB, which brings most of the gain
/// of 32 KiB (see the table of the [module](super)).
const KEPT_WINDOW: WindowBits = WindowBits::TWELVE;

/// The offer of a client.
///
/// ```
/// use bowsprit::extension::deflate::{DeflateConfig, DeflateOffer};
///
/// let offer = DeflateOffer::new(&DeflateConfig::default()).to_extension();
/// assert_eq!(
///     offer.to_string(),
///     "permessage-deflate; client_no_context_takeover; client_max_window_bits"
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeflateOffer(Named);

impl DeflateOffer {
    /// Creates the offer of a client with these settings.
    pub fn new(config: &DeflateConfig) -> Self {
        let limited = |bits: WindowBits| (bits < WindowBits::MAX).then_some(bits);
        Self(Named {
            server_no_context_takeover: config.receive_context == ReceiveContext::Fresh,
            client_no_context_takeover: config.send_context == SendContext::Fresh,
            server_max_window_bits: config.receive_window.and_then(limited),
            client_max_window_bits: Some(limited(config.send_window)),
        })
    }

    /// Parses a received offer.
    ///
    /// # Errors
    ///
    /// [`DeflateParamError`]: the offer has to be declined.
    pub fn parse(offer: &Extension) -> Result<Self, DeflateParamError> {
        Named::parse(offer).map(Self)
    }

    /// Returns the offer as it is sent.
    pub fn to_extension(&self) -> Extension {
        self.0.to_extension()
    }

    /// Checks the answer to this offer.
    ///
    /// # Errors
    ///
    /// [`DeflateAnswerError`]: the connection has failed.
    pub fn accept(&self, answer: &Extension) -> Result<DeflateParams, DeflateAnswerError> {
        let Self(offer) = self;
        let params = DeflateParams::from_answer(answer)?;
        if offer.server_no_context_takeover && !params.server_no_context_takeover {
            return Err(DeflateAnswerError::ServerContextKept); // §7.1.1.1
        }
        if offer.server_max_window_bits.is_some_and(|most| params.server_max_window_bits > most) {
            return Err(DeflateAnswerError::ServerWindowTooLarge); // §7.1.2.1
        }
        let named = Named::parse(answer)?.client_max_window_bits.flatten();
        match (offer.client_max_window_bits, named) {
            (None, Some(_)) => Err(DeflateAnswerError::ClientWindowNotOffered), // §7.1.2.2
            (Some(Some(most)), Some(bits)) if bits > most => Err(DeflateAnswerError::ClientWindowTooLarge),
            _ => Ok(params),
        }
    }
}

/// Returns the answer of a server with these settings to these offers, if any.
pub fn answer(config: Option<DeflateConfig>, offers: &[Extension]) -> Option<Extension> {
    let (DeflateOffer(offer), params) = config?.pick(offers)?;
    let answer = params.to_extension();
    // §7.1.2.1: whoever accepts server_max_window_bits has to name it, even if it changes nothing.
    let unsaid = offer.server_max_window_bits.is_some() && params.server_max_window_bits == WindowBits::MAX;
    Some(if unsaid { answer.with_known("server_max_window_bits", Some("15".to_owned())) } else { answer })
}

/// Returns what a client with these settings offers besides its other offers, if anything.
pub fn offer(config: Option<DeflateConfig>, others: &[Extension]) -> Option<Extension> {
    let offer = DeflateOffer::new(&config?);
    if others.iter().any(|other| other.name() == NAME) { None } else { Some(offer.to_extension()) }
}

/// Checks that an answer of permessage-deflate, if there is one, fits one of the offers of it.
pub(crate) fn check_answers(answers: &[Extension], offers: &[Extension]) -> Result<(), DeflateAnswerError> {
    let Some(answer) = answers.iter().find(|answer| answer.name() == NAME) else { return Ok(()) };
    let mut result = Ok(());
    // A client that offers several times gets one answer, to any of the offers.
    for offer in offers.iter().filter(|offer| offer.name() == NAME) {
        let Ok(offer) = DeflateOffer::parse(offer) else { continue };
        match offer.accept(answer) {
            Ok(_) => return Ok(()),
            Err(error) => result = result.and(Err(error)),
        }
    }
    result
}

/// What is wrong with a server's answer to an offer of permessage-deflate: the connection has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeflateAnswerError {
    /// The answer breaks a rule by itself.
    Param(DeflateParamError),
    /// `server_no_context_takeover` was offered and is not in the answer.
    ServerContextKept,
    /// `server_max_window_bits` was offered, and the answer has a larger one or none.
    ServerWindowTooLarge,
    /// `client_max_window_bits` is in the answer and was not offered.
    ClientWindowNotOffered,
    /// `client_max_window_bits` is larger than offered.
    ClientWindowTooLarge,
}

impl DeflateAnswerError {
    /// Returns the section that states the rule.
    pub const fn section(self) -> Section {
        match self {
            Self::Param(error) => error.section(),
            Self::ServerContextKept => Section::rfc7692("7.1.1.1"),
            Self::ServerWindowTooLarge => Section::rfc7692("7.1.2.1"),
            Self::ClientWindowNotOffered | Self::ClientWindowTooLarge => Section::rfc7692("7.1.2.2"),
        }
    }

    /// Returns the field of [`DeflateConfig`] that made our offer ask for what the server does not do, or `None` if the
    /// server does what is never allowed. Without compression ([`Config::deflate`](crate::connection::Config::deflate))
    /// none of these errors occurs.
    pub const fn setting(self) -> Option<&'static str> {
        match self {
            Self::ServerContextKept => Some("receive_context"),
            Self::ServerWindowTooLarge => Some("receive_window"),
            Self::ClientWindowTooLarge => Some("send_window"),
            Self::Param(_) | Self::ClientWindowNotOffered => None,
        }
    }

    /// Returns the rule in a few words.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Param(error) => error.rule(),
            Self::ServerContextKept => "a server that takes the offer has to start each message afresh",
            Self::ServerWindowTooLarge => "a server that takes the offer has to keep to the window in it",
            Self::ClientWindowNotOffered => {
                "a server limits the window of a client only where that was offered"
            }
            Self::ClientWindowTooLarge => "a server cannot allow a client a larger window than was offered",
        }
    }
}

impl fmt::Display for DeflateAnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule())?;
        if let Some(setting) = self.setting() {
            write!(f, ", which DeflateConfig::{setting} asked for")?;
        }
        write!(f, " ({})", self.section())
    }
}

impl std::error::Error for DeflateAnswerError {}

impl From<DeflateParamError> for DeflateAnswerError {
    fn from(error: DeflateParamError) -> Self {
        Self::Param(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::params;

    fn bits(bits: u8) -> WindowBits {
        WindowBits::new(bits).unwrap()
    }

    fn answer(config: &DeflateConfig, lines: &[&str]) -> Option<String> {
        let offers = params::parse(lines.iter().map(|line| line.as_bytes())).unwrap();
        super::answer(Some(*config), &offers).map(|answer| answer.to_string())
    }

    const KEEP: DeflateConfig = DeflateConfig {
        level: 6,
        memory_level: 8,
        threshold: 0,
        send_window: WindowBits::MAX,
        send_context: SendContext::Window,
        receive_window: Some(WindowBits::MAX),
        receive_context: ReceiveContext::Window,
    };

    #[test]
    fn a_server_takes_the_first_good_offer() {
        let small = DeflateConfig { send_window: bits(11), receive_window: Some(bits(10)), ..KEEP };
        let fresh = DeflateConfig { receive_context: ReceiveContext::Fresh, ..DeflateConfig::default() };
        let usual = DeflateConfig::default();
        for (config, lines, expected) in [
            (KEEP, &["x"][..], None),
            (KEEP, &["Permessage-Deflate"], None), // RFC 6455 §9.1: names are case-sensitive
            (KEEP, &["x-webkit-deflate-frame, permessage-bzip2"], None),
            (KEEP, &["P"], Some("P")),
            (KEEP, &["P; server_no_context_takeover"], Some("P; server_no_context_takeover")),
            (KEEP, &["P; client_no_context_takeover"], Some("P; client_no_context_takeover")),
            (KEEP, &["P; client_max_window_bits"], Some("P")),
            (KEEP, &["P; client_max_window_bits=15"], Some("P")),
            (KEEP, &["P; client_max_window_bits=10"], Some("P; client_max_window_bits=10")),
            (KEEP, &["P; server_max_window_bits=\"10\""], Some("P; server_max_window_bits=10")),
            (KEEP, &["P; server_max_window_bits=15"], Some("P; server_max_window_bits=15")),
            (KEEP, &["P; server_max_window_bits=8"], Some("P; server_max_window_bits=8")),
            (KEEP, &["P; server_max_window_bits=7"], None),
            (
                KEEP,
                &["P; server_max_window_bits=7, P; server_max_window_bits=9"],
                Some("P; server_max_window_bits=9"),
            ),
            (KEEP, &["P; foo", "x, P; client_max_window_bits=9", "P"], Some("P; client_max_window_bits=9")),
            (KEEP, &["P; server_no_context_takeover, P; foo"], Some("P; server_no_context_takeover")),
            (
                KEEP,
                &[
                    "P; client_max_window_bits=9; server_max_window_bits=10; client_no_context_takeover; server_no_context_takeover",
                ],
                Some(
                    "P; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=9",
                ),
            ),
            // A client that cannot limit its window is asked to keep nothing instead.
            (small, &["P"], Some("P; client_no_context_takeover; server_max_window_bits=11")),
            (
                small,
                &["P; client_max_window_bits"],
                Some("P; server_max_window_bits=11; client_max_window_bits=10"),
            ),
            (
                small,
                &["P; client_max_window_bits=9"],
                Some("P; server_max_window_bits=11; client_max_window_bits=9"),
            ),
            (
                small,
                &["P; server_max_window_bits=14; client_max_window_bits=12"],
                Some("P; server_max_window_bits=11; client_max_window_bits=10"),
            ),
            (fresh, &["P"], Some("P; client_no_context_takeover")),
            (fresh, &["P; client_max_window_bits"], Some("P; client_no_context_takeover")),
            // Nothing that was not asked for: Netty's and Tornado's clients accept no other answer.
            (usual, &["P"], Some("P")),
            (usual, &["P; client_max_window_bits"], Some("P; client_max_window_bits=12")),
            (usual, &["P; client_max_window_bits=13"], Some("P; client_max_window_bits=12")),
            (usual, &["P; client_max_window_bits=10"], Some("P; client_max_window_bits=10")),
            (usual, &["P; server_no_context_takeover"], Some("P; server_no_context_takeover")),
            // If nothing is kept, no limit is needed.
            (
                usual,
                &["P; client_no_context_takeover; client_max_window_bits"],
                Some("P; client_no_context_takeover"),
            ),
            (
                usual,
                &["P; client_no_context_takeover; client_max_window_bits=14"],
                Some("P; client_no_context_takeover; client_max_window_bits=14"),
            ),
        ] {
            let whole =
                |text: &str| text.replace("P;", &format!("{NAME};")).replace("P,", &format!("{NAME},"));
            let whole = |text: &str| if text == "P" { NAME.to_owned() } else { whole(text) };
            let lines: Vec<String> = lines.iter().map(|line| whole(line)).collect();
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let expected = expected.map(whole);
            assert_eq!(answer(&config, &lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_client_holds_the_answer_against_its_offer() {
        use DeflateAnswerError::*;
        let one = |text: &str| params::parse([format!("{NAME}{text}").as_bytes()]).unwrap().remove(0);
        let param = |error| Err(Param(error));
        let agreed = DeflateParams::default();
        for (offer, answer, expected) in [
            ("", "", Ok(agreed)),
            (
                "",
                "; server_max_window_bits=10",
                Ok(DeflateParams { server_max_window_bits: bits(10), ..agreed }),
            ),
            (
                "",
                "; server_no_context_takeover",
                Ok(DeflateParams { server_no_context_takeover: true, ..agreed }),
            ),
            (
                "",
                "; client_no_context_takeover",
                Ok(DeflateParams { client_no_context_takeover: true, ..agreed }),
            ),
            ("", "; client_max_window_bits=12", Err(ClientWindowNotOffered)),
            ("; client_max_window_bits", "; client_max_window_bits", param(DeflateParamError::ValueMissing)),
            ("; client_max_window_bits=10", "; client_max_window_bits=12", Err(ClientWindowTooLarge)),
            ("; client_max_window_bits=10", "", Ok(agreed)),
            (
                "; client_max_window_bits",
                "; client_max_window_bits=8",
                Ok(DeflateParams { client_max_window_bits: bits(8), ..agreed }),
            ),
            ("; server_max_window_bits=10", "", Err(ServerWindowTooLarge)),
            ("; server_max_window_bits=10", "; server_max_window_bits=12", Err(ServerWindowTooLarge)),
            (
                "; server_max_window_bits=10",
                "; server_max_window_bits=9",
                Ok(DeflateParams { server_max_window_bits: bits(9), ..agreed }),
            ),
            ("; server_no_context_takeover", "", Err(ServerContextKept)),
            ("", "; server_max_window_bits=0", param(DeflateParamError::WindowOutOfRange)),
            ("", "; server_max_window_bits=300", param(DeflateParamError::WindowOutOfRange)),
            ("", "; server_max_window_bits=08", param(DeflateParamError::WindowOutOfRange)),
            ("", "; server_max_window_bits", param(DeflateParamError::ValueMissing)),
            ("", "; server_no_context_takeover=1", param(DeflateParamError::ValueUnexpected)),
            (
                "",
                "; client_no_context_takeover; client_no_context_takeover",
                param(DeflateParamError::Repeated),
            ),
            ("", "; foo", param(DeflateParamError::Unknown)),
        ] {
            let offers = [one(offer)];
            let answer = one(answer);
            let result = DeflateOffer::parse(&offers[0]).unwrap().accept(&answer);
            assert_eq!(result, expected, "{} to {}", answer, offers[0]);
            let answers = std::slice::from_ref(&answer);
            assert_eq!(check_answers(answers, &offers), expected.map(drop));
            // The same settings, offered second.
            let either = [one("; server_no_context_takeover; server_max_window_bits=8"), one(offer)];
            assert_eq!(check_answers(answers, &either).is_ok(), expected.is_ok());
        }
    }

    /// A server may do anything that the offer does not rule out, and by default ours rules nothing out.
    #[test]
    fn a_usual_client_asks_nothing_of_the_server() {
        let offer = DeflateOffer::new(&DeflateConfig::default());
        for answer in
            ["", "; server_no_context_takeover", "; server_max_window_bits=9", "; client_max_window_bits=9"]
        {
            let answer = params::parse([format!("{NAME}{answer}").as_bytes()]).unwrap().remove(0);
            assert!(offer.accept(&answer).is_ok(), "{answer}");
        }
    }

    #[test]
    fn an_error_names_what_asked_for_it() {
        let error = DeflateAnswerError::ServerContextKept;
        assert_eq!(
            error.to_string(),
            "a server that takes the offer has to start each message afresh, which DeflateConfig::receive_context \
             asked for (RFC 7692 §7.1.1.1)"
        );
    }

    #[test]
    fn each_answer_of_ours_fits_each_offer_of_ours() {
        let windows = [WindowBits::MIN, bits(9), bits(12), WindowBits::MAX];
        let mut configs = Vec::new();
        for send_window in windows {
            for receive_window in windows.map(Some).into_iter().chain([None]) {
                for send_context in [SendContext::Fresh, SendContext::Window, SendContext::Compressor] {
                    for receive_context in [ReceiveContext::Fresh, ReceiveContext::Window] {
                        configs.push(DeflateConfig {
                            send_window,
                            receive_window,
                            send_context,
                            receive_context,
                            ..KEEP
                        });
                    }
                }
            }
        }
        for client in &configs {
            let offer = DeflateOffer::new(client);
            for server in &configs {
                let params = server.choose(&[offer.to_extension()]).unwrap();
                assert_eq!(offer.accept(&params.to_extension()), Ok(params));
                let allowed = client.receive_window.unwrap_or_default();
                assert!(params.server_max_window_bits <= allowed.min(server.send_window));
                // Our clients can all limit their window.
                let kept = server.receive_window.unwrap_or(KEPT_WINDOW);
                assert!(params.client_no_context_takeover || params.client_max_window_bits <= kept);
            }
        }
    }
}
