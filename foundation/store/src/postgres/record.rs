//! The rows of clients and replies on PostgreSQL: what they say to a call, how its row is claimed
//! before its program runs, and filled when it has run.

use super::link::{Fault, int, int_or_none};
use super::{Postgres, words};
use crate::reply::{Found, Rest, STARTED, TOMBSTONE, UNKNOWN, is_over};
use crate::statement as sql;
use crate::store::Begun;
use crate::{Call, Client, Id, Kept, Key, Reply, Row, Serial, Stored, Trouble, Value};

/// What the rows say to a call.
pub(super) enum Judged {
    /// Nothing. Its client, where it has a row.
    Open(Option<Known>),
    /// That this run has started it, to act outside of the store.
    Started(Started),
    /// All but that it may be carried out.
    Said(Begun<'static>),
}

/// A client as its row stands.
pub(super) struct Known {
    pub(super) no: i64,
    is: Standing,
}

/// A call that was started by this run.
pub(super) struct Started {
    /// Its client; none of a key.
    pub(super) client: Option<Known>,
    /// Its row.
    pub(super) row: String,
}

/// Where a call's row stands.
pub(super) struct Place {
    of: Of,
    /// The row itself, as the server finds it without looking for it: what is looked for in an
    /// index counts as read, and meets every call that writes beside it.
    row: String,
}

enum Of {
    Serial { client: i64, serial: i64, lowest: i64, client_is: Standing },
    Key([u8; 16]),
}

/// What a call means to its client's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It has no reply yet.
    New,
    /// Nothing of it is confirmed by this call.
    Known,
    /// Replies of it are.
    Confirming,
}

/// What came of the claim of a row.
pub(super) enum Claimed {
    Ours(Place),
    /// There is one, or the epoch is another one.
    Nothing,
    Running,
}

/// Where in an answer a reply's row begins: after epoch and client, and after the epoch alone.
const REPLY_OF_SERIAL: usize = 8;
const REPLY_OF_KEY: usize = 3;
/// Where in a reply's row it is said where that stands.
const ROW: usize = 10;

pub(super) fn bytes(bytes: &[u8]) -> Value {
    Value::Blob(bytes.to_vec())
}

pub(super) fn who(client: &Client) -> [Value; 2] {
    [bytes(&client.digest), client.incarnation.into()]
}

/// After a program has run in the session a statement of ours that means nothing is its doing: it
/// costs the unit of work, and not the engine.
pub(super) fn blamed(trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::Broken(why) => Trouble::Gone(why),
        other => other,
    }
}

/// What a row that is there says to a call.
fn said(call: &Call, stored: Option<Stored>) -> Begun<'static> {
    match (stored, &call.id) {
        (Some(stored), _) if stored.content == call.content => Begun::Stored(stored),
        (Some(_), _) => Begun::OtherContent,
        (None, Id::Serial(_)) => Begun::Expired,
        (None, Id::Key(_)) => Begun::Forgotten,
    }
}

pub(super) fn found(row: &[Value]) -> Result<Found, Trouble> {
    let kind = int(row, 0)?;
    if kind == TOMBSTONE {
        return Ok(Found { kind, rest: None });
    }
    let number = |place| int(row, place);
    let blob = |place: usize| match row.get(place) {
        Some(Value::Blob(bytes)) => Some(bytes.clone()),
        _ => None,
    };
    let long = match (row.get(8), blob(9)) {
        (Some(Value::Text(content_type)), Some(data)) => Some((content_type.clone(), data)),
        _ => None,
    };
    let rest = Rest {
        service: number(1)?,
        interface: number(2)?,
        content: blob(3).unwrap_or_default(),
        attempt: number(4)?,
        at: number(5)?,
        status: number(6)?,
        short: blob(7),
        long,
    };
    Ok(Found { kind, rest: Some(rest) })
}

/// The reply's row in an answer, where there is one. What its client has confirmed goes after the
/// commit that says so, and counts as gone from then on.
fn reply_in(id: &Id, row: &[Value]) -> Result<Option<Found>, Trouble> {
    let from = match id {
        Id::Key(_) => REPLY_OF_KEY,
        Id::Serial(_) => REPLY_OF_SERIAL,
    };
    match row.get(from) {
        None | Some(Value::Null) => Ok(None),
        Some(kind) if !is_open(kind) && is_confirmed(id, row)? => Ok(None),
        Some(_) => found(&row[from..]).map(Some),
    }
}

/// Whether a row of this kind has no reply that a client could have confirmed.
pub(super) fn is_open(kind: &Value) -> bool {
    matches!(kind, Value::Integer(STARTED | UNKNOWN))
}

/// Whether a call is below the highest *lowest* that its client has told.
fn is_confirmed(id: &Id, row: &[Value]) -> Result<bool, Trouble> {
    let Id::Serial(serial) = id else { return Ok(false) };
    Ok(int_or_none(row, 5)?.is_some_and(|lowest| serial.serial() < lowest))
}

/// The client in an answer about a serial, where it has a row.
fn known_in(row: &[Value]) -> Result<Option<Known>, Trouble> {
    let Some(no) = int_or_none(row, 3)? else { return Ok(None) };
    let is = match int(row, 6)? {
        ..0 => Standing::New,
        0 => Standing::Known,
        1.. => Standing::Confirming,
    };
    Ok(Some(Known { no, is }))
}

impl Postgres {
    /// The row that says all of a call: epoch, client, reply.
    fn row_of(&mut self, id: &Id) -> Result<Option<Row>, Trouble> {
        let mut values = vec![self.claim.group.as_str().into(), self.claim.member.as_str().into()];
        let text = match id {
            Id::Key(key) => {
                values.push(bytes(&key.0));
                sql::JUDGE_KEY
            }
            Id::Serial(serial) => {
                values.extend(who(serial.client()));
                values.extend([serial.serial().into(), serial.lowest().into()]);
                sql::JUDGE_SERIAL
            }
        };
        Ok(self.read(text, &values)?.pop())
    }

    /// What is committed of a call now.
    pub(super) fn judge(&mut self, call: &Call) -> Result<Judged, Trouble> {
        let row = self.row_of(&call.id)?;
        self.owns(row.as_deref())?;
        let row = row.unwrap_or_default();
        if let Some(found) = reply_in(&call.id, &row)? {
            return self.judged_by(call, &row, found);
        }
        let Id::Serial(serial) = &call.id else { return Ok(Judged::Open(None)) };
        let open = match known_in(&row)? {
            Some(known) => {
                let over = serial.serial() <= int(&row, 4)? || is_confirmed(&call.id, &row)?;
                (!over).then_some(Some(known))
            }
            None => Some(None),
        };
        // Also of a client whose row is there: it may have been made anew just now.
        let lives = int_or_none(&row, 7)?.is_none_or(|floor| serial.client().incarnation > floor);
        Ok(open.filter(|_| lives).map_or(Judged::Said(Begun::Expired), Judged::Open))
    }

    /// What a row that is there says to a call.
    fn judged_by(&self, call: &Call, row: &[Value], found: Found) -> Result<Judged, Trouble> {
        let holder = found.rest.as_ref().and_then(|rest| rest.short.clone());
        Ok(match found.kept()? {
            Kept::Final(stored) => Judged::Said(said(call, Some(stored))),
            Kept::Tombstone | Kept::Nothing => Judged::Said(said(call, None)),
            Kept::Started(meant) | Kept::Unknown(meant) if meant.content != call.content => {
                Judged::Said(Begun::OtherContent)
            }
            Kept::Unknown(_) => Judged::Said(Begun::Unknown),
            // Another member is at it.
            Kept::Started(_) if holder.as_deref() != Some(self.name.as_bytes()) => {
                Judged::Said(Begun::Running)
            }
            Kept::Started(_) => {
                let (client, from) = match &call.id {
                    Id::Serial(_) => (known_in(row)?, REPLY_OF_SERIAL),
                    Id::Key(_) => (None, REPLY_OF_KEY),
                };
                let Some(Value::Text(row)) = row.get(from + ROW) else {
                    return Err(Trouble::Broken("a row stands nowhere".to_owned()));
                };
                Judged::Started(Started { client, row: row.clone() })
            }
        })
    }

    /// Inserts a call's row, which nobody sees before the commit, and which everybody waits for
    /// who inserts the same. The epoch is read by the same statement.
    pub(super) fn claim_row(
        &mut self,
        call: &Call,
        client: Option<Known>,
    ) -> Result<Claimed, Trouble> {
        let mut values = self.epoch_values();
        values.push(bytes(&call.content.0));
        let (text, of) = match &call.id {
            Id::Key(key) => {
                values.push(bytes(&key.0));
                (sql::CLAIM_KEY, Of::Key(key.0))
            }
            Id::Serial(serial) => {
                let Some(Known { no: client, is: client_is }) = client else {
                    return Ok(Claimed::Nothing);
                };
                let (serial, lowest) = (serial.serial(), serial.lowest());
                values.extend([client.into(), serial.into(), lowest.into()]);
                (sql::CLAIM_REPLY, Of::Serial { client, serial, lowest, client_is })
            }
        };
        self.claimed_by(text, &values, of)
    }

    /// Claims the row of a call that was started: its reply takes the place of that.
    pub(super) fn claim_started(
        &mut self,
        call: &Call,
        Started { client, row }: Started,
    ) -> Result<Claimed, Trouble> {
        let mut values = self.epoch_values();
        values.push(Value::Text(row));
        let (text, of) = match (&call.id, client) {
            (Id::Key(key), _) => {
                values.push(bytes(&key.0));
                (words::CLAIM_STARTED_KEYED, Of::Key(key.0))
            }
            (Id::Serial(serial), Some(Known { no: client, is: client_is })) => {
                let (serial, lowest) = (serial.serial(), serial.lowest());
                values.extend([client.into(), serial.into(), lowest.into()]);
                (words::CLAIM_STARTED_REPLY, Of::Serial { client, serial, lowest, client_is })
            }
            (Id::Serial(_), None) => return Ok(Claimed::Nothing),
        };
        self.claimed_by(text, &values, of)
    }

    /// Our epoch, as statements ask for it first.
    fn epoch_values(&self) -> Vec<Value> {
        let own = &self.claim;
        vec![
            own.group.as_str().into(),
            own.member.as_str().into(),
            crate::claim::column(own.epoch.incarnation).into(),
            crate::claim::column(own.epoch.counter).into(),
            own.run.into(),
        ]
    }

    fn claimed_by(&mut self, text: &str, values: &[Value], of: Of) -> Result<Claimed, Trouble> {
        match self.ask(text, values) {
            Ok(answer) => match answer.rows.into_iter().flatten().next() {
                Some(Value::Text(row)) => {
                    self.save();
                    Ok(Claimed::Ours(Place { of, row }))
                }
                _ => Ok(Claimed::Nothing),
            },
            Err(Fault::Locked) => Ok(Claimed::Running),
            Err(fault) => Err(self.ended(fault)),
        }
    }

    /// The client of a call, which is given its number where it has none yet.
    pub(super) fn client_of(
        &mut self,
        call: &Call,
        known: Option<Known>,
    ) -> Result<Option<Known>, Trouble> {
        let (Id::Serial(serial), None) = (&call.id, &known) else { return Ok(known) };
        match self.read(sql::FOUND_CLIENT, &who(serial.client()))?.pop() {
            Some(row) => Ok(Some(Known { no: int(&row, 0)?, is: Standing::New })),
            // Somebody else was faster.
            None => Err(Trouble::Again),
        }
    }

    /// Puts the reply into the row that was claimed.
    pub(super) fn fill(&mut self, place: &Place, reply: &Reply) -> Result<(), Trouble> {
        let mut values = self.reply_values(reply).map_err(blamed)?;
        values.push(place.row.as_str().into());
        let text = match place.of {
            Of::Key(key) => {
                values.push(bytes(&key));
                sql::FILL_KEYED
            }
            Of::Serial { client, serial, .. } => {
                values.extend([client.into(), serial.into()]);
                sql::FILL_REPLY
            }
        };
        let row = self.ours(text, &values).map_err(blamed)?.pop().unwrap_or_default();
        let (waits, name) = (row.first(), row.get(1));
        let why = match (waits, name) {
            (Some(Value::Text(waits)), Some(Value::Text(name)))
                if waits != "off" && *name == self.name =>
            {
                return Ok(());
            }
            (None, _) | (_, None) => "its row is not there",
            // A commit that does not wait for the disk, a session that is not found when it is
            // to be ended: no unit of work is committed so.
            (Some(_), Some(_)) => "its program has changed its session",
        };
        self.cut();
        Err(Trouble::Gone(why.to_owned()))
    }

    /// A reply as its row has it, with its body put where that belongs.
    pub(super) fn reply_values(&mut self, reply: &Reply) -> Result<Vec<Value>, Trouble> {
        let (mut body, mut long) = (Value::Null, Value::Null);
        if reply.is_short() {
            body = bytes(&reply.body);
        } else {
            let values = [reply.content_type.as_str().into(), bytes(&reply.body)];
            let rows = self.ours(sql::NEW_BODY, &values)?;
            long = int(rows.first().unwrap_or(&Row::new()), 0)?.into();
        }
        Ok(vec![
            Value::Integer(reply.ending as i64),
            reply.service.into(),
            reply.interface.into(),
            reply.attempt.into(),
            reply.at.into(),
            reply.status.into(),
            body,
            long,
        ])
    }

    /// Does to a client's rows what follows from a call that is committed: takes away what it has
    /// confirmed by it, or writes down when its first reply was written. What this misses counts
    /// as gone, and goes with the next. Not in the unit of work: two of one client would meet over
    /// the same rows.
    pub(super) fn follow(&mut self, place: &Place, at: i64) {
        let Of::Serial { client, lowest, client_is, .. } = place.of else { return };
        drop(match client_is {
            Standing::New => self.read(sql::FIRST_CALL, &[client.into(), at.into()]),
            Standing::Confirming => self.read(sql::DROP_CONFIRMED, &[client.into(), lowest.into()]),
            Standing::Known => return,
        });
    }

    pub(super) fn drop_body(&mut self, body: Option<i64>) -> Result<(), Trouble> {
        let Some(no) = body else { return Ok(()) };
        self.ours(sql::DROP_BODY, &[no.into()]).map(drop)
    }

    /// The durable reply of a call.
    pub(super) fn found(&mut self, id: &Id) -> Result<Option<Stored>, Trouble> {
        let row = self.row_of(id)?;
        let found = reply_in(id, &row.unwrap_or_default())?;
        found.map_or(Ok(None), Found::read)
    }

    /// Takes replies away that their client has, and keeps that they never come again.
    pub(super) fn confirmed(&mut self, id: &Id, at: i64) -> Result<bool, Trouble> {
        match id {
            Id::Key(key) => self.key_confirmed(key),
            Id::Serial(serial) => self.serials_confirmed(serial, at),
        }
    }

    fn serials_confirmed(&mut self, serial: &Serial, at: i64) -> Result<bool, Trouble> {
        let client = serial.client();
        let no = match self.ours(sql::CLIENT, &who(client))?.pop() {
            Some(row) => int(&row, 0)?,
            None => {
                let [who, incarnation] = who(client);
                let floor = self.ours(sql::FLOOR, std::slice::from_ref(&who))?.pop();
                let floor = floor.map(|row| int(&row, 0)).transpose()?;
                if floor.is_some_and(|floor| client.incarnation <= floor) {
                    return Ok(false);
                }
                let values = [who, incarnation, at.into()];
                let new = self.ours(sql::NEW_CLIENT, &values)?.pop();
                // One that somebody else has made just now is there when it is looked for again.
                int(&new.ok_or(Trouble::Again)?, 0)?
            }
        };
        self.ours(words::HEARD, &[no.into(), at.into(), serial.serial().into()])?;
        let dropped = [no.into(), serial.serial().saturating_add(1).into()];
        self.ours(sql::DROP_CONFIRMED, &dropped)?;
        Ok(true)
    }

    fn key_confirmed(&mut self, key: &Key) -> Result<bool, Trouble> {
        let values = [bytes(&key.0)];
        let Some(row) = self.ours(words::HELD_KEY, &values)?.pop() else { return Ok(false) };
        if !is_over(int(&row, 0)?) {
            return Ok(false);
        }
        self.ours(sql::BURY, &values)?;
        self.drop_body(int_or_none(&row, 1)?)?;
        Ok(true)
    }

    /// Takes a key out of the record.
    pub(super) fn forgotten(&mut self, key: &Key) -> Result<bool, Trouble> {
        let values = [bytes(&key.0)];
        let Some(row) = self.ours(words::HELD_KEY, &values)?.pop() else { return Ok(false) };
        let kind = int(&row, 0)?;
        if kind != TOMBSTONE && !is_over(kind) {
            return Ok(false);
        }
        self.ours(sql::FORGET, &values)?;
        self.drop_body(int_or_none(&row, 1)?)?;
        Ok(true)
    }
}
