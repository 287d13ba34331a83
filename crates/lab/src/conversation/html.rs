//! A conversation as an HTML page in the style of the lab's reports. The page loads nothing.

use super::{Colour, Line, Peer, Told};
use crate::counted;
use crate::escape::{Clean, Html};

/// Returns what precedes the first line.
pub fn html_start() -> Clean<Html> {
    let mut out = Clean::new();
    out.own("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.own("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    out.own("<title>WebSocket conversation</title>\n<style>\n").own(include_str!("../report/page.css"));
    out.own("</style>\n</head>\n<body>\n<main>\n<h1>WebSocket conversation</h1>\n<pre tabindex=\"0\">\n");
    out
}

/// Returns what follows the last line.
pub fn html_end(faults: usize) -> Clean<Html> {
    let mut out = Clean::new();
    out.own("</pre>\n<p class=\"")
        .own(if faults == 0 { "good" } else { "bad" })
        .own("\">")
        .text(counted(faults, "fault"));
    out.own("</p>\n</main>\n</body>\n</html>\n");
    out
}

impl Told {
    /// Returns the lines of the event, each after `lead` and an arrow.
    pub fn html(&self, lead: &str) -> Clean<Html> {
        let mut out = Clean::new();
        for Line { colour, text } in self.lines() {
            let class = match colour {
                Colour::Fault => "<span class=\"bad\">",
                Colour::Note => "<span class=\"soft\">",
                Colour::Head | Colour::Frame => "<span>",
            };
            out.own(class).text(lead);
            out.own(if self.from == Peer::Client { "&gt; " } else { "&lt; " }).text(text).own("</span>\n");
        }
        out
    }
}
