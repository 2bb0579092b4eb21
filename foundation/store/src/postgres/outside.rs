//! Calls that act outside the store on PostgreSQL: started, unknown, resolved. A row that says that
//! a call was started names the run that did it: members of a group are beside each other, and only
//! what a run that is over has started is unknown.

use super::link::{int, int_or_none};
use super::record::{Judged, bytes, who};
use super::{Isolation, Postgres, words};
use crate::statement as sql;
use crate::{Call, Client, Id, Key, Reply, Request, Row, Serial, Trouble, Value};

/// Where among the values of a reply the number of its body is.
const LONG_BODY: usize = 7;

impl Postgres {
    /// Keeps that a call is about to act outside, where nothing is under its id. It is looked
    /// before, and again while the row is held: as for a call that is claimed.
    pub(super) fn kept_start(&mut self, call: &Call, request: &Request) -> Result<bool, Trouble> {
        let Judged::Open(client) = self.judge(call)? else { return Ok(false) };
        let client = self.client_of(call, client)?.map(|client| client.no);
        let name = bytes(self.name.as_bytes());
        let (content, interface) = (bytes(&call.content.0), request.interface.into());
        let (at, numbers) = (request.at.into(), [request.service, request.attempt, request.epoch]);
        let asked = numbers.map(Value::Integer).into_iter().chain([bytes(&request.body)]);
        let (text, values): (_, Vec<Value>) = match (&call.id, client) {
            (Id::Key(key), _) => {
                let values = [bytes(&key.0), interface, content, at, name];
                (words::START_KEYED, values.into_iter().chain(asked).collect())
            }
            (Id::Serial(serial), Some(client)) => {
                let numbers = [client, serial.serial(), serial.lowest()].map(Value::Integer);
                let rest = [interface, content, at, name];
                (words::START_REPLY, numbers.into_iter().chain(rest).chain(asked).collect())
            }
            (Id::Serial(_), None) => return Ok(false),
        };
        self.changing(&call.id, |session| {
            if session.ours(text, &values)?.is_empty() {
                return Ok(false);
            }
            match session.judge(call)? {
                Judged::Open(_) => Ok(true),
                // It was carried out, and confirmed, between the two.
                Judged::Said(_) | Judged::Started(_) => Err(Trouble::Again),
            }
        })
    }

    /// Keeps that a call which this run has started is unknown.
    pub(super) fn kept_interrupted(&mut self, id: &Id) -> Result<bool, Trouble> {
        let name = bytes(self.name.as_bytes());
        let rows = match id {
            Id::Key(key) => self.ours(words::INTERRUPT_KEYED, &[bytes(&key.0), name])?,
            Id::Serial(serial) => {
                let [who, incarnation] = who(serial.client());
                let values = [who, incarnation, serial.serial().into(), name];
                self.ours(words::INTERRUPT_REPLY, &values)?
            }
        };
        Ok(!rows.is_empty())
    }

    /// What runs of this member have started is unknown from now on: none of them is left.
    pub(super) fn former_are_unknown(&mut self, member: &str) -> Result<(), Trouble> {
        let started = [bytes(member.as_bytes())];
        self.alone(Isolation::Committed, |session| {
            session.ours(words::DROP_CHANGES, &[member.into()])?;
            session.ours(words::INTERRUPT_REPLIES, &started)?;
            session.ours(words::INTERRUPT_KEYS, &started).map(drop)
        })
    }

    /// The unknown calls of a service, at most so many.
    pub(super) fn all_unknown(&mut self, service: i64, most: i64) -> Result<Vec<Id>, Trouble> {
        let values = [service.into(), most.into()];
        let mut all = Vec::new();
        for row in self.read(sql::UNKNOWN_REPLIES, &values)? {
            let client = Client { digest: digest(&row)?, incarnation: int(&row, 1)? };
            let serial = Serial::new(client, int(&row, 2)?, 1);
            all.push((int(&row, 3)?, serial.ok().map(Id::Serial)));
        }
        for row in self.read(sql::UNKNOWN_KEYS, &values)? {
            all.push((int(&row, 1)?, Some(Id::Key(Key(digest(&row)?)))));
        }
        Ok(crate::request::oldest(all, most))
    }

    /// What an unknown call asks.
    pub(super) fn asked_of(&mut self, id: &Id) -> Result<Option<Request>, Trouble> {
        let row = match id {
            Id::Key(key) => self.read(sql::ASKED_KEYED, &[bytes(&key.0)])?.pop(),
            Id::Serial(serial) => {
                let [who, incarnation] = who(serial.client());
                let values = [who, incarnation, serial.serial().into()];
                self.read(sql::ASKED_REPLY, &values)?.pop()
            }
        };
        let Some(row) = row else { return Ok(None) };
        let body = match row.get(5) {
            Some(Value::Blob(body)) => body.clone(),
            _ => return Err(Trouble::Broken("a request has no body".to_owned())),
        };
        let [service, interface, epoch, attempt, at] =
            [int(&row, 0)?, int(&row, 1)?, int(&row, 2)?, int(&row, 3)?, int(&row, 4)?];
        Ok(Some(Request { service, interface, epoch, attempt, at, body }))
    }

    /// What an unknown call counts as from now on.
    pub(super) fn resolved(&mut self, id: &Id, reply: Option<&Reply>) -> Result<bool, Trouble> {
        let mut values = match reply {
            Some(reply) => self.reply_values(reply)?,
            None => Vec::new(),
        };
        let text = match (id, reply) {
            (Id::Key(_), None) => words::DROP_UNKNOWN_KEYED,
            (Id::Key(_), Some(_)) => words::ANSWER_UNKNOWN_KEYED,
            (Id::Serial(_), None) => words::DROP_UNKNOWN_REPLY,
            (Id::Serial(_), Some(_)) => words::ANSWER_UNKNOWN_REPLY,
        };
        match id {
            Id::Key(key) => values.push(bytes(&key.0)),
            Id::Serial(serial) => {
                values.extend(who(serial.client()));
                values.push(serial.serial().into());
            }
        }
        let found = !self.ours(text, &values)?.is_empty();
        if let (false, Some(_)) = (found, reply) {
            // The body that was put down for it is of nobody.
            self.drop_body(int_or_none(&values, LONG_BODY)?)?;
        }
        Ok(found)
    }
}

/// The digest that a row begins with.
fn digest(row: &Row) -> Result<[u8; 16], Trouble> {
    let bytes = match row.first() {
        Some(Value::Blob(bytes)) => bytes.as_slice().try_into().ok(),
        _ => None,
    };
    bytes.ok_or_else(|| Trouble::Broken("an id is not as long as an id".to_owned()))
}
