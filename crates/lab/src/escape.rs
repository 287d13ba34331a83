//! Escaping of foreign text for a terminal, XML, HTML, Markdown, JSON, SARIF or a CI runner, each with its own escapes.
//!
//! What a peer sends or a file holds reaches a sink only through [`Clean`], whose methods for such text escape it, or
//! through [`Json`]. Functions that print and write files take these types instead of strings, so code that forgets to
//! escape does not compile. All sinks treat the same characters as harmful: [`acts`].

use std::fmt::{self, Display, Write as _};
use std::marker::PhantomData;

use serde::Serialize;

/// Returns whether a character affects the text around it or hides in it: controls, marks of direction, characters
/// without width, noncharacters. Line feed and tab are among them.
pub const fn acts(c: char) -> bool {
    matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        // Format characters: soft hyphen, marks of direction, zero widths, separators, annotations, tags.
        | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        // Noncharacters that text formats refuse.
        | '\u{fdd0}'..='\u{fdef}' | '\u{fffe}' | '\u{ffff}')
}

/// Returns whether a character joins its neighbours and can hide nothing there: a joiner between two characters that
/// are not ASCII, as in many emoji and in Persian.
fn joins(before: Option<char>, c: char, after: Option<char>) -> bool {
    let is_plain = |c: Option<char>| c.is_some_and(|c| !c.is_ascii() && !acts(c) && !c.is_whitespace());
    matches!(c, '\u{200c}' | '\u{200d}') && is_plain(before) && is_plain(after)
}

/// A destination of text.
pub trait Sink {
    /// Appends a character that is harmless by itself so that the sink shows it literally.
    fn put(out: &mut String, c: char);
}

/// A terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {}
/// XML 1.0, in elements and in quoted attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Xml {}
/// HTML, in elements and in quoted attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Html {}
/// A paragraph or a cell of a table in Markdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Markdown {}

impl Sink for Terminal {
    fn put(out: &mut String, c: char) {
        out.push(c);
    }
}

impl Sink for Xml {
    fn put(out: &mut String, c: char) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}

impl Sink for Html {
    fn put(out: &mut String, c: char) {
        Xml::put(out, c);
    }
}

impl Sink for Markdown {
    fn put(out: &mut String, c: char) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // A mention of a user, which a backslash does not prevent everywhere.
            '@' => out.push_str("&#64;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '!' => out.extend(['\\', c]),
            // An address must not become a link.
            '/' if out.ends_with(':') => out.push_str("\\/"),
            c => out.push(c),
        }
    }
}

/// The message of a workflow command to GitHub's runners, which is a line of a step's output that starts with two
/// colons. The properties in front of the message take other escapes, but they are the program's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkflowMessage {}
/// The text of a message in SARIF (2.1.0 §3.11), inside a string of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SarifMessage {}

impl Sink for WorkflowMessage {
    fn put(out: &mut String, c: char) {
        match c {
            '%' => out.push_str("%25"),
            c => out.push(c),
        }
    }
}

impl Sink for SarifMessage {
    fn put(out: &mut String, c: char) {
        match c {
            // Links.
            '[' | ']' | '\\' => out.extend(['\\', c]),
            // Placeholders.
            '{' | '}' => out.extend([c, c]),
            c => out.push(c),
        }
    }
}

/// Text that is escaped for a sink.
///
/// ```
/// use bowsprit_lab::escape::{Clean, Xml};
///
/// let mut out = Clean::<Xml>::new();
/// out.own("<agent>").text("a<b\u{1b}[31m").own("</agent>");
/// assert_eq!(out.as_str(), "<agent>a&lt;b\\u{1b}[31m</agent>");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Clean<S>(String, PhantomData<S>);

impl<S: Sink> Clean<S> {
    /// Creates an empty text.
    pub const fn new() -> Self {
        Self(String::new(), PhantomData)
    }

    /// Appends the program's own markup or words unchanged.
    pub fn own(&mut self, text: &'static str) -> &mut Self {
        self.0.push_str(text);
        self
    }

    /// Appends foreign text on one line: line ends and tabs are escaped like every other character that acts.
    pub fn text(&mut self, text: impl Display) -> &mut Self {
        escape::<S>(&mut self.0, text.to_string().as_bytes(), false);
        self
    }

    /// Appends foreign bytes on one line; bytes that are not UTF-8 show as `\xff`.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        escape::<S>(&mut self.0, bytes, false);
        self
    }

    /// Appends text that is clean already.
    pub fn add(&mut self, other: &Self) -> &mut Self {
        self.0.push_str(&other.0);
        self
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the text as a `String`.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl<S: Sink> Default for Clean<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Display for Clean<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<S> fmt::Debug for Clean<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Escapes foreign bytes for one line of a terminal.
pub fn one_line(bytes: &[u8]) -> Clean<Terminal> {
    let mut out = Clean::new();
    out.bytes(bytes);
    out
}

/// Escapes foreign text for lines of a terminal. Text that needs no escaping stays as it is.
pub fn for_terminal(text: impl Display) -> Clean<Terminal> {
    let mut out = String::new();
    escape::<Terminal>(&mut out, text.to_string().as_bytes(), true);
    Clean(out, PhantomData)
}

/// JSON in which every character that acts is written as an escape, so that it is also safe to show on a terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Json(String);

impl Json {
    /// Serializes a value on one line.
    ///
    /// # Errors
    ///
    /// Returns an error if the value cannot be serialized, such as a map whose keys are not strings.
    pub fn compact(value: &impl Serialize) -> serde_json::Result<Self> {
        serde_json::to_string(value).map(|text| Self(ascii_controls(&text)))
    }

    /// Serializes a value on several lines, for people; the text ends with a line end.
    ///
    /// # Errors
    ///
    /// Returns an error if the value cannot be serialized, as [`compact`](Self::compact) does.
    pub fn pretty(value: &impl Serialize) -> serde_json::Result<Self> {
        serde_json::to_string_pretty(value).map(|text| Self(ascii_controls(&text) + "\n"))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the value for use inside a `script` element, which only a `<` could end.
    pub fn in_script(&self) -> Clean<Html> {
        Clean(self.0.replace('<', "\\u003c"), PhantomData)
    }
}

impl Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Escapes what a serializer leaves as it is; outside strings, JSON holds none of these characters but line ends.
fn ascii_controls(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if acts(c) && c != '\n' {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Returns bytes as evidence in a sentence: on one line and unambiguous, so that each character shows which bytes it
/// was (a backslash is doubled).
pub(super) fn visible(bytes: &[u8]) -> String {
    let mut doubled = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        doubled.push(byte);
        if byte == b'\\' {
            doubled.push(b'\\');
        }
    }
    one_line(&doubled).into_string()
}

fn escape<S: Sink>(out: &mut String, bytes: &[u8], keeps_lines: bool) {
    for chunk in bytes.utf8_chunks() {
        let mut before = None;
        let mut rest = chunk.valid().chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '\n' | '\t' if keeps_lines => out.push(c),
                c if acts(c) && !joins(before, c, rest.peek().copied()) => {
                    let escaped = match c {
                        '\n' => "\\n".to_owned(),
                        '\t' => "\\t".to_owned(),
                        '\r' => "\\r".to_owned(),
                        c => c.escape_unicode().to_string(),
                    };
                    escaped.chars().for_each(|c| S::put(out, c));
                }
                c => S::put(out, c),
            }
            before = Some(c);
        }
        for byte in chunk.invalid() {
            format!("\\x{byte:02x}").chars().for_each(|c| S::put(out, c));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every control, format character and noncharacter of the first plane, and the tags.
    fn hostile() -> impl Iterator<Item = char> {
        ('\0'..='\u{ffff}').chain('\u{e0000}'..='\u{e0100}').filter(|c| acts(*c))
    }

    fn written<S: Sink>(c: char) -> String {
        let mut out = Clean::<S>::new();
        out.text(format_args!("a{c}b"));
        out.into_string()
    }

    #[test]
    fn nothing_that_acts_passes_any_sink() {
        assert!(hostile().count() > 200);
        for c in hostile() {
            let json = Json::compact(&format!("a{c}b")).unwrap();
            for text in [
                written::<Terminal>(c),
                written::<Xml>(c),
                written::<Html>(c),
                written::<Markdown>(c),
                written::<WorkflowMessage>(c),
                written::<SarifMessage>(c),
                json.0.clone(),
            ] {
                assert!(!text.chars().any(acts), "{c:?} in {text:?}");
            }
            assert_eq!(serde_json::from_str::<String>(json.as_str()).unwrap(), format!("a{c}b"));
        }
    }

    #[test]
    fn each_sink_has_its_own_marks() {
        let all = "&<>\"'|*_`[x](y)#\\";
        let mut xml = Clean::<Xml>::new();
        xml.text(all).text("\n");
        assert_eq!(xml.as_str(), "&amp;&lt;&gt;&quot;&#39;|*_`[x](y)#\\\\n");
        let mut markdown = Clean::<Markdown>::new();
        markdown.text(all).text("\n").text(" https://x @y");
        assert_eq!(
            markdown.as_str(),
            "&amp;&lt;&gt;\"'\\|\\*\\_\\`\\[x\\](y)\\#\\\\\\\\n https:\\//x &#64;y"
        );
        let mut command = Clean::<WorkflowMessage>::new();
        command.own("::error::").text("100%0A\n::error::x");
        assert_eq!(command.as_str(), "::error::100%250A\\n::error::x");
        assert_eq!(Json::compact(&"</script>").unwrap().in_script().as_str(), "\"\\u003c/script>\"");
    }

    #[test]
    fn what_people_write_stays_as_it_is() {
        for text in ["grün", "👩‍💻", "می‌خواهم", "a\tb\nc", "C:\\x"] {
            assert_eq!(for_terminal(text).as_str(), text);
        }
        // A joiner beside ASCII joins nothing.
        assert_eq!(for_terminal("pass\u{200d}word").as_str(), "pass\\u{200d}word");
    }

    #[test]
    fn evidence_is_on_one_line_and_unambiguous() {
        assert_eq!(visible(b"a\x1b[31m\r\n\\\xff"), "a\\u{1b}[31m\\r\\n\\\\\\xff");
        assert_eq!(visible("x\u{202e}y".as_bytes()), "x\\u{202e}y");
        assert_eq!(one_line(b"a\nb\t\xff").as_str(), "a\\nb\\t\\xff");
        assert_eq!(for_terminal(one_line(b"\x1b\n")), one_line(b"\x1b\n"));
    }
}
