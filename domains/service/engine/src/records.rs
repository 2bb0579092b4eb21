//! The interface of a program that is called with records: JSON outside, bytes inside.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use tsugi_record::parameters::Parameters;
use tsugi_record::unfit::{DoesNotFit, Misfit};
use tsugi_service_rules::id::{Content, InterfaceNumber};
use tsugi_service_rules::refusal::{Busy, Refusal};

use crate::service::{Interface, NoReply, Read};
use crate::worker::{Gave, Given, Returned, Said};

/// What a body of a reply is.
const JSON: &str = "application/json";

/// Bodies and replies are JSON objects, with a member for each parameter of the program.
///
/// Two bodies say the same where the program is handed the same values for what its caller fills:
/// the order of names, `1` and `1.0`, an item that is not there and its spaces or zeros make no
/// difference, where the interface takes them at all.
#[derive(Clone, Debug)]
pub struct Records {
    number: InterfaceNumber,
    now: Parameters,
    handed: Handed,
    former: BTreeMap<InterfaceNumber, Parameters>,
}

/// How a program is given the records of its parameters, and gives them back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handed {
    /// Each for itself.
    Apart,
    /// As one record: one behind the other.
    Together,
}

impl Records {
    /// The interface of now, by the number under which the store knows it, and former ones: the
    /// bodies of calls that are kept were read by them.
    #[must_use]
    pub fn new(
        (number, now): (InterfaceNumber, Parameters),
        former: BTreeMap<InterfaceNumber, Parameters>,
    ) -> Self {
        Self { number, now, handed: Handed::Apart, former }
    }

    /// The same for a program that has one body: its parameters are one record.
    #[must_use]
    pub fn together(self) -> Self {
        Self { handed: Handed::Together, ..self }
    }

    /// These records as its program takes them.
    fn handed(&self, records: impl Iterator<Item = Arc<[u8]>>) -> Given {
        match self.handed {
            Handed::Apart => records.collect(),
            Handed::Together => Given::body(records.collect::<Vec<_>>().concat().into()),
        }
    }

    /// The records of what a program gave back.
    fn apart(&self, gave: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, NoReply> {
        if self.handed == Handed::Apart {
            return Ok(gave);
        }
        let lengths = self.now.list().iter().map(|one| one.layout.bytes());
        let lengths: Vec<_> =
            lengths.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)).collect();
        let found: usize = gave.iter().map(Vec::len).sum();
        let expected: usize = lengths.iter().sum();
        let ([record], true) = (&gave[..], found == expected) else {
            let why = format!("a record of {found} bytes in place of {expected}");
            return Err(NoReply { field: String::new(), why });
        };
        let mut rest = &record[..];
        let mut records = Vec::with_capacity(lengths.len());
        for length in lengths {
            let (one, behind) = rest.split_at(length);
            records.push(one.to_vec());
            rest = behind;
        }
        Ok(records)
    }
}

impl Interface for Records {
    fn read(&self, service: &str, body: &Arc<[u8]>) -> Result<Read, Refusal> {
        let records = self.now.given(body).map_err(unfit)?;
        let content = content(&self.now, service, (self.number, &records))?;
        // What only the program fills is the same bytes for all: it takes no room for this body.
        let size = self.now.own_bytes().max(body.len() as u64);
        let given = self.handed(records.into_iter());
        Ok(Read { content, given, size })
    }

    fn former(
        &self,
        service: &str,
        body: &[u8],
        interface: InterfaceNumber,
    ) -> Result<Content, Refusal> {
        let of = if interface == self.number { Some(&self.now) } else { None };
        // Of what nobody can read any more nobody can say that it is the same, nor that it is not.
        let unread = Refusal::Busy(Busy::NotComparable);
        let of = of.or_else(|| self.former.get(&interface)).ok_or(unread)?;
        // It is not the same where that interface would not have taken it.
        let records = of.given(body).map_err(|_| Refusal::OtherBody)?;
        content(of, service, (interface, &records))
    }

    fn called(&self, records: Vec<Vec<u8>>) -> Result<Given, Refusal> {
        let list = self.now.list();
        if list.len() != records.len() {
            let why = format!("{} parameters, not {}", records.len(), list.len());
            return Err(Refusal::DoesNotFit { field: String::new(), why });
        }
        let lengths = list.iter().map(|parameter| parameter.layout.bytes() as usize);
        let mut unfit = list.iter().zip(lengths).zip(&records);
        match unfit.find(|((_, length), record)| *length != record.len()) {
            None => Ok(self.handed(records.into_iter().map(Arc::from))),
            Some(((parameter, length), record)) => {
                let why = format!("{} bytes, not {length}", record.len());
                Err(Refusal::DoesNotFit { field: parameter.json.clone(), why })
            }
        }
    }

    fn returned(&self, returned: Returned) -> Result<Returned, NoReply> {
        Ok(Returned { records: self.apart(returned.records)?, ..returned })
    }

    fn reply(&self, gave: Gave) -> Result<Said, NoReply> {
        let records = match gave {
            Gave::Parameters(returned) => self.apart(returned.records)?,
            Gave::Body(said) => {
                let why = format!("{} in place of records", said.content_type);
                return Err(NoReply { field: String::new(), why });
            }
        };
        let body = self.now.answer(&records).map_err(|unfit| {
            let why = why(&unfit.why);
            NoReply { field: unfit.path, why }
        })?;
        Ok(Said { content_type: JSON.to_owned(), body: body.into_bytes() })
    }
}

fn content(
    parameters: &Parameters,
    service: &str,
    (interface, records): (InterfaceNumber, &[Arc<[u8]>]),
) -> Result<Content, Refusal> {
    let digest = parameters.content(service, records).map_err(unfit)?.0;
    Ok(Content { interface, digest })
}

fn unfit(unfit: DoesNotFit) -> Refusal {
    match unfit.why {
        Misfit::Large { bytes, most } => {
            Refusal::TooLarge { size: bytes as u64, most: most as u64 }
        }
        misfit => Refusal::DoesNotFit { field: unfit.path, why: why(&misfit) },
    }
}

/// The word of a misfit and what belongs to it, as JSON: sentences are made of it by whoever
/// speaks with people.
fn why(misfit: &impl Serialize) -> String {
    serde_json::to_string(misfit).unwrap_or_default()
}
