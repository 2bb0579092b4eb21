//! The rows of services that are blocked.

use rusqlite::params;

use super::Sqlite;
use crate::statement as sql;
use crate::{Block, Trouble};

impl Sqlite {
    /// Whether that changes what is kept.
    pub(super) fn blocked(&mut self, service: i64, block: Option<&Block>) -> Result<bool, Trouble> {
        self.ours(|connection| match block {
            Some(Block { who, why, at }) => {
                let mut keep = connection.prepare_cached(sql::KEEP_BLOCK)?;
                keep.exists(params![service, who, why, at])
            }
            None => connection.prepare_cached(sql::DROP_BLOCK)?.exists([service]),
        })
    }

    pub(super) fn all_blocked(&mut self) -> Result<Vec<(i64, Block)>, Trouble> {
        self.ours(|connection| {
            let mut all = connection.prepare_cached(sql::BLOCKS)?;
            let rows = all.query_map([], |row| {
                Ok((row.get(0)?, Block { who: row.get(1)?, why: row.get(2)?, at: row.get(3)? }))
            })?;
            rows.collect()
        })
    }
}
