//! What is committed under an id and of its client, for who decides about the call.

use super::Postgres;
use super::link::{int, int_or_none};
use super::record::{bytes, found, is_open, who};
use crate::statement as sql;
use crate::{Id, Kept, LifeSeen, Seen, Serial, Trouble, Value};

/// Where the reply's row begins in an answer of [`sql::SEEN_SERIAL`].
const REPLY: usize = 5;

impl Postgres {
    /// What is durable under an id, and of its client.
    ///
    /// # Errors
    /// It could not be read.
    pub fn seen(&mut self, id: &Id) -> Result<Seen, Trouble> {
        match id {
            Id::Serial(serial) => self.serial_seen(serial),
            Id::Key(key) => {
                let row = self.read(sql::KEYED, &[bytes(&key.0)])?.pop();
                let kept = match row {
                    Some(row) => found(&row)?.kept()?,
                    None => Kept::Nothing,
                };
                Ok(Seen { kept, life: None, floor: None, clients: 0 })
            }
        }
    }

    fn serial_seen(&mut self, serial: &Serial) -> Result<Seen, Trouble> {
        let [who, incarnation] = who(serial.client());
        let values = [who, incarnation, serial.serial().into()];
        let row = self.read(sql::SEEN_SERIAL, &values)?.pop().unwrap_or_default();
        let floor = int_or_none(&row, 4)?;
        if int_or_none(&row, 0)?.is_none() {
            let count = self.read(sql::CLIENTS, &[])?.pop().unwrap_or_default();
            let clients = u64::try_from(int(&count, 0)?).unwrap_or(0);
            return Ok(Seen { kept: Kept::Nothing, life: None, floor, clients });
        }
        // A row that tells a lowest is not among those that it confirms: the highest *lowest* is
        // the end of a watermark as well.
        let told = int_or_none(&row, 2)?.map_or(0, |lowest| lowest - 1);
        let watermark = int(&row, 1)?.max(told);
        let highest = int_or_none(&row, 3)?.unwrap_or(0).max(watermark);
        let kept = match row.get(REPLY) {
            None | Some(Value::Null) => Kept::Nothing,
            // What its client has confirmed goes after the commit that says so.
            Some(kind) if !is_open(kind) && serial.serial() <= told => Kept::Nothing,
            Some(_) => found(&row[REPLY..])?.kept()?,
        };
        Ok(Seen { kept, life: Some(LifeSeen { watermark, highest }), floor, clients: 0 })
    }
}
