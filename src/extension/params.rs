//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455 §9.1).
//!
//! In: the values of the header's lines, which form one list. Out: [`Extension`]s in order, or the rule that the text
//! breaks. [`write_list`] is the reverse. Promises: linear in the text, a bounded number of extensions and parameters,
//! no recursion; what was parsed or made can be written without a second check. What an extension means is left to
//! others.
//!
//! ```text
//! extension-list  = 1#extension
//! extension       = extension-token *( ";" extension-param )
//! extension-param = token [ "=" ( token | quoted-string ) ]
//! ```
//!
//! The ABNF is that of RFC 2616 (§2.1), so blanks may surround `,`, `;` and `=`, and empty members of the list are
//! skipped. A list without a member is an error: a side with nothing to say omits the header. The content of a quoted
//! string has to be a token (§9.1), and is kept without quotes and escapes.

use alloc::borrow::ToOwned as _;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::error::Section;
use crate::token::{is_token, is_token_byte};

/// The most extensions in one header: ten times what any known peer offers.
pub const MAX_EXTENSIONS: usize = 32;

/// The most parameters of one extension: permessage-deflate (RFC 7692) has four.
pub const MAX_PARAMS: usize = 32;

/// An extension with its parameters: an offer, or the answer to one.
///
/// ```
/// use bowsprit::extension::{params, Extension};
///
/// let offers = params::parse([&b"permessage-deflate; client_max_window_bits, x-foo; a=\"b\""[..]]).unwrap();
/// assert_eq!(offers[0].name(), "permessage-deflate");
/// assert_eq!(offers[0].params(), [("client_max_window_bits".into(), None)]);
/// assert_eq!(offers[1].to_string(), "x-foo; a=b");
///
/// let answer = Extension::new("permessage-deflate").unwrap().with("server_max_window_bits", Some("12")).unwrap();
/// assert_eq!(answer.to_string(), "permessage-deflate; server_max_window_bits=12");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Extension {
    name: String,
    params: Vec<(String, Option<String>)>,
}

impl Extension {
    /// Creates an extension without parameters.
    ///
    /// # Errors
    ///
    /// [`ExtensionNameError`] if the name is not a token.
    pub fn new(name: impl Into<String>) -> Result<Self, ExtensionNameError> {
        Ok(Self { name: checked(name.into())?, params: Vec::new() })
    }

    /// Returns this extension with a further parameter.
    ///
    /// # Errors
    ///
    /// [`ExtensionNameError`] if the name or the value is not a token.
    pub fn with(mut self, name: &str, value: Option<&str>) -> Result<Self, ExtensionNameError> {
        let value = value.map(|value| checked(value.to_owned())).transpose()?;
        self.params.push((checked(name.to_owned())?, value));
        Ok(self)
    }

    /// Creates an extension of ours. Its name and what is added to it are tokens.
    #[cfg(feature = "deflate")]
    pub(super) fn known(name: &'static str) -> Self {
        Self { name: name.to_owned(), params: Vec::new() }
    }

    /// Returns this extension with a further parameter of ours.
    #[cfg(feature = "deflate")]
    pub(super) fn with_known(mut self, name: &str, value: Option<String>) -> Self {
        debug_assert!(is_token(name.as_bytes()) && value.iter().all(|value| is_token(value.as_bytes())));
        self.params.push((name.to_owned(), value));
        self
    }

    /// Returns the registered name, which is case-sensitive.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the parameters, in order, including repeated ones.
    pub fn params(&self) -> &[(String, Option<String>)] {
        &self.params
    }
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (name, value) in &self.params {
            write!(f, "; {name}")?;
            if let Some(value) = value {
                write!(f, "={value}")?;
            }
        }
        Ok(())
    }
}

fn checked(text: String) -> Result<String, ExtensionNameError> {
    if is_token(text.as_bytes()) { Ok(text) } else { Err(ExtensionNameError) }
}

/// Writes extensions as the value of one header line.
pub fn write_list(extensions: &[Extension]) -> String {
    let list: Vec<String> = extensions.iter().map(ToString::to_string).collect();
    list.join(", ")
}

/// Parses the list that these header lines form.
///
/// # Errors
///
/// [`ExtensionError`] for the first fault; nothing of a faulty list is used.
pub fn parse<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Extension>, ExtensionError> {
    let mut list = Vec::new();
    for line in lines {
        let mut cursor = Cursor::new(line);
        parse_line(&mut cursor, &mut list)?;
    }
    if list.is_empty() { Err(ExtensionError::Empty) } else { Ok(list) }
}

fn parse_line(cursor: &mut Cursor<'_>, list: &mut Vec<Extension>) -> Result<(), ExtensionError> {
    loop {
        cursor.skip_blanks();
        match cursor.peek() {
            None => return Ok(()),
            Some(b',') => {
                cursor.advance();
                continue;
            }
            Some(_) => {}
        }
        if list.len() == MAX_EXTENSIONS {
            return Err(ExtensionError::TooManyExtensions);
        }
        let mut extension =
            Extension { name: cursor.token().ok_or(ExtensionError::Name)?, params: Vec::new() };
        loop {
            cursor.skip_blanks();
            match cursor.peek() {
                Some(b';') => {
                    cursor.advance();
                    if extension.params.len() == MAX_PARAMS {
                        return Err(ExtensionError::TooManyParams);
                    }
                    extension.params.push(parse_param(cursor)?);
                }
                Some(b',') | None => break,
                Some(_) => return Err(ExtensionError::Delimiter),
            }
        }
        list.push(extension);
    }
}

fn parse_param(cursor: &mut Cursor<'_>) -> Result<(String, Option<String>), ExtensionError> {
    cursor.skip_blanks();
    let name = cursor.token().ok_or(ExtensionError::ParamName)?;
    cursor.skip_blanks();
    if cursor.peek() != Some(b'=') {
        return Ok((name, None));
    }
    cursor.advance();
    cursor.skip_blanks();
    let value = match cursor.peek() {
        Some(b'"') => cursor.quoted()?,
        _ => cursor.token().ok_or(ExtensionError::ParamValue)?,
    };
    Ok((name, Some(value)))
}

/// A position in the text that only moves forward, which makes the parser linear.
struct Cursor<'a> {
    rest: &'a [u8],
    #[cfg(test)]
    steps: usize,
}

impl<'a> Cursor<'a> {
    fn new(rest: &'a [u8]) -> Self {
        Self {
            rest,
            #[cfg(test)]
            steps: 0,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn advance(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
        #[cfg(test)]
        {
            self.steps += 1;
        }
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t') = self.peek() {
            self.advance();
        }
    }

    fn token(&mut self) -> Option<String> {
        let mut token = String::new();
        while let Some(byte) = self.peek().filter(|&byte| is_token_byte(byte)) {
            token.push(byte.into());
            self.advance();
        }
        (!token.is_empty()).then_some(token)
    }

    /// Parses a quoted string, from its opening quote.
    fn quoted(&mut self) -> Result<String, ExtensionError> {
        self.advance();
        let mut content = String::new();
        loop {
            let mut byte = self.peek().ok_or(ExtensionError::UnclosedQuote)?;
            self.advance();
            match byte {
                b'"' if content.is_empty() => return Err(ExtensionError::QuotedValue),
                b'"' => return Ok(content),
                b'\\' => {
                    byte = self.peek().ok_or(ExtensionError::UnclosedQuote)?;
                    self.advance();
                }
                _ => {}
            }
            // §9.1: after unescaping, the value MUST conform to the token ABNF.
            if !is_token_byte(byte) {
                return Err(ExtensionError::QuotedValue);
            }
            content.push(byte.into());
        }
    }
}

/// What is wrong with a `Sec-WebSocket-Extensions` header, one variant for each rule of §9.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExtensionError {
    /// The header names no extension: `""`, `", ,"`.
    Empty,
    /// An extension does not start with a token: `";a"`, `"\"a\""`.
    Name,
    /// Something other than `;` or `,` follows: `"a b"`, `"a=1"`.
    Delimiter,
    /// There is no token after a `;`: `"a;"`, `"a;=5"`.
    ParamName,
    /// There is no token after a `=`: `"a; b="`.
    ParamValue,
    /// A quoted string whose content is not a token: `"a; b=\"\""`, `"a; b=\"c d\""`.
    QuotedValue,
    /// A quoted string without end: `"a; b=\"c"`.
    UnclosedQuote,
    /// More than [`MAX_EXTENSIONS`].
    TooManyExtensions,
    /// More than [`MAX_PARAMS`] for one extension.
    TooManyParams,
}

impl ExtensionError {
    /// Returns the section that the rule comes from.
    pub const fn section(self) -> Section {
        match self {
            // The limits are ours, as §10.4 asks for.
            ExtensionError::TooManyExtensions | ExtensionError::TooManyParams => Section::rfc6455("10.4"),
            _ => Section::rfc6455("9.1"),
        }
    }
}

impl fmt::Display for ExtensionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Name an extension in Sec-WebSocket-Extensions or leave the header out.",
            Self::Name => "Start each member of Sec-WebSocket-Extensions with a token.",
            Self::Delimiter => {
                "Put a ; between parameters and a , between extensions in Sec-WebSocket-Extensions."
            }
            Self::ParamName => "Put a parameter name behind each ; in Sec-WebSocket-Extensions.",
            Self::ParamValue => "Put a token behind each = in Sec-WebSocket-Extensions.",
            Self::QuotedValue => "Put a token between the quotes of a value in Sec-WebSocket-Extensions.",
            Self::UnclosedQuote => "Close each quote in Sec-WebSocket-Extensions.",
            Self::TooManyExtensions => "Send fewer extensions in Sec-WebSocket-Extensions.",
            Self::TooManyParams => "Send fewer parameters in Sec-WebSocket-Extensions.",
        })
    }
}

impl core::error::Error for ExtensionError {}

/// A name or value that is not a token (RFC 6455 §9.1), so that no [`Extension`] can hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExtensionNameError;

impl fmt::Display for ExtensionNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("use letters, digits and !#$%&'*+-.^_`|~ in extension names, parameters and values")
    }
}

impl core::error::Error for ExtensionNameError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_one(text: &str) -> Result<String, ExtensionError> {
        parse([text.as_bytes()]).map(|list| write_list(&list))
    }

    #[test]
    fn what_the_grammar_allows() {
        // The text, and how we would write it.
        for (text, written) in [
            // The examples of §9.1.
            ("foo", "foo"),
            ("bar; baz=2", "bar; baz=2"),
            ("deflate-stream", "deflate-stream"),
            (
                "mux; max-channels=4; flow-control, deflate-stream",
                "mux; max-channels=4; flow-control, deflate-stream",
            ),
            ("private-extension", "private-extension"),
            // Blanks wherever RFC 2616 implies them, empty members, quoted tokens.
            (" a ;\tb = c , d", "a; b=c, d"),
            (",, a,,b ,", "a, b"),
            ("a;b=\"c\"", "a; b=c"),
            ("a; b = \"\\c\\d\"", "a; b=cd"),
            // Repeated names are valid grammar; an extension judges them.
            ("a; b; b=1, a", "a; b; b=1, a"),
            // Names that mean something elsewhere.
            ("constructor, __proto__; hasOwnProperty", "constructor, __proto__; hasOwnProperty"),
            ("x-webkit-deflate-frame, permessage-bzip2", "x-webkit-deflate-frame, permessage-bzip2"),
        ] {
            assert_eq!(parse_one(text).as_deref(), Ok(written), "{text}");
            assert_eq!(parse_one(written).as_deref(), Ok(written), "{text}");
        }
    }

    #[test]
    fn what_it_does_not() {
        use ExtensionError::*;
        for (text, error) in [
            ("", Empty),
            (" \t", Empty),
            (",", Empty),
            (" , ,, ", Empty),
            (";", Name),
            (";a", Name),
            ("=5", Name),
            ("\"a\"", Name),
            ("a, =", Name),
            ("é", Name),
            ("a b", Delimiter),
            ("a=1", Delimiter),
            ("a\"b\"", Delimiter),
            ("a;b=c d", Delimiter),
            ("a;b=\"c\"d", Delimiter),
            ("a;b=c=d", Delimiter),
            ("a/b", Delimiter),
            ("a;", ParamName),
            ("a;;b", ParamName),
            ("a; =5", ParamName),
            ("a;,b", ParamName),
            ("a; \"b\"", ParamName),
            ("a; b=", ParamValue),
            ("a; b=,", ParamValue),
            ("a; b==", ParamValue),
            ("a; b=\"\"", QuotedValue),
            ("a; b=\"c d\"", QuotedValue),
            ("a; b=\"c,d\"", QuotedValue),
            ("a; b=\"\\\"\"", QuotedValue),
            ("a; b=\"é\"", QuotedValue),
            ("a;b=\"x", UnclosedQuote),
            ("a;b=\"", UnclosedQuote),
            ("a;b=\"x\\", UnclosedQuote),
        ] {
            assert_eq!(parse_one(text), Err(error), "{text}");
        }
    }

    #[test]
    fn lines_form_one_list() {
        let list = parse([&b"a; b=1"[..], b"", b"c, a"]).unwrap();
        assert_eq!(write_list(&list), "a; b=1, c, a");
        assert_eq!(parse([&b""[..], b" ,"]), Err(ExtensionError::Empty));
        assert_eq!(parse([]), Err(ExtensionError::Empty));
        // A fault in one line spoils the list.
        assert_eq!(parse([&b"a"[..], b"b;"]), Err(ExtensionError::ParamName));
    }

    #[test]
    fn numbers_are_bounded() {
        let exts = |n: usize| vec!["a"; n].join(",");
        assert!(parse_one(&exts(MAX_EXTENSIONS)).is_ok());
        assert_eq!(parse_one(&exts(MAX_EXTENSIONS + 1)), Err(ExtensionError::TooManyExtensions));
        assert_eq!(parse_one(&exts(5000)), Err(ExtensionError::TooManyExtensions));
        let params = |n: usize| format!("a{}", ";b".repeat(n));
        assert!(parse_one(&params(MAX_PARAMS)).is_ok());
        assert_eq!(parse_one(&params(MAX_PARAMS + 1)), Err(ExtensionError::TooManyParams));
    }

    /// The texts that sent other parsers back and forth: each byte is passed at most once.
    #[test]
    fn steps_do_not_exceed_bytes() {
        for unit in ["\\", "\"", "\\\"", ",", " ", "; ", "a=", "a;b=\"", "a;b=\"\\", ", a", "a;b=\"c\","] {
            for size in [1_000, 10_000, 100_000] {
                for prefix in ["", "a;b=\"", "a;b=", "a"] {
                    let text = format!("{prefix}{}", unit.repeat(size / unit.len()));
                    let mut cursor = Cursor::new(text.as_bytes());
                    let _ = parse_line(&mut cursor, &mut Vec::new());
                    assert!(
                        cursor.steps <= text.len() + 1,
                        "{} steps for {} bytes",
                        cursor.steps,
                        text.len()
                    );
                }
            }
        }
    }

    #[test]
    fn nothing_unwritable_can_be_made() {
        for bad in ["", "a b", "a\r\n", "a\0", "a,b", "a;b", "\"a\"", "é"] {
            assert_eq!(Extension::new(bad), Err(ExtensionNameError), "{bad:?}");
            let a = Extension::new("a").unwrap();
            assert_eq!(a.clone().with(bad, None), Err(ExtensionNameError), "{bad:?}");
            assert_eq!(a.with("b", Some(bad)), Err(ExtensionNameError), "{bad:?}");
        }
    }
}
