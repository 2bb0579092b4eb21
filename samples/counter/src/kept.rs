//! The last replies, by call id: a retry gets the reply that was given, never a second number.

use std::collections::{BTreeMap, VecDeque};

/// Who calls, and which of its calls this is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId {
    /// The caller's own name.
    pub client: String,
    /// Counts the caller's calls.
    pub serial: u64,
}

/// A reply as it was given: the whole line, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The call it answers.
    pub call: CallId,
    /// The number the call was given.
    pub number: u64,
    /// The line, byte for byte.
    pub line: String,
}

/// What is known of a call id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known<'a> {
    /// Answered before with this line.
    Answered(&'a Reply),
    /// So old that its reply is no longer kept: it may have been answered, so it gets no number.
    Forgotten,
    /// Not seen yet.
    New,
}

/// The last `limit` replies, and for each client the highest serial that was dropped.
#[derive(Debug)]
pub(crate) struct Kept {
    limit: usize,
    by_call: BTreeMap<CallId, Reply>,
    by_age: VecDeque<CallId>,
    dropped: BTreeMap<String, u64>,
}

impl Kept {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            by_call: BTreeMap::new(),
            by_age: VecDeque::new(),
            dropped: BTreeMap::new(),
        }
    }

    pub(crate) fn find(&self, call: &CallId) -> Known<'_> {
        if let Some(reply) = self.by_call.get(call) {
            return Known::Answered(reply);
        }
        match self.dropped.get(&call.client) {
            Some(highest) if call.serial <= *highest => Known::Forgotten,
            Some(_) | None => Known::New,
        }
    }

    pub(crate) fn keep(&mut self, reply: Reply) {
        self.by_age.push_back(reply.call.clone());
        self.by_call.insert(reply.call.clone(), reply);
        while self.by_age.len() > self.limit {
            let Some(oldest) = self.by_age.pop_front() else { break };
            self.by_call.remove(&oldest);
            self.note_dropped(oldest.client, oldest.serial);
        }
    }

    /// Remembers that calls of `client` up to `serial` may have been answered and forgotten.
    pub(crate) fn note_dropped(&mut self, client: String, serial: u64) {
        // Clients that went away long ago must not fill the volume.
        if self.dropped.len() >= self.limit && !self.dropped.contains_key(&client) {
            self.dropped.pop_first();
        }
        let highest = self.dropped.entry(client).or_default();
        *highest = serial.max(*highest);
    }

    pub(crate) fn replies(&self) -> impl Iterator<Item = &Reply> {
        self.by_age.iter().filter_map(|call| self.by_call.get(call))
    }

    pub(crate) fn dropped(&self) -> impl Iterator<Item = (&str, u64)> {
        self.dropped.iter().map(|(client, serial)| (client.as_str(), *serial))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(client: &str, serial: u64) -> Reply {
        let call = CallId { client: client.into(), serial };
        Reply { call, number: serial, line: format!("{serial} n1 {client} {serial}") }
    }

    #[test]
    fn a_call_whose_reply_was_dropped_gets_no_second_number() {
        let mut kept = Kept::new(2);
        for serial in 1..=3 {
            kept.keep(reply("a", serial));
        }
        let ask = |serial| CallId { client: "a".into(), serial };
        assert_eq!(kept.find(&ask(1)), Known::Forgotten);
        assert_eq!(kept.find(&ask(2)), Known::Answered(&reply("a", 2)));
        assert_eq!(kept.find(&ask(4)), Known::New);
        assert_eq!(kept.find(&CallId { client: "b".into(), serial: 1 }), Known::New);
    }
}
