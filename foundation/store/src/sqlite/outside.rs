//! Calls that act outside the store: started, unknown, resolved.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::Sqlite;
use super::record::{Verdict, known};
use crate::reply::{STARTED, UNKNOWN};
use crate::statement as sql;
use crate::{Call, Client, Content, Id, Key, Reply, Request, Serial, Trouble};

impl Sqlite {
    /// Keeps that a call is about to act outside, where nothing is under its id.
    pub(super) fn kept_start(&mut self, call: &Call, request: &Request) -> Result<bool, Trouble> {
        let Request { service, interface, epoch, attempt, at, body } = request;
        let Verdict::New(client) = self.verdict(call)? else { return Ok(false) };
        self.clients.forget_of(&call.id);
        match &call.id {
            Id::Key(key) => self.ours(|connection| {
                let content = call.content.0;
                let values = params![key.0, service, interface, content, attempt, at, epoch, body];
                connection.prepare_cached(sql::START_KEYED)?.execute(values)
            })?,
            Id::Serial(serial) => {
                let no = match client {
                    Some(no) => no,
                    None => self.new_client(serial.client(), *at)?,
                };
                self.ours(|connection| {
                    let (serial, lowest) = (serial.serial(), serial.lowest());
                    let content = call.content.0;
                    let values = params![
                        no, serial, lowest, service, interface, content, attempt, at, epoch, body
                    ];
                    connection.prepare_cached(sql::START_REPLY)?.execute(values)
                })?
            }
        };
        Ok(true)
    }

    /// Keeps that a call which was started is unknown.
    pub(super) fn kept_interrupted(&mut self, id: &Id) -> Result<bool, Trouble> {
        self.clients.forget_of(id);
        let changed = match id {
            Id::Key(key) => self.ours(|connection| {
                connection.prepare_cached(sql::INTERRUPT_KEYED)?.execute([key.0])
            })?,
            Id::Serial(serial) => self.ours(|connection| {
                let Some(client) = known(connection, serial.client())? else { return Ok(0) };
                let values = params![client.no, serial.serial()];
                connection.prepare_cached(sql::INTERRUPT_REPLY)?.execute(values)
            })?,
        };
        Ok(changed > 0)
    }

    /// Takes the row away that says that a call was started.
    pub(super) fn drop_started(&mut self, id: &Id) -> Result<(), Trouble> {
        self.drop_open(id, STARTED).map(drop)
    }

    fn drop_open(&mut self, id: &Id, kind: i64) -> Result<bool, Trouble> {
        self.clients.forget_of(id);
        let gone = match id {
            Id::Key(key) => self.ours(|connection| {
                connection.prepare_cached(sql::DROP_OPEN_KEYED)?.execute(params![key.0, kind])
            })?,
            Id::Serial(serial) => self.ours(|connection| {
                let Some(client) = known(connection, serial.client())? else { return Ok(0) };
                let values = params![client.no, serial.serial(), kind];
                connection.prepare_cached(sql::DROP_OPEN_REPLY)?.execute(values)
            })?,
        };
        Ok(gone > 0)
    }

    /// What an unknown call counts as from now on.
    pub(super) fn resolved(&mut self, id: &Id, reply: Option<&Reply>) -> Result<bool, Trouble> {
        let Some((client, content)) = self.unknown(id)? else { return Ok(false) };
        if let (Id::Serial(serial), Some(no)) = (id, client) {
            // Its row may be the only one that says that the client lives.
            self.ours(|connection| {
                let values = params![no, serial.serial()];
                connection.prepare_cached(sql::HEARD_BY)?.execute(values)
            })?;
        }
        self.drop_open(id, UNKNOWN)?;
        if let Some(reply) = reply {
            let call = Call { id: id.clone(), content };
            self.write_reply((&call, client), reply)?;
        }
        Ok(true)
    }

    /// The client and the content of a call that is unknown.
    fn unknown(&mut self, id: &Id) -> Result<Option<(Option<i64>, Content)>, Trouble> {
        type Row = (i64, [u8; 16]);
        let (client, row): (Option<i64>, Option<Row>) = self.ours(|connection| match id {
            Id::Key(key) => {
                let mut row = connection.prepare_cached(sql::OPEN_KEYED)?;
                let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
                Ok((None, row.query_row([key.0], read).optional()?))
            }
            Id::Serial(serial) => {
                let Some(client) = known(connection, serial.client())? else {
                    return Ok((None, None));
                };
                let mut row = connection.prepare_cached(sql::OPEN_REPLY)?;
                let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
                let values = params![client.no, serial.serial()];
                Ok((Some(client.no), row.query_row(values, read).optional()?))
            }
        })?;
        let unknown = row.filter(|(kind, _)| *kind == UNKNOWN);
        Ok(unknown.map(|(_, content)| (client, Content(content))))
    }
}

/// The unknown calls of a service, at most so many.
pub(super) fn unknown(
    connection: &Connection,
    service: i64,
    most: i64,
) -> rusqlite::Result<Vec<Id>> {
    let mut replies = connection.prepare_cached(sql::UNKNOWN_REPLIES)?;
    let counted = replies.query_map([service, most], |row| {
        let client = Client { digest: row.get(0)?, incarnation: row.get(1)? };
        Ok((row.get(3)?, Serial::new(client, row.get(2)?, 1).ok().map(Id::Serial)))
    })?;
    let mut all: Vec<(i64, Option<Id>)> = counted.collect::<rusqlite::Result<_>>()?;
    let mut keys = connection.prepare_cached(sql::UNKNOWN_KEYS)?;
    let keyed =
        keys.query_map([service, most], |row| Ok((row.get(1)?, Some(Id::Key(Key(row.get(0)?))))))?;
    all.extend(keyed.collect::<rusqlite::Result<Vec<_>>>()?);
    Ok(crate::request::oldest(all, most))
}

/// What an unknown call asks.
pub(super) fn asked(connection: &Connection, id: &Id) -> rusqlite::Result<Option<Request>> {
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Request {
            service: row.get(0)?,
            interface: row.get(1)?,
            epoch: row.get(2)?,
            attempt: row.get(3)?,
            at: row.get(4)?,
            body: row.get(5)?,
        })
    };
    match id {
        Id::Key(key) => {
            connection.prepare_cached(sql::ASKED_KEYED)?.query_row([key.0], read).optional()
        }
        Id::Serial(serial) => {
            let Client { digest, incarnation } = serial.client();
            let values = params![digest, incarnation, serial.serial()];
            connection.prepare_cached(sql::ASKED_REPLY)?.query_row(values, read).optional()
        }
    }
}
