//! Who gets a message that is for many.

use super::id::ConnId;

/// An audience: all connections, or the subscribers of a topic; without one of them, if wished; here, or everywhere.
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
    /// Every open connection of the loop.
    pub const fn all() -> Self {
        Self { topic: None, except: None, everywhere: false, key: None }
    }

    /// The connections of the loop that have [subscribed](super::Context::subscribe) to this topic.
    pub const fn topic(topic: &'a str) -> Self {
        Self { topic: Some(topic), except: None, everywhere: false, key: None }
    }

    /// Without this connection, which is one of the loop: who has said something need not hear it.
    #[must_use]
    pub const fn except(mut self, id: ConnId) -> Self {
        self.except = Some(id);
        self
    }

    /// With a key: to a slow reader the message goes in place of the one of the same key that waits still; see
    /// [`Context::send_latest`](super::Context::send_latest). It counts in all loops of the group, and at all nodes that the
    /// message reaches: what must not replace each other needs keys that differ between nodes. A connection that
    /// [follows](super::Context::replay) a history gets all messages.
    #[must_use]
    pub const fn latest(mut self, key: &'a str) -> Self {
        self.key = Some(key);
        self
    }

    /// Also in the other loops of the group ([`Loops`](super::Loops)), and at every other node where there is a
    /// backplane.
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
