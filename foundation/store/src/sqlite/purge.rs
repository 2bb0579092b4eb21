//! What is too old, taken away in portions. The watermark rises in the same transaction: what is
//! no longer stored must never look as if it had not been carried out.

use rusqlite::params;

use super::Sqlite;
use crate::reply::is_over;
use crate::statement as sql;
use crate::store::{Cursor, Portion};
use crate::{Key, Trouble};

struct ReplyRow {
    client: i64,
    serial: i64,
    kind: i64,
    at: i64,
    body: Option<i64>,
}

struct ClientRow {
    no: i64,
    at: i64,
    who: Vec<u8>,
    incarnation: i64,
    used: bool,
}

type KeyRow = ([u8; 16], i64, Option<i64>, Option<i64>);

impl Sqlite {
    /// Looks at one portion: how many rows went, and where the next begins.
    pub(super) fn purged(&mut self, portion: &Portion) -> Result<(usize, Cursor), Trouble> {
        match portion.from {
            Cursor::Start => self.purge_replies((i64::MIN, i64::MIN), portion),
            Cursor::Replies(client, serial) => self.purge_replies((client, serial), portion),
            Cursor::KeysStart => self.purge_keys(&[], portion),
            Cursor::Keys(key) => self.purge_keys(&key.0, portion),
            Cursor::Clients(no) => self.purge_clients(no, portion),
            Cursor::End => Ok((0, Cursor::End)),
        }
    }

    fn purge_replies(
        &mut self,
        (client, serial): (i64, i64),
        portion: &Portion,
    ) -> Result<(usize, Cursor), Trouble> {
        let rows: Vec<ReplyRow> = self.ours(|connection| {
            let mut walk = connection.prepare_cached(sql::WALK_REPLIES)?;
            let read = |row: &rusqlite::Row<'_>| {
                Ok(ReplyRow {
                    client: row.get(0)?,
                    serial: row.get(1)?,
                    kind: row.get(2)?,
                    at: row.get(3)?,
                    body: row.get(4)?,
                })
            };
            walk.query_map(params![client, serial, portion.rows], read)?.collect()
        })?;
        let mut gone = 0;
        for row in &rows {
            if row.at >= portion.before || matches!(row.kind, 1 | 6) {
                continue;
            }
            self.clients.touch(row.client);
            self.ours(|connection| {
                let raised = params![row.client, row.serial];
                connection.prepare_cached(sql::RAISE_WATERMARK)?.execute(raised)?;
                let dropped = params![row.client, row.serial];
                connection.prepare_cached(sql::DROP_REPLY)?.execute(dropped)
            })?;
            self.drop_body(row.body)?;
            gone += 1;
        }
        let next =
            rows.last().map_or(Cursor::KeysStart, |row| Cursor::Replies(row.client, row.serial));
        Ok((gone, next))
    }

    fn purge_keys(&mut self, after: &[u8], portion: &Portion) -> Result<(usize, Cursor), Trouble> {
        let rows: Vec<KeyRow> = self.ours(|connection| {
            let mut walk = connection.prepare_cached(sql::WALK_KEYS)?;
            let read =
                |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
            walk.query_map(params![after, portion.rows], read)?.collect()
        })?;
        let mut gone = 0;
        for (key, kind, at, body) in &rows {
            if !is_over(*kind) || at.is_none_or(|at| at >= portion.before) {
                continue;
            }
            self.ours(|connection| connection.prepare_cached(sql::BURY)?.execute([key]))?;
            self.drop_body(*body)?;
            gone += 1;
        }
        let next = rows.last().map_or(Cursor::Clients(i64::MIN), |row| Cursor::Keys(Key(row.0)));
        Ok((gone, next))
    }

    fn purge_clients(&mut self, after: i64, portion: &Portion) -> Result<(usize, Cursor), Trouble> {
        let rows: Vec<ClientRow> = self.ours(|connection| {
            let mut walk = connection.prepare_cached(sql::WALK_CLIENTS)?;
            let read = |row: &rusqlite::Row<'_>| {
                Ok(ClientRow {
                    no: row.get(0)?,
                    at: row.get(1)?,
                    who: row.get(2)?,
                    incarnation: row.get(3)?,
                    used: row.get::<_, i64>(4)? != 0,
                })
            };
            walk.query_map(params![after, portion.rows], read)?.collect()
        })?;
        let mut gone = 0;
        for row in rows.iter().filter(|row| !row.used && row.at < portion.before) {
            // Also what is known of its other lives.
            self.clients.forget_all();
            self.ours(|connection| {
                let floor = params![row.who, row.incarnation];
                connection.prepare_cached(sql::RAISE_FLOOR)?.execute(floor)?;
                connection.prepare_cached(sql::DROP_CLIENT)?.execute([row.no])?;
                connection.prepare_cached(sql::COUNT_CLIENT)?.execute([-1])
            })?;
            gone += 1;
        }
        let next = rows.last().map_or(Cursor::End, |row| Cursor::Clients(row.no));
        Ok((gone, next))
    }
}
