//! The receivers of a message that goes to many.

use super::id::ConnId;

/// An audience: all connections, or the subscribers of a topic; optionally without one of them; here or everywhere.
///
/// ```
/// use bowsprit::event_loop::{ConnId, Context, To};
/// use bowsprit::message::Message;
///
/// fn say(cx: &mut Context<()>, speaker: ConnId, text: &str) {
///     cx.publish(To::all(), text);
///     cx.publish(To::topic("kitchen").except(speaker).everywhere(), Message::Text(text));
///     cx.publish("kitchen", text); // a name alone is a topic
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct To<'a> {
    pub(super) topic: Option<&'a str>,
    pub(super) except: Option<ConnId>,
    pub(super) everywhere: bool,
    pub(super) key: Option<&'a str>,
}

impl<'a> To<'a> {
    /// Selects every open connection of the loop.
    pub const fn all() -> Self {
        Self { topic: None, except: None, everywhere: false, key: None }
    }

    /// Selects the connections of the loop that have [subscribed](super::Context::subscribe) to this topic.
    pub const fn topic(topic: &'a str) -> Self {
        Self { topic: Some(topic), except: None, everywhere: false, key: None }
    }

    /// Excludes this connection of the loop, such as the sender of the message.
    #[must_use]
    pub const fn except(mut self, id: ConnId) -> Self {
        self.except = Some(id);
        self
    }

    /// Adds a key: for a slow reader the message replaces a waiting message of the same key; see
    /// [`Context::send_latest`](super::Context::send_latest). Keys are shared by all loops of the group and all nodes
    /// that the message reaches, so messages that must not replace each other need keys that differ between nodes. A
    /// connection that [follows](super::Context::replay) a history gets all messages.
    #[must_use]
    pub const fn latest(mut self, key: &'a str) -> Self {
        self.key = Some(key);
        self
    }

    /// Includes the other loops of the group ([`Loops`](super::Loops)), and every other node if there is a backplane.
    #[must_use]
    pub const fn everywhere(mut self) -> Self {
        self.everywhere = true;
        self
    }
}

impl<'a> From<&'a str> for To<'a> {
    fn from(topic: &'a str) -> Self {
        Self::topic(topic)
    }
}

impl<'a> From<&'a String> for To<'a> {
    fn from(topic: &'a String) -> Self {
        Self::topic(topic)
    }
}
