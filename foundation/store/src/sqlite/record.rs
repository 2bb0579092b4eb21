//! The rows of clients and replies: what they say to a call, and how one is written.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, ToSql, params};

use super::clients::{Confirms, Reached};
use super::{Sqlite, State};
use crate::reply::{Found, Rest, TOMBSTONE, is_over};
use crate::statement as sql;
use crate::{
    Call, Client, Content, Id, Kept, Key, LifeSeen, Reply, Row, Seat, Seen, Serial, Stored,
    Trouble, Value,
};

/// What the rows say to a call.
pub(super) enum Verdict {
    /// It was never carried out. Its client's number, where it has one.
    New(Option<i64>),
    /// That it acts outside is kept, and it may begin. Its client's number, where it has one.
    Started(Option<i64>),
    Unknown,
    Stored(Stored),
    Seated(Seat),
    OtherContent,
    Expired,
    Forgotten,
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// The values of a row.
pub(super) fn row_of(row: &rusqlite::Row<'_>, columns: usize) -> rusqlite::Result<Row> {
    (0..columns)
        .map(|place| {
            Ok(match row.get_ref(place)? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(number) => Value::Integer(number),
                ValueRef::Real(number) => Value::Real(number),
                ValueRef::Text(_) => Value::Text(row.get(place)?),
                ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
            })
        })
        .collect()
}

/// A client as its row stands.
pub(super) struct Known {
    pub(super) no: i64,
}

pub(super) fn known(connection: &Connection, client: &Client) -> rusqlite::Result<Option<Known>> {
    let mut row = connection.prepare_cached(sql::CLIENT)?;
    let values = params![client.digest, client.incarnation];
    row.query_row(values, |row| Ok(Known { no: row.get(0)? })).optional()
}

fn found(row: &rusqlite::Row<'_>) -> rusqlite::Result<Found> {
    let kind = row.get(0)?;
    if kind == TOMBSTONE {
        return Ok(Found { kind, rest: None });
    }
    let content_type: Option<String> = row.get(8)?;
    let long = match content_type {
        Some(content_type) => Some((content_type, row.get(9)?)),
        None => None,
    };
    let rest = Rest {
        service: row.get(1)?,
        interface: row.get(2)?,
        content: row.get(3)?,
        attempt: row.get(4)?,
        at: row.get(5)?,
        status: row.get(6)?,
        short: row.get(7)?,
        long,
    };
    Ok(Found { kind, rest: Some(rest) })
}

fn by_serial(connection: &Connection, no: i64, serial: i64) -> rusqlite::Result<Option<Found>> {
    connection.prepare_cached(sql::REPLY)?.query_row(params![no, serial], found).optional()
}

fn by_key(connection: &Connection, key: &Key) -> rusqlite::Result<Option<Found>> {
    connection.prepare_cached(sql::KEYED)?.query_row(params![key.0], found).optional()
}

/// The row of a call.
pub(super) fn find(connection: &Connection, id: &Id) -> rusqlite::Result<Option<Found>> {
    match id {
        Id::Key(key) => by_key(connection, key),
        Id::Serial(serial) => match known(connection, serial.client())? {
            Some(client) => by_serial(connection, client.no, serial.serial()),
            None => Ok(None),
        },
    }
}

/// What is kept under an id and of its client, and the number of that; the inner error is of a row
/// that means nothing.
pub(super) fn seen(
    connection: &Connection,
    id: &Id,
) -> rusqlite::Result<Result<(Seen, Option<i64>), Trouble>> {
    let kept = |found: Option<Found>| found.map_or(Ok(Kept::Nothing), Found::kept);
    let serial = match id {
        Id::Key(key) => {
            let found = by_key(connection, key)?;
            let of = |kept| (Seen { kept, life: None, floor: None, clients: 0 }, None);
            return Ok(kept(found).map(of));
        }
        Id::Serial(serial) => serial,
    };
    let (client, floor) = (serial.client(), floor(connection, serial.client())?);
    let Some((no, life)) = life(connection, client)? else {
        let mut count = connection.prepare_cached(sql::CLIENTS_KEPT)?;
        let clients = count.query_row([], |row| row.get(0))?;
        return Ok(Ok((Seen { kept: Kept::Nothing, life: None, floor, clients }, None)));
    };
    let found = by_serial(connection, no, serial.serial())?;
    let of = |kept| (Seen { kept, life: Some(life), floor, clients: 0 }, Some(no));
    Ok(kept(found).map(of))
}

/// A life of a client, by its number.
fn life(connection: &Connection, client: &Client) -> rusqlite::Result<Option<(i64, LifeSeen)>> {
    let mut row = connection.prepare_cached(sql::CLIENT_SEEN)?;
    let values = params![client.digest, client.incarnation];
    let read = |row: &rusqlite::Row<'_>| {
        let (lowest, highest): (Option<i64>, Option<i64>) = (row.get(2)?, row.get(3)?);
        let watermark = row.get::<_, i64>(1)?.max(lowest.unwrap_or(1) - 1);
        let highest = watermark.max(highest.unwrap_or(0));
        Ok((row.get(0)?, LifeSeen { watermark, highest }))
    };
    row.query_row(values, read).optional()
}

fn floor(connection: &Connection, client: &Client) -> rusqlite::Result<Option<i64>> {
    let mut floor = connection.prepare_cached(sql::FLOOR)?;
    floor.query_row([client.digest], |row| row.get(0)).optional()
}

/// What a row says to a call of this content; `gone` where its reply is no longer kept.
fn judged(kept: Kept, content: Content, client: Option<i64>, gone: Verdict) -> Verdict {
    match kept {
        Kept::Final(stored) if stored.content == content => Verdict::Stored(stored),
        Kept::Started(meant) if meant.content == content => Verdict::Started(client),
        Kept::Unknown(meant) if meant.content == content => Verdict::Unknown,
        Kept::Final(_) | Kept::Started(_) | Kept::Unknown(_) => Verdict::OtherContent,
        Kept::Tombstone | Kept::Nothing => gone,
    }
}

impl Sqlite {
    /// What the rows say to a call, in the sitting that its unit of work would stand in.
    pub(super) fn verdict(&mut self, call: &Call) -> Result<Verdict, Trouble> {
        match &call.id {
            Id::Key(key) => {
                let Some(found) = self.ours(|connection| by_key(connection, key))? else {
                    return Ok(Verdict::New(None));
                };
                let kept = self.readable(found)?;
                Ok(judged(kept, call.content, None, Verdict::Forgotten))
            }
            Id::Serial(serial) => self.verdict_on_serial(serial, call.content),
        }
    }

    fn verdict_on_serial(&mut self, serial: &Serial, content: Content) -> Result<Verdict, Trouble> {
        let client = serial.client();
        if let Some(reached) = self.clients.in_sitting(client)
            && reached.is_new(serial.serial())
        {
            return Ok(Verdict::New(Some(reached.no)));
        }
        let floor = self.ours(|connection| floor(connection, client))?;
        let Some((no, life)) = self.ours(|connection| life(connection, client))? else {
            let over = floor.is_some_and(|floor| client.incarnation <= floor);
            return Ok(if over { Verdict::Expired } else { Verdict::New(None) });
        };
        self.clients.reached(client, Reached::found(no, life, floor));
        let row = self.ours(|connection| by_serial(connection, no, serial.serial()))?;
        match row {
            Some(found) => {
                let kept = self.readable(found)?;
                Ok(judged(kept, content, Some(no), Verdict::Expired))
            }
            None if serial.serial() <= life.watermark => Ok(Verdict::Expired),
            None => Ok(Verdict::New(Some(no))),
        }
    }

    fn readable(&mut self, found: Found) -> Result<Kept, Trouble> {
        found.kept().inspect_err(|unreadable| {
            self.state = State::Broken(unreadable.to_string());
        })
    }

    /// Writes a reply beside the effects of its unit, and takes away what its client has
    /// confirmed with it.
    pub(super) fn write_reply(
        &mut self,
        (call, client): (&Call, Option<i64>),
        reply: &Reply,
    ) -> Result<(), Trouble> {
        let short = reply.is_short();
        let long: Option<i64> = if short {
            None
        } else {
            Some(self.ours(|connection| {
                let mut new = connection.prepare_cached(sql::NEW_BODY)?;
                new.query_row(params![reply.content_type, reply.body], |row| row.get(0))
            })?)
        };
        let body = short.then_some(&reply.body);
        match &call.id {
            Id::Key(key) => self.ours(|connection| {
                connection.prepare_cached(sql::NEW_KEYED)?.execute(params![
                    key.0,
                    reply.ending as i64,
                    reply.service,
                    reply.interface,
                    call.content.0,
                    reply.attempt,
                    reply.at,
                    reply.status,
                    body,
                    long,
                ])
            })?,
            Id::Serial(serial) => {
                let no = match client {
                    Some(no) => no,
                    None => self.known_from_now(serial.client(), reply.at)?,
                };
                self.ours(|connection| {
                    connection.prepare_cached(sql::NEW_REPLY)?.execute(params![
                        no,
                        serial.serial(),
                        reply.ending as i64,
                        serial.lowest(),
                        reply.service,
                        reply.interface,
                        call.content.0,
                        reply.attempt,
                        reply.at,
                        reply.status,
                        body,
                        long,
                    ])
                })?;
                let before = self.clients.in_sitting(serial.client());
                let confirms = before.as_ref().map(|reached| reached.confirms(serial.lowest()));
                let gone = match confirms.unwrap_or(Confirms::All) {
                    Confirms::Nothing => 0,
                    Confirms::Short => self.drop_short(no, serial.lowest())?,
                    Confirms::All => self.drop_confirmed(no, serial.lowest())?,
                };
                let stored = Stored { content: call.content, reply: reply.clone() };
                self.clients.replied(before, serial, stored);
                gone
            }
        };
        Ok(())
    }

    /// Gives a client a number that calls for the first time, and knows it from now on.
    fn known_from_now(&mut self, client: &Client, at: i64) -> Result<i64, Trouble> {
        let floor = self.ours(|connection| floor(connection, client))?;
        let no = self.new_client(client, at)?;
        self.clients.reached(client, Reached::new(no, floor));
        Ok(no)
    }

    pub(super) fn new_client(&mut self, client: &Client, at: i64) -> Result<i64, Trouble> {
        self.ours(|connection| {
            let mut new = connection.prepare_cached(sql::NEW_CLIENT)?;
            let values = params![client.digest, client.incarnation, at];
            let no = new.query_row(values, |row| row.get(0))?;
            connection.prepare_cached(sql::COUNT_CLIENT)?.execute([1])?;
            Ok(no)
        })
    }

    /// As [`Self::drop_confirmed`], of replies whose bodies stand in their own rows.
    fn drop_short(&mut self, client: i64, lowest: i64) -> Result<usize, Trouble> {
        self.ours(|connection| {
            connection.prepare_cached(sql::CONFIRMED_SHORT)?.execute(params![client, lowest])
        })
    }

    fn drop_confirmed(&mut self, client: i64, lowest: i64) -> Result<usize, Trouble> {
        let bodies: Vec<Option<i64>> = self.ours(|connection| {
            let mut confirmed = connection.prepare_cached(sql::CONFIRMED)?;
            let bodies = confirmed.query_map(params![client, lowest], |row| row.get(0))?;
            bodies.collect()
        })?;
        for body in bodies.iter().copied() {
            self.drop_body(body)?;
        }
        Ok(bodies.len())
    }

    pub(super) fn drop_body(&mut self, body: Option<i64>) -> Result<(), Trouble> {
        let Some(no) = body else { return Ok(()) };
        self.ours(|connection| connection.prepare_cached(sql::DROP_BODY)?.execute([no]))?;
        Ok(())
    }

    /// Takes replies away that their client has, and keeps that they never come again.
    pub(super) fn confirmed(&mut self, id: &Id, at: i64) -> Result<bool, Trouble> {
        match id {
            Id::Key(key) => self.key_confirmed(key),
            Id::Serial(serial) => self.serials_confirmed(serial, at),
        }
    }

    fn serials_confirmed(&mut self, serial: &Serial, at: i64) -> Result<bool, Trouble> {
        let client = serial.client();
        let no = match self.ours(|connection| known(connection, client))? {
            Some(known) => known.no,
            None => {
                let floor = self.ours(|connection| floor(connection, client))?;
                if floor.is_some_and(|floor| client.incarnation <= floor) {
                    return Ok(false);
                }
                self.new_client(client, at)?
            }
        };
        self.clients.forget(client);
        self.ours(|connection| {
            // What is confirmed leaves no reply by whose age the client would be known to live.
            connection.prepare_cached(sql::HEARD)?.execute(params![no, at])?;
            let values = params![no, serial.serial()];
            connection.prepare_cached(sql::RAISE_WATERMARK)?.execute(values)
        })?;
        self.drop_confirmed(no, serial.serial().saturating_add(1))?;
        Ok(true)
    }

    fn key_confirmed(&mut self, key: &Key) -> Result<bool, Trouble> {
        let row: Option<(i64, Option<i64>)> = self.ours(|connection| {
            let mut row = connection.prepare_cached(sql::BODY_OF_KEYED)?;
            row.query_row([key.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })?;
        let Some((_, body)) = row.filter(|(kind, _)| is_over(*kind)) else { return Ok(false) };
        self.ours(|connection| connection.prepare_cached(sql::BURY)?.execute([key.0]))?;
        self.drop_body(body)?;
        Ok(true)
    }

    /// Takes a key out of the record.
    pub(super) fn forgotten(&mut self, key: &Key) -> Result<bool, Trouble> {
        let row: Option<(i64, Option<i64>)> = self.ours(|connection| {
            let mut row = connection.prepare_cached(sql::BODY_OF_KEYED)?;
            row.query_row([key.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })?;
        let Some((kind, body)) = row else { return Ok(false) };
        if kind != TOMBSTONE && !is_over(kind) {
            return Ok(false);
        }
        self.ours(|connection| connection.prepare_cached(sql::FORGET)?.execute([key.0]))?;
        self.drop_body(body)?;
        Ok(true)
    }
}
