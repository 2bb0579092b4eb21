//! What each frame holds, in the order in which it stands there.

use crate::code::Code;
use crate::file::{FileOperation, FileResult, Record, Shape};
use crate::frame::{
    Answer, Ask, Begin, Call, Done, Failed, File, Frame, Hello, Key, Kind, Leave, Open, Outcome,
    Part, Ready, Reply, Rest, Rows, Service, Trouble, Welcome,
};
use crate::limits::Limits;
use crate::operation::{Asked, Number, Operation, Waits};
use crate::turn::Turn;
use crate::version::Versions;
use crate::wrong::Wrong;

use super::field::{Field, each};
use super::read::Reader;

macro_rules! fields {
    ($($type:ty: $name:ident { $($field:ident)* })*) => { $(
        impl<'a> Field<'a> for $type {
            fn write(&self, out: &mut Vec<u8>) {
                $(self.$field.write(out);)*
            }
            fn read(from: &mut Reader<'a>) -> Result<Self, Wrong> {
                Ok($name { $($field: Field::read(from)?,)* })
            }
        }
    )* };
}

fields! {
    Versions: Versions { lowest highest }
    Limits: Limits {
        frame record operations calls sql_text parameters rows answer log_line log_lines depth
    }
    Service<'a>: Service { index name module entry parameters layout }
    File<'a>: File { index name organization shortest longest keys }
    Key: Key { duplicates suppressed parts }
    Shape: Shape { organization shortest longest keys }
    Part: Part { offset length }
    Call<'a>: Call {
        service id parent client epoch attempt left_ms catalogue parameters
    }
    Reply<'a>: Reply { return_code parameters }
    Open: Open { slot file mode }
    FileResult<'a>: FileResult { status number records }
    Record<'a>: Record { number record }
}

/// Writes what follows the head.
pub(super) fn write(frame: &Frame<'_>, out: &mut Vec<u8>) {
    match frame {
        Frame::Welcome(welcome) => {
            welcome.versions.write(out);
            welcome.limits.write(out);
            welcome.group.write(out);
            welcome.node.write(out);
            welcome.code_page.write(out);
            welcome.time_zone.write(out);
            welcome.services.write(out);
            welcome.files.write(out);
        }
        Frame::Begin(begin) => begin.calls.iter().for_each(|call| call.write(out)),
        Frame::Answer(answer) => answer.results.iter().for_each(|result| result.write(out)),
        Frame::Leave(Leave {}) | Frame::Ready(Ready {}) => {}
        Frame::Hello(hello) => {
            hello.versions.write(out);
            hello.pid.write(out);
            hello.runs.write(out);
            hello.libcob.write(out);
            hello.can.write(out);
            hello.modules.write(out);
        }
        Frame::Ask(ask) => ask.operations.iter().for_each(|asked| asked.write(out)),
        Frame::Done(done) => {
            done.operations.iter().for_each(|asked| asked.write(out));
            done.replies.write(out);
            done.open.write(out);
        }
        Frame::Failed(failed) => {
            failed.class.write(out);
            failed.code.write(out);
            failed.text.write(out);
        }
    }
}

/// Reads what follows the head.
pub(super) fn read<'a>(
    kind: Kind,
    turn: Turn,
    count: u16,
    from: &mut Reader<'a>,
) -> Result<Frame<'a>, Wrong> {
    Ok(match kind {
        Kind::Welcome => {
            let versions = versions(from)?;
            Frame::Welcome(Welcome {
                versions,
                limits: Field::read(from)?,
                group: Field::read(from)?,
                node: Field::read(from)?,
                code_page: Field::read(from)?,
                time_zone: Field::read(from)?,
                services: Field::read(from)?,
                files: Field::read(from)?,
            })
        }
        Kind::Begin => Frame::Begin(Begin { turn, calls: each(count, from)? }),
        Kind::Answer => Frame::Answer(Answer { turn, results: each(count, from)? }),
        Kind::Leave => Frame::Leave(Leave {}),
        Kind::Hello => {
            let versions = versions(from)?;
            Frame::Hello(Hello {
                versions,
                pid: Field::read(from)?,
                runs: Field::read(from)?,
                libcob: Field::read(from)?,
                can: Field::read(from)?,
                modules: Field::read(from)?,
            })
        }
        Kind::Ready => Frame::Ready(Ready {}),
        Kind::Ask => Frame::Ask(Ask { turn, operations: each(count, from)? }),
        Kind::Done => Frame::Done(Done {
            turn,
            operations: each(count, from)?,
            replies: Field::read(from)?,
            open: Field::read(from)?,
        }),
        Kind::Failed => Frame::Failed(Failed {
            turn,
            class: Field::read(from)?,
            code: Field::read(from)?,
            text: Field::read(from)?,
        }),
    })
}

/// The first words of *hello* and *welcome* in every version: who speaks no version of ours is
/// refused by it, and nothing further is read.
fn versions(from: &mut Reader<'_>) -> Result<Versions, Wrong> {
    let theirs = Versions::read(from)?;
    Versions::CURRENT.common(theirs)?;
    Ok(theirs)
}

/// Writes something with its length before it.
fn measured(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let before = out.len();
    0_u32.write(out);
    write(out);
    let length = u32::try_from(out.len() - before - 4).unwrap_or(u32::MAX);
    out[before..before + 4].copy_from_slice(&length.to_le_bytes());
}

const NOBODY_WAITS: u8 = 1;

impl<'a> Field<'a> for Asked<'a> {
    fn write(&self, out: &mut Vec<u8>) {
        self.operation.number().number().write(out);
        match self.waits {
            Waits::Yes => 0_u8.write(out),
            Waits::No => NOBODY_WAITS.write(out),
        }
        self.slot.write(out);
        measured(out, |out| parameters(&self.operation, out));
    }

    fn read(from: &mut Reader<'a>) -> Result<Self, Wrong> {
        let number = u8::read(from)?;
        let number = Number::of(number).ok_or(Wrong::Operation(number))?;
        let waits = match u8::read(from)? {
            0 => Waits::Yes,
            NOBODY_WAITS => Waits::No,
            flags => return Err(Wrong::Flags(flags)),
        };
        let slot = u16::read(from)?;
        let length = u32::read(from)?;
        let mut part = from.part(usize::try_from(length).map_err(|_| Wrong::Short)?)?;
        let operation = operation(number, &mut part)?;
        from.end(&part)?;
        Ok(Asked { waits, slot, operation })
    }
}

fn parameters(operation: &Operation<'_>, out: &mut Vec<u8>) {
    match operation {
        Operation::Sql { text, rows } => {
            text.write(out);
            rows.write(out);
        }
        Operation::More { rows } => rows.write(out),
        Operation::Call { service, body } => {
            service.write(out);
            body.write(out);
        }
        Operation::Log { level, text } => {
            level.write(out);
            text.write(out);
        }
        Operation::Abort { text } => text.write(out),
        Operation::Put { queue, body, key } => {
            queue.write(out);
            body.write(out);
            key.write(out);
        }
        Operation::TimerSet { name, at_ms, service, body } => {
            name.write(out);
            at_ms.write(out);
            service.write(out);
            body.write(out);
        }
        Operation::TimerCancel { name } => name.write(out),
        Operation::Data { out: made } => made.write(out),
        Operation::File(file) => file_parameters(file, out),
        // Refused before anything is written.
        Operation::TooLarge(..) => {}
    }
}

fn file_parameters(file: &FileOperation<'_>, out: &mut Vec<u8>) {
    match file {
        FileOperation::Read { key, value } => {
            key.write(out);
            value.write(out);
        }
        FileOperation::Next { records, stand, edge, largest }
        | FileOperation::Previous { records, stand, edge, largest } => {
            records.write(out);
            stand.write(out);
            edge.write(out);
            largest.write(out);
        }
        FileOperation::Start { key, relation, value } => {
            key.write(out);
            relation.write(out);
            value.write(out);
        }
        FileOperation::Write { placing, place, record } => {
            placing.write(out);
            place.write(out);
            record.write(out);
        }
        FileOperation::Rewrite { meant, place, record } => {
            meant.write(out);
            place.write(out);
            record.write(out);
        }
        FileOperation::Delete { meant, place } => {
            meant.write(out);
            place.write(out);
        }
        FileOperation::Open { file, mode, access, optional, shape } => {
            file.write(out);
            mode.write(out);
            access.write(out);
            optional.write(out);
            shape.write(out);
        }
        FileOperation::Remove {} => {}
    }
}

fn operation<'a>(number: Number, from: &mut Reader<'a>) -> Result<Operation<'a>, Wrong> {
    macro_rules! take {
        ($($name:ident)::+ { $($field:ident)* }) => {
            $($name)::+ { $($field: Field::read(from)?,)* }
        };
    }
    Ok(match number {
        Number::Sql => take!(Operation::Sql { text rows }),
        Number::More => take!(Operation::More { rows }),
        Number::Call => take!(Operation::Call { service body }),
        Number::Log => take!(Operation::Log { level text }),
        Number::Abort => take!(Operation::Abort { text }),
        Number::Put => take!(Operation::Put { queue body key }),
        Number::TimerSet => take!(Operation::TimerSet { name at_ms service body }),
        Number::TimerCancel => take!(Operation::TimerCancel { name }),
        Number::Data => take!(Operation::Data { out }),
        Number::FileRead => Operation::File(take!(FileOperation::Read { key value })),
        Number::FileNext => {
            Operation::File(take!(FileOperation::Next { records stand edge largest }))
        }
        Number::FilePrevious => {
            Operation::File(take!(FileOperation::Previous { records stand edge largest }))
        }
        Number::FileStart => Operation::File(take!(FileOperation::Start { key relation value })),
        Number::FileWrite => Operation::File(take!(FileOperation::Write { placing place record })),
        Number::FileRewrite => {
            Operation::File(take!(FileOperation::Rewrite { meant place record }))
        }
        Number::FileDelete => Operation::File(take!(FileOperation::Delete { meant place })),
        Number::FileOpen => {
            Operation::File(take!(FileOperation::Open { file mode access optional shape }))
        }
        Number::FileRemove => Operation::File(FileOperation::Remove {}),
        Number::Info | Number::Left => return Err(Wrong::Operation(number.number())),
    })
}

const TROUBLE: u8 = 0;
const ROWS: u8 = 1;
const REPLY: u8 = 2;
const FILE: u8 = 3;
const MORE: u8 = 1;

impl<'a> Field<'a> for Outcome<'a> {
    fn write(&self, out: &mut Vec<u8>) {
        let (what, flags, code) = match self {
            Self::Trouble(trouble) => (TROUBLE, 0, trouble.code),
            Self::Rows(Rows { rest: Rest::More, .. }) => (ROWS, MORE, Code::Done),
            Self::Rows(_) => (ROWS, 0, Code::Done),
            Self::Reply(_) => (REPLY, 0, Code::Done),
            Self::File(_) => (FILE, 0, Code::Done),
        };
        what.write(out);
        flags.write(out);
        code.write(out);
        measured(out, |out| match self {
            Self::Trouble(trouble) => {
                trouble.sqlstate.write(out);
                trouble.message.write(out);
                trouble.text.write(out);
            }
            Self::Rows(rows) => {
                rows.changed.write(out);
                rows.rows.write(out);
            }
            Self::Reply(reply) => reply.write(out),
            Self::File(file) => file.write(out),
        });
    }

    fn read(from: &mut Reader<'a>) -> Result<Self, Wrong> {
        let (what, flags, code) = (u8::read(from)?, u8::read(from)?, Code::read(from)?);
        let length = u32::read(from)?;
        let mut part = from.part(usize::try_from(length).map_err(|_| Wrong::Short)?)?;
        let rest = match (what, flags) {
            (ROWS, MORE) => Rest::More,
            (_, 0) => Rest::None,
            (_, flags) => return Err(Wrong::Flags(flags)),
        };
        if (what == TROUBLE) == (code == Code::Done) {
            return Err(Wrong::Number(code.number()));
        }
        let outcome = match what {
            TROUBLE => Self::Trouble(Trouble {
                code,
                sqlstate: Field::read(&mut part)?,
                message: Field::read(&mut part)?,
                text: Field::read(&mut part)?,
            }),
            ROWS => {
                let changed = u64::read(&mut part)?;
                Self::Rows(Rows { changed, rest, rows: Field::read(&mut part)? })
            }
            REPLY => Self::Reply(Field::read(&mut part)?),
            FILE => Self::File(Field::read(&mut part)?),
            other => return Err(Wrong::Number(other.into())),
        };
        from.end(&part)?;
        Ok(outcome)
    }
}
