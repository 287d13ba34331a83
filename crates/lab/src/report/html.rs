//! One HTML file: a matrix of agents side by side, a filter, the wire log of each case. It loads nothing.

use super::json::Report;
use crate::escape::{Clean, Html, Json};

const PAGE: &str = include_str!("page.html");
const PLACE: &str = "\"REPORT\"";

/// The page. The report stands in it as JSON and reaches the page as text only.
pub fn page(report: &Report) -> Clean<Html> {
    // Nothing in a report can fail to be written.
    let json = Json::compact(report).unwrap_or_default();
    let mut out = Clean::new();
    let (before, after) = PAGE.split_once(PLACE).unwrap_or((PAGE, ""));
    out.own(before).add(&json.in_script()).own(after);
    out
}

#[cfg(test)]
mod tests {
    use super::super::json::{Report, SCHEMA};
    use super::*;

    #[test]
    fn nothing_of_a_report_can_leave_its_place() {
        assert_eq!(PAGE.matches(PLACE).count(), 1);
        let version = "</script><script>alert(1)</script>".to_owned();
        let page = page(&Report { schema: SCHEMA, version, runs: Vec::new() }).into_string();
        assert!(!page.contains("<script>alert"));
        assert!(!PAGE.contains("http://") && !PAGE.contains("https://"));
    }
}
