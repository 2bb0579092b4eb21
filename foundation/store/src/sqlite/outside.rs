//! Calls that act outside the store: started, unknown, resolved.

use rusqlite::{OptionalExtension as _, params};

use super::Sqlite;
use super::record::{Verdict, known};
use crate::reply::{STARTED, UNKNOWN};
use crate::statement as sql;
use crate::{Call, Content, Id, Reply, Trouble};

impl Sqlite {
    /// Keeps that a call is about to act outside, where nothing is under its id.
    pub(super) fn kept_start(
        &mut self,
        call: &Call,
        interface: i64,
        at: i64,
    ) -> Result<bool, Trouble> {
        let Verdict::New(client) = self.verdict(call)? else { return Ok(false) };
        self.clients.forget_of(&call.id);
        match &call.id {
            Id::Key(key) => self.ours(|connection| {
                let values = params![key.0, interface, call.content.0, at];
                connection.prepare_cached(sql::START_KEYED)?.execute(values)
            })?,
            Id::Serial(serial) => {
                let no = match client {
                    Some(no) => no,
                    None => self.new_client(serial.client(), at)?,
                };
                self.ours(|connection| {
                    let (serial, lowest) = (serial.serial(), serial.lowest());
                    let values = params![no, serial, lowest, interface, call.content.0, at];
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
