//! One caller's connection: bytes in, requests out, replies back.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use super::held::Pace;
use crate::kept::CallId;

/// A line longer than this is no call.
const LONGEST_LINE: usize = 256;

/// What a caller asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// The next number, in its time.
    Call(CallId, Pace),
    /// Whether the program answers.
    Ping,
    /// Something else.
    Unknown,
}

/// One caller.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    waiting: Vec<u8>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> std::io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, waiting: Vec::new() })
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Hands over every whole line that has come; false when the caller has gone.
    pub(super) fn receive(&mut self, mut take: impl FnMut(Request)) -> bool {
        let mut buffer = [0; 4096];
        let open = loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => break false,
                Ok(count) => self.waiting.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break false,
            }
            if self.waiting.len() > 64 * 1024 {
                break true; // enough for one turn; the rest waits in the socket
            }
        };
        let mut from = 0;
        while let Some(end) = self.waiting[from..].iter().position(|byte| *byte == b'\n') {
            take(parse(&self.waiting[from..from + end]));
            from += end + 1;
        }
        self.waiting.drain(..from);
        if self.waiting.len() > LONGEST_LINE {
            take(Request::Unknown);
            return false;
        }
        open
    }

    /// Sends one line; false when the caller no longer takes it.
    pub(super) fn reply(&mut self, line: &str) -> bool {
        let mut bytes = Vec::with_capacity(line.len() + 1);
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        // A caller that does not read for so long that its buffer is full asks again elsewhere.
        matches!(self.stream.write(&bytes), Ok(count) if count == bytes.len())
    }
}

fn parse(line: &[u8]) -> Request {
    let Ok(text) = std::str::from_utf8(line) else { return Request::Unknown };
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    match words.as_slice() {
        ["PING"] => Request::Ping,
        ["CALL", client, serial, pace @ ..] if text.len() <= LONGEST_LINE => {
            match (serial.parse(), Pace::read(pace)) {
                (Ok(serial), Some(pace)) => {
                    Request::Call(CallId { client: (*client).into(), serial }, pace)
                }
                (Ok(_) | Err(_), _) => Request::Unknown,
            }
        }
        _ => Request::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_client_and_a_serial_make_a_call() {
        let call = CallId { client: "c".into(), serial: 7 };
        assert_eq!(parse(b"CALL c 7\r"), Request::Call(call.clone(), Pace::AtOnce));
        let slow = Pace::After(std::time::Duration::from_millis(150));
        assert_eq!(parse(b"CALL c 7 after 150"), Request::Call(call, slow));
        assert_eq!(parse(b"PING"), Request::Ping);
        for wrong in [
            "CALL c",
            "CALL c x",
            "CALL c -1",
            "call c 1",
            "",
            "CALL c 1 2",
            "CALL c 1 after",
            "CALL c 1 after x",
        ] {
            assert_eq!(parse(wrong.as_bytes()), Request::Unknown, "{wrong}");
        }
    }
}
