//! Flags for permessage-deflate.

use bowsprit::extension::deflate::{
    DeflateAnswerError, DeflateConfig, DeflateParams, ReceiveContext, SendContext, WindowBits,
};
use clap::ValueEnum;

use super::values::Size;

/// What is offered or accepted, and how messages are compressed.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Compression (permessage-deflate, RFC 7692)")]
pub(super) struct DeflateArgs {
    /// Compress messages where the peer agrees; the default.
    #[arg(long, visible_alias = "compress", overrides_with = "no_deflate")]
    deflate: bool,
    /// Neither offer nor accept compression.
    #[arg(long, visible_alias = "no-compress")]
    no_deflate: bool,
    /// How hard to look for repetitions, 0 to 9.
    #[arg(long, value_name = "N", default_value_t = DeflateConfig::default().level,
          value_parser = clap::value_parser!(u8).range(0..=9))]
    deflate_level: u8,
    /// How much of a message to look at before a block is written, 1 to 9.
    #[arg(long, value_name = "N", default_value_t = DeflateConfig::default().memory_level,
          value_parser = clap::value_parser!(u8).range(1..=9))]
    deflate_memory_level: u8,
    /// Send messages shorter than this as they are.
    #[arg(long, value_name = "SIZE", default_value_t = Size(DeflateConfig::default().threshold))]
    deflate_threshold: Size,
    /// The largest window for messages that we send: 8 to 15 bits.
    #[arg(long, value_name = "BITS", default_value_t = WindowBits::MAX, value_parser = window)]
    deflate_send_window: WindowBits,
    /// What is kept between messages that we send.
    #[arg(long, value_enum, default_value_t = SendContextArg::Fresh)]
    deflate_send_context: SendContextArg,
    /// The largest window for messages that the peer sends: 8 to 15 bits [default: 12 for clients that can limit
    /// theirs, else 15].
    #[arg(long, value_name = "BITS", value_parser = window)]
    deflate_receive_window: Option<WindowBits>,
    /// What is kept between messages that the peer sends.
    #[arg(long, value_enum, default_value_t = ReceiveContextArg::Window)]
    deflate_receive_context: ReceiveContextArg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SendContextArg {
    /// Nothing: each message by itself.
    Fresh,
    /// The last bytes, as many as the window has.
    Window,
    /// A compressor for each connection.
    Compressor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReceiveContextArg {
    /// Nothing: the peer has to compress each message by itself. Not every peer does.
    Fresh,
    /// The last bytes, as many as the window has.
    Window,
}

impl DeflateArgs {
    pub(super) fn config(&self) -> Option<DeflateConfig> {
        if self.no_deflate {
            return None;
        }
        let mut config = DeflateConfig::default();
        config.level = self.deflate_level;
        config.memory_level = self.deflate_memory_level;
        config.threshold = self.deflate_threshold.0;
        config.send_window = self.deflate_send_window;
        config.send_context = match self.deflate_send_context {
            SendContextArg::Fresh => SendContext::Fresh,
            SendContextArg::Window => SendContext::Window,
            SendContextArg::Compressor => SendContext::Compressor,
        };
        config.receive_window = self.deflate_receive_window;
        config.receive_context = match self.deflate_receive_context {
            ReceiveContextArg::Fresh => ReceiveContext::Fresh,
            ReceiveContextArg::Window => ReceiveContext::Window,
        };
        Some(config)
    }
}

/// Describes what was agreed, for people.
pub(super) fn agreed(params: Option<DeflateParams>) -> String {
    params.map_or_else(|| "no compression".to_owned(), |params| params.to_extension().to_string())
}

/// Describes what is wrong with a server's answer, and which flag would have avoided it.
pub(super) fn faulty(error: DeflateAnswerError) -> String {
    let rule = error.rule();
    match error.setting() {
        // The flags have the names of the fields.
        Some(setting) => format!(
            "the server's answer is faulty: {rule}; --deflate-{} asked for that, --no-deflate asks for nothing",
            setting.replace('_', "-")
        ),
        None => format!("the server's answer is faulty: {rule}; --no-deflate goes without compression"),
    }
}

fn window(text: &str) -> Result<WindowBits, &'static str> {
    text.parse().ok().and_then(WindowBits::new).ok_or("use a number of bits from 8 to 15")
}
