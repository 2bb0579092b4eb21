//! What a monitor of the lab asks: a sample and a service beside it, as the report's monitor asked
//! the directory service. Whoever answers one line with another is well.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;

use crate::Trouble;

/// Asks each once whether it answers; one that hangs is waited for.
///
/// # Errors
/// Nobody listens, or the answer is none.
pub fn ask(all: &[SocketAddr]) -> Result<ExitCode, Trouble> {
    for at in all {
        let mut stream = TcpStream::connect(at)?;
        stream.write_all(b"PING\n")?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer)?;
        if answer != *b"PONG" {
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Answers whoever asks, until it is killed.
///
/// # Errors
/// The port is in use.
pub fn run(at: SocketAddr) -> Result<ExitCode, Trouble> {
    let listener = TcpListener::bind(at)?;
    loop {
        // Whoever goes away in the middle asks again.
        let _gone = listener.accept().and_then(|(stream, _)| answer(stream));
    }
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut asked = [0; 5];
    stream.read_exact(&mut asked)?;
    stream.write_all(b"PONG\n")
}
