//! What the workers of a service are.

use std::sync::Arc;

use tsugi_frames::{Bytes, File, Limits, Reply, Service};
use tsugi_worker::Spawn;

use super::log::Log;
use crate::worker::Said;

/// How the body of a call becomes the parameters of a program, and what that gives back a body.
pub trait Bodies: Send + Sync {
    /// The parameters.
    ///
    /// # Errors
    /// Why it cannot be given to the program; its call ends abnormally. Whoever admits a call has
    /// looked at its body before, so this is met by a body of a former interface at most.
    fn parameters(&self, body: &[u8]) -> Result<Vec<Vec<u8>>, String>;

    /// What the caller is told.
    ///
    /// # Errors
    /// Why the program cannot have meant this; its call ends abnormally.
    fn said(&self, reply: &Reply<'_>) -> Result<Said, String>;
}

/// The body is the one parameter, byte by byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// What the body of a reply is.
    pub content_type: String,
}

impl Bodies for Whole {
    fn parameters(&self, body: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        Ok(vec![body.to_vec()])
    }

    fn said(&self, reply: &Reply<'_>) -> Result<Said, String> {
        let body = reply.parameters.first().map(|one| one.to_vec()).unwrap_or_default();
        Ok(Said { content_type: self.content_type.clone(), body })
    }
}

/// The body is the records of all parameters, one behind the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records {
    /// How long each is, in bytes.
    pub lengths: Vec<u32>,
}

impl Bodies for Records {
    fn parameters(&self, body: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        let whole: u64 = self.lengths.iter().copied().map(u64::from).sum();
        if whole != body.len() as u64 {
            return Err(format!("a body of {} bytes, not {whole}", body.len()));
        }
        let mut rest = body;
        let parameter = |length: &u32| {
            let length = usize::try_from(*length).unwrap_or(usize::MAX).min(rest.len());
            let (one, behind) = rest.split_at(length);
            rest = behind;
            one.to_vec()
        };
        Ok(self.lengths.iter().map(parameter).collect())
    }

    fn said(&self, reply: &Reply<'_>) -> Result<Said, String> {
        let fits = |(one, length): (&Bytes<'_>, &u32)| one.len() as u64 == u64::from(*length);
        let all = reply.parameters.len() == self.lengths.len();
        if !all || !reply.parameters.iter().zip(&self.lengths).all(fits) {
            let lengths: Vec<_> = reply.parameters.iter().map(|one| one.len()).collect();
            return Err(format!("parameters {lengths:?}, not {:?}", self.lengths));
        }
        let body = reply.parameters.iter().flat_map(|one| one.to_vec()).collect();
        Ok(Said { content_type: "application/octet-stream".to_owned(), body })
    }
}

/// What the workers of one service are: a shared library, modules of COBOL or a command, by what
/// is started.
#[derive(Clone)]
pub struct Package {
    /// The process: its program, its user and limits, and where it runs.
    pub spawn: Spawn,
    /// How much of everything fits.
    pub limits: Limits,
    /// The services that the program holds, in the order of their indices from 0.
    pub services: Vec<Service<'static>>,
    /// The index of the one that is called.
    pub called: u16,
    /// The files that they may open.
    pub files: Vec<File<'static>>,
    /// How bodies become parameters and back.
    pub bodies: Arc<dyn Bodies>,
    /// Takes what its programs log.
    pub log: Log,
}

impl Package {
    /// One whose program takes the body as it is, needs to be told of no service and of no file,
    /// and whose log nobody reads.
    #[must_use]
    pub fn new(spawn: Spawn, content_type: &str) -> Self {
        Self {
            spawn,
            limits: Limits::DEFAULT,
            services: Vec::new(),
            called: 0,
            files: Vec::new(),
            bodies: Arc::new(Whole { content_type: content_type.to_owned() }),
            log: Arc::new(|_| {}),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_cut_and_joined_by_their_lengths_alone() {
        let records = Records { lengths: vec![2, 0, 3] };
        let cut = records.parameters(b"abcde").expect("it fits");
        assert_eq!(cut, [b"ab".to_vec(), vec![], b"cde".to_vec()]);
        for wrong in ["", "abcd", "abcdef"] {
            let why = records.parameters(wrong.as_bytes()).expect_err("it does not fit");
            assert_eq!(why, format!("a body of {} bytes, not 5", wrong.len()));
        }
        let reply = |parts: &[&'static [u8]]| Reply {
            return_code: 0,
            parameters: parts.iter().map(|part| (*part).into()).collect(),
        };
        let said = records.said(&reply(&[b"ab", b"", b"cde"])).expect("it fits");
        assert_eq!(said.body, b"abcde");
        for wrong in [&[b"ab".as_slice(), b"cde"][..], &[b"abc", b"", b"de"], &[]] {
            records.said(&reply(wrong)).expect_err("it does not fit");
        }
    }
}
