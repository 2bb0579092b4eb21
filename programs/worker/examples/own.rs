//! A worker with a kind of program of its own, as a language's runtime is put in: the kind says
//! what it is, opens, and is called with a host that asks the engine.

use std::process::ExitCode;

use tsugi_frames::{Class, Grid, Operation, Outcome, Reply, Runs, Value, Welcome};
use tsugi_worker::{Ended, Host, Introduction, Kind, Kinds, LastWord, Program, Unopened};

/// It is named by the word `own` on the command line.
const OWN: Kinds = ("own", |words| match words {
    [] => Ok(Box::new(Own)),
    _ => Err(Unopened::start("own takes no words")),
});

struct Own;

impl Kind for Own {
    fn introduction(&self) -> Introduction {
        Introduction { runs: Runs::Program, libcob: String::new(), modules: Vec::new() }
    }

    fn open(
        self: Box<Self>,
        welcome: &Welcome<'_>,
        last_word: LastWord,
    ) -> Result<Box<dyn Program>, Unopened> {
        match &welcome.services[..] {
            [] => Err(Unopened::start("there is no service")),
            _ => Ok(Box::new(Opened { last_word })),
        }
    }
}

struct Opened {
    last_word: LastWord,
}

const ADD: &str = "update counter set value = value + ?1 where name = ?2 returning value";

fn add(by: i64) -> Operation<'static> {
    let row = vec![Value::Integer(by), Value::Text("a".into())];
    Operation::Sql { text: ADD.into(), rows: Grid::row(row).expect("two values are a row") }
}

impl Program for Opened {
    fn call(&mut self, host: &mut Host<'_>) -> Ended {
        let body = String::from_utf8_lossy(&host.call().parameters[0]).into_owned();
        let (word, number) = body.split_once(' ').unwrap_or((&body, "0"));
        let number: i32 = number.parse().unwrap_or(0);
        match word {
            // It ends its process in the middle of a call, as STOP RUN does.
            "stop" => self.last_word.say(Class::StopRun, number, "it stops"),
            // So many operations that nobody waits for, and one that is waited for.
            "later" => {
                for _ in 0..number {
                    host.later(1, add(1)).expect("it is within the limits");
                }
                let value = host.ask(1, add(0), |outcome| match outcome {
                    Outcome::Rows(rows) => format!("{:?}", rows.rows.values()),
                    other => format!("{other:?}"),
                });
                done(&value)
            }
            // The same, and they go with the end of the call.
            "last" => {
                for _ in 0..number {
                    host.later(1, add(1)).expect("it is within the limits");
                }
                done("")
            }
            // More than an operation may have is answered here.
            "large" => {
                let text = "x".repeat(usize::try_from(number).unwrap_or(0)).into();
                let operation = Operation::Sql { text, rows: Grid::once() };
                done(&host.ask(0, operation, |outcome| match outcome {
                    Outcome::Trouble(trouble) => format!("{:?}", trouble.code),
                    other => format!("{other:?}"),
                }))
            }
            // More lines than a call may have, each longer than a line.
            "log" => {
                for _ in 0..number {
                    host.log(9, &"\u{e9}".repeat(3000));
                }
                done("")
            }
            _ => Ended::Aborted { code: 1, why: "no such word".to_owned() },
        }
    }
}

fn done(text: &str) -> Ended {
    let parameters = vec![text.as_bytes().to_vec().into()];
    Ended::Done { reply: Reply { return_code: 0, parameters }, open: Vec::new() }
}

fn main() -> ExitCode {
    tsugi_worker::run(std::env::args().skip(1), &[OWN, tsugi_worker::LIBRARY])
}
