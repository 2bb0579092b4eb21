//! The rows of services that are blocked, on PostgreSQL.

use super::Postgres;
use super::link::int;
use crate::statement as sql;
use crate::{Block, Trouble, Value};

impl Postgres {
    /// Whether that changes what is kept.
    pub(super) fn blocked(&mut self, service: i64, block: Option<&Block>) -> Result<bool, Trouble> {
        let rows = match block {
            Some(Block { who, why, at }) => {
                let values =
                    [service.into(), who.as_str().into(), why.as_str().into(), (*at).into()];
                self.ours(sql::KEEP_BLOCK, &values)?
            }
            None => self.ours(sql::DROP_BLOCK, &[service.into()])?,
        };
        Ok(!rows.is_empty())
    }

    pub(super) fn all_blocked(&mut self) -> Result<Vec<(i64, Block)>, Trouble> {
        let text = |value: Option<&Value>| match value {
            Some(Value::Text(text)) => text.clone(),
            _ => String::new(),
        };
        let read = |row: Vec<Value>| {
            let block = Block { who: text(row.get(1)), why: text(row.get(2)), at: int(&row, 3)? };
            Ok((int(&row, 0)?, block))
        };
        self.read(sql::BLOCKS, &[])?.into_iter().map(read).collect()
    }
}
