//! The header fields of `-H`: what other programs leave to their user, and what the handshake writes itself.

use bowsprit::client::ClientConfig;
use bowsprit::handshake::HeaderField;

/// Adds the fields to the request; which of them were left out, as the handshake writes them itself.
///
/// So a request that a browser has copied "as cURL" can be pasted. A field without a value is left out, too, as curl
/// does.
pub(super) fn add(
    mut config: ClientConfig,
    fields: &[HeaderField],
    has_origin: bool,
) -> Result<(ClientConfig, Vec<String>), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let mut left_out = Vec::new();
    for field in fields {
        let (name, value) = (field.name(), field.value());
        match &*name.to_ascii_lowercase() {
            _ if value.is_empty() => {}
            "host" => config = config.host(value).map_err(|error| text(&error))?,
            // The flag says it more plainly.
            "origin" if has_origin => left_out.push(name.to_owned()),
            "origin" => config = config.origin(value).map_err(|error| text(&error))?,
            "sec-websocket-protocol" => {
                for protocol in value.split(',').map(str::trim).filter(|protocol| !protocol.is_empty()) {
                    if !config.request().subprotocols().iter().any(|offered| offered == protocol) {
                        config = config.subprotocol(protocol).map_err(|error| text(&error))?;
                    }
                }
            }
            "upgrade" | "connection" | "content-length" | "transfer-encoding" => {
                left_out.push(name.to_owned())
            }
            lower if lower.starts_with("sec-websocket-") => left_out.push(name.to_owned()),
            _ => config = config.header(name, value).map_err(|error| text(&error))?,
        }
    }
    Ok((config, left_out))
}
