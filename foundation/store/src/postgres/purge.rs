//! What is too old on PostgreSQL, taken away in portions. The watermark rises in the same
//! transaction: what is no longer stored must never look as if it had not been carried out.

use super::link::{int, int_or_none};
use super::record::bytes;
use super::{Postgres, words};
use crate::reply::is_over;
use crate::statement as sql;
use crate::store::{Cursor, Portion};
use crate::{Key, Trouble, Value};

impl Postgres {
    /// Looks at one portion: how many rows went, and where the next begins.
    pub(super) fn purged(&mut self, portion: &Portion) -> Result<(usize, Cursor), Trouble> {
        let first = (i64::MIN, i64::MIN);
        match portion.from {
            Cursor::Start => self.purge_replies(first, portion),
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
        let (rows, before) = (portion.rows.into(), portion.before.into());
        let values = [client.into(), serial.into(), rows, before];
        let Some(row) = self.ours(words::PURGE_REPLIES, &values)?.pop() else {
            return Ok((0, Cursor::KeysStart));
        };
        let gone = usize::try_from(int(&row, 0)?).unwrap_or(0);
        Ok((gone, Cursor::Replies(int(&row, 1)?, int(&row, 2)?)))
    }

    fn purge_keys(&mut self, after: &[u8], portion: &Portion) -> Result<(usize, Cursor), Trouble> {
        let values = [bytes(after), portion.rows.into()];
        let (mut gone, mut next) = (0, Cursor::Clients(i64::MIN));
        for row in self.ours(sql::WALK_KEYS, &values)? {
            let key = match row.first() {
                Some(Value::Blob(key)) => key.clone().try_into().ok(),
                _ => None,
            };
            let Some(key) = key else {
                return Err(Trouble::Broken("a key is not as long as a key".to_owned()));
            };
            next = Cursor::Keys(Key(key));
            let at = int_or_none(&row, 2)?;
            if !is_over(int(&row, 1)?) || at.is_none_or(|at| at >= portion.before) {
                continue;
            }
            self.ours(sql::BURY, &[bytes(&key)])?;
            self.drop_body(int_or_none(&row, 3)?)?;
            gone += 1;
        }
        Ok((gone, next))
    }

    fn purge_clients(&mut self, after: i64, portion: &Portion) -> Result<(usize, Cursor), Trouble> {
        let values = [after.into(), portion.rows.into()];
        let (mut gone, mut next) = (0, Cursor::End);
        for row in self.ours(sql::WALK_CLIENTS, &values)? {
            let no = int(&row, 0)?;
            next = Cursor::Clients(no);
            if int(&row, 4)? != 0 || int(&row, 1)?.abs() >= portion.before {
                continue;
            }
            self.ours(sql::RAISE_FLOOR, &row[2..4])?;
            self.ours(sql::DROP_CLIENT, &[no.into()])?;
            gone += 1;
        }
        Ok((gone, next))
    }
}
