//! A connection to PostgreSQL, as far as a client that commits rows needs it: the simple query
//! protocol, version 3. One row a call; a call that is repeated finds its row or commits it.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// What a volume begins with.
pub const TABLE: &str = "create table rows (serial bigint primary key, node text not null)";
const VERSION_3: u32 = 196_608;
/// No message that is of interest here is longer.
const LONGEST: usize = 1 << 24;

/// An open connection.
#[derive(Debug)]
pub struct Connection(TcpStream);

/// Rows of an answer, each with its first column.
type First = Vec<String>;

impl Connection {
    /// Opens one, all within `limit`.
    ///
    /// # Errors
    /// Nobody listens, or whoever does is not ready.
    pub fn open(to: SocketAddr, limit: Duration) -> io::Result<Self> {
        let end = Instant::now() + limit;
        let stream = TcpStream::connect_timeout(&to, limit)?;
        stream.set_nodelay(true)?;
        let mut connection = Self(stream);
        let mut body = VERSION_3.to_be_bytes().to_vec();
        body.extend_from_slice(b"user\0postgres\0database\0postgres\0\0");
        connection.send(None, &body)?;
        connection.answer(end).map(|_| connection)
    }

    /// Commits the row of this serial, unless it is there. Says which node committed it.
    ///
    /// # Errors
    /// No answer within `limit`: whether it was committed is not known.
    pub fn commit(&mut self, serial: u64, limit: Duration) -> io::Result<String> {
        // Both in one transaction: when the answer comes, the row is on the disk.
        let rows = self.ask(
            &format!(
                "insert into rows values ({serial}, \
                 trim(pg_read_file('/proc/sys/kernel/hostname'), E'\\n')) \
                 on conflict do nothing; select node from rows where serial = {serial}"
            ),
            limit,
        )?;
        rows.into_iter().next().ok_or_else(|| odd("the row is not there"))
    }

    /// Every row, read from the table itself and not by way of its index.
    ///
    /// # Errors
    /// No answer within `limit`.
    pub fn serials(&mut self, limit: Duration) -> io::Result<Vec<u64>> {
        let rows = self.ask(
            "set enable_indexscan = off; set enable_indexonlyscan = off; \
             set enable_bitmapscan = off; select serial from rows order by serial",
            limit,
        )?;
        rows.iter().map(|text| text.parse().map_err(|_| odd("no serial"))).collect()
    }

    fn ask(&mut self, text: &str, limit: Duration) -> io::Result<First> {
        let end = Instant::now() + limit;
        self.send(Some(b'Q'), &[text.as_bytes(), &[0]].concat())?;
        self.answer(end)
    }

    fn send(&mut self, kind: Option<u8>, body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(body.len() + 4).map_err(|_| odd("too long"))?;
        let mut message: Vec<u8> = kind.into_iter().collect();
        message.extend_from_slice(&length.to_be_bytes());
        message.extend_from_slice(body);
        self.0.write_all(&message)
    }

    /// Reads until the server waits for the next query.
    fn answer(&mut self, end: Instant) -> io::Result<First> {
        let (mut rows, mut refused) = (First::new(), None);
        loop {
            let (kind, body) = self.message(end)?;
            match kind {
                b'Z' => return refused.map_or(Ok(rows), |why: String| Err(odd(&why))),
                b'D' => rows.extend(first_column(&body)),
                // In the middle of the way in nothing follows an error.
                b'E' => {
                    let why = String::from_utf8_lossy(&body).replace('\0', " ");
                    if why.contains("FATAL") {
                        return Err(odd(&why));
                    }
                    refused = Some(why);
                }
                b'R' if body != [0; 4] => return Err(odd("asks for a password")),
                _ => {}
            }
        }
    }

    fn message(&mut self, end: Instant) -> io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        self.read(&mut head, end)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let length = length.checked_sub(4).filter(|length| *length <= LONGEST);
        let mut body = vec![0; length.ok_or_else(|| odd("no message"))?];
        self.read(&mut body, end)?;
        Ok((head[0], body))
    }

    fn read(&mut self, mut into: &mut [u8], end: Instant) -> io::Result<()> {
        while !into.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.0.set_read_timeout(Some(left))?;
            match self.0.read(into) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => into = &mut into[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn first_column(body: &[u8]) -> Option<String> {
    let length = u32::from_be_bytes(body.get(2..6)?.try_into().ok()?) as usize;
    Some(String::from_utf8_lossy(body.get(6..6 + length)?).into_owned())
}

fn odd(why: &str) -> io::Error {
    io::Error::other(why.trim().to_owned())
}

/// What is wrong with the rows that are there, where these calls were answered: one that is not
/// there, or one that is there twice. `there` is sorted.
#[must_use]
pub fn unlike(answered: impl IntoIterator<Item = u64>, there: &[u64]) -> Vec<String> {
    let lost = answered.into_iter().filter(|serial| there.binary_search(serial).is_err());
    let mut wrong: Vec<String> =
        lost.map(|serial| format!("the answered commit of row {serial} is gone")).collect();
    let twice = there.windows(2).filter(|two| two[0] == two[1]);
    wrong.extend(twice.map(|two| format!("row {} is there twice", two[0])));
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_gone_or_twice_there_is_found() {
        assert!(unlike([1, 2, 4], &[1, 2, 3, 4]).is_empty(), "one more may have been committed");
        assert_eq!(unlike([1, 2], &[1]).len(), 1);
        assert_eq!(unlike([1, 2], &[1, 2, 2]).len(), 1);
    }

    #[test]
    fn the_first_column_of_a_row_is_read() {
        assert_eq!(first_column(b"\0\x01\0\0\0\x02n1").unwrap(), "n1");
        assert_eq!(first_column(b"\0\x01\0\0\0\x09n1"), None);
    }
}
