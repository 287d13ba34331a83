//! Answers to requests that are not for a WebSocket: the page, and paths that do not exist.

use bowsprit::handshake::{HeaderField, Refusal, RefusalError};

use super::board::{self, Board};
use super::mode::Mode;

/// Answers with the page at `/`, or with what it asks about other servers; every other path is for WebSocket clients.
pub(super) fn answer(method: &str, target: &str, mode: &Mode, board: Option<&Board>) -> Refusal {
    if !matches!(method, "GET" | "HEAD") {
        return with(status(405), "Allow", "GET, HEAD");
    }
    match (path_of(target), board) {
        (board::PATH, Some(board)) => others(board).unwrap_or_else(|_| status(500)),
        ("/", _) => page(mode, board.is_some()).unwrap_or_else(|_| status(500)),
        ("/favicon.ico" | "/robots.txt", _) => status(404),
        _ => Refusal::upgrade_required(),
    }
}

/// Returns the path of a target, which may be absolute (RFC 9112 §3.2.2), without its query.
pub(super) fn path_of(target: &str) -> &str {
    let path = target.split('?').next().unwrap_or_default();
    match path.split_once("://") {
        Some((_, rest)) if !path.starts_with('/') => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => path,
    }
}

fn page(mode: &Mode, has_others: bool) -> Result<Refusal, RefusalError> {
    let others = if has_others { board::PATH } else { "" };
    let page = PAGE.replacen("{mode}", mode.name(), 1).replacen("{others}", others, 1);
    let page = Refusal::new(200)?.with_body("text/html; charset=utf-8", page)?;
    let page = with(page, "Content-Security-Policy", CONTENT_SECURITY_POLICY);
    let page = with(page, "X-Content-Type-Options", "nosniff");
    let page = with(page, "Referrer-Policy", "no-referrer");
    Ok(with(page, "Cache-Control", "no-store"))
}

/// Answers with the state of the link to other servers.
fn others(board: &Board) -> Result<Refusal, RefusalError> {
    let answer = Refusal::new(200)?.with_body("application/json", board.json())?;
    let answer = with(answer, "X-Content-Type-Options", "nosniff");
    Ok(with(answer, "Cache-Control", "no-store"))
}

/// The page. `{mode}` in it stands for what the server does with messages, `{others}` for where to ask about other
/// servers.
const PAGE: &str = include_str!("page.html");

/// The page loads nothing, cannot be framed, and connects only to WebSocket servers and to its own server.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; \
    style-src 'unsafe-inline'; img-src data:; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

pub(super) fn status(status: u16) -> Refusal {
    Refusal::new(status).unwrap_or_else(|_| Refusal::upgrade_required())
}

/// Adds one of our own fields to `refusal`.
pub(super) fn with(refusal: Refusal, name: &str, value: &str) -> Refusal {
    match HeaderField::new(name, value) {
        Ok(field) => refusal.clone().with_header(field).unwrap_or(refusal),
        Err(_) => refusal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_requests_get_what_fits() {
        for (method, target, status) in [
            ("GET", "/", 200),
            ("HEAD", "/", 200),
            ("GET", "/?a=b", 200),
            ("GET", "http://127.0.0.1:9001/", 200),
            ("GET", "http://127.0.0.1:9001", 200),
            ("GET", "http://127.0.0.1:9001/chat?a=://b/", 426),
            ("GET", "/http://a/", 426),
            ("GET", "/chat", 426),
            ("GET", "/favicon.ico", 404),
            ("POST", "/", 405),
            ("OPTIONS", "*", 405),
        ] {
            assert_eq!(answer(method, target, &Mode::Echo, None).status(), status, "{method} {target}");
        }
        let board = Board::default();
        for (method, status) in [("GET", 200), ("HEAD", 200), ("POST", 405)] {
            assert_eq!(answer(method, board::PATH, &Mode::Relay, Some(&board)).status(), status, "{method}");
        }
        assert_eq!(answer("GET", board::PATH, &Mode::Relay, None).status(), 426);
        assert!(answer("PUT", "/", &Mode::Echo, None).headers().iter().any(|field| field.is("Allow")));
        assert_eq!((PAGE.matches("{mode}").count(), PAGE.matches("{others}").count()), (1, 1));
        let page = answer("GET", "/", &Mode::Relay, Some(&board));
        assert_eq!(page.headers().len(), 4);
        let text = std::str::from_utf8(page.body()).unwrap();
        assert!(
            text.starts_with("<!doctype html>")
                && text.contains("data-mode=\"relay\" data-others=\"/backplane\"")
        );
    }
}
