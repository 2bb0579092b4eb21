//! How a session is opened: the server must be able to keep what it promises, the epoch is
//! raised, and nobody of an older run is left before the first unit of work.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use sha2::{Digest as _, Sha256};
use tokio_postgres::config::Host;
use tokio_postgres::{Config, NoTls};
use tsugi_vocabulary::Epoch;

use super::link::int;
use super::standing::Unfit;
use super::{Cancel, Changes, Opening, Postgres};
use crate::claim::{column, number};
use crate::migrate::{Dialect, due};
use crate::statement::{CLAIM, EPOCH, STEP_DONE, STEPS};
use crate::{Claim, OpenRefused, Trouble, Value};

/// What the server is told at each connection. What is reset between two users of a connection
/// goes back to these.
const OPTIONS: &str = "-c lock_timeout=2000 -c statement_timeout=600000 \
    -c idle_in_transaction_session_timeout=600000 -c client_encoding=UTF8 \
    -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 \
    -c tcp_user_timeout=10000";

/// How long a way that answers nothing counts as one: what stands on it is lost then, on both
/// sides, and a claimed row is waited for no longer.
const LOST: Duration = Duration::from_secs(10);

/// Sessions of any other run of this member of the group, each asked to end. Of those that another
/// user has only their name is shown, and nothing else is asked for here.
const OTHERS: &str = "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity \
    WHERE datname = current_database() AND starts_with(application_name, ?1) \
    AND application_name <> ?2";

/// Since this step it is written down who has a store open.
const MEMBERS: i64 = 5;

impl Postgres {
    /// Opens a store on a server, makes its tables where there are none, claims it, and waits
    /// until every session of an older run is gone.
    ///
    /// # Errors
    /// It is not ours to write, the server cannot keep what a store promises, or sessions of an
    /// older run do not end.
    pub fn open(server: &str, claim: &Claim) -> Result<Self, OpenRefused> {
        let mut session = Self::unclaimed(server, claim)?;
        session.claimed(server)?;
        let (all, own) = names(claim);
        let values = [Value::Text(all), Value::Text(own)];
        let gone = session.wait_until_gone(OTHERS, &values);
        let unknown = gone.and_then(|()| session.former_are_unknown(&names(claim).0));
        unknown.map_err(|trouble| failed(server, &words(trouble)))?;
        Ok(session)
    }

    /// A further session of the same run.
    ///
    /// # Errors
    /// As [`Postgres::open`].
    pub fn another(server: &str, claim: &Claim) -> Result<Self, OpenRefused> {
        Self::unclaimed(server, claim)
    }

    fn unclaimed(server: &str, claim: &Claim) -> Result<Self, OpenRefused> {
        let refused = |what: &dyn std::fmt::Display| failed(server, &what.to_string());
        let mut config: Config =
            server.parse().map_err(|error: tokio_postgres::Error| refused(&error))?;
        let name = names(claim).1;
        config.application_name(&name);
        // Ours come last: of one that is named twice the last one holds.
        config.options(format!("{} {OPTIONS}", config.get_options().unwrap_or_default()));
        config.connect_timeout(LOST);
        config.tcp_user_timeout(LOST);
        config.keepalives_idle(LOST / 2);
        config.keepalives_interval(LOST / 5);
        config.keepalives_retries(3);
        let clean = ManagerConfig { recycling_method: RecyclingMethod::Clean };
        let manager = Manager::from_config(config, NoTls, clean);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| refused(&error))?;
        let pool = Pool::builder(manager).max_size(2).build().map_err(|error| refused(&error))?;
        let claim = claim.clone();
        let mut session = Self {
            unit: None,
            cancel: Cancel::default(),
            before: String::new(),
            beside: None,
            pool,
            claim,
            changes: Changes::of(&name),
            opening: Opening::First,
            name,
            superseded: None,
            runtime,
        };
        session.take_clean().map_err(|trouble| match trouble {
            Trouble::ReadOnly => {
                setting("default_transaction_read_only, or pg_is_in_recovery", "on".into(), "off")
            }
            other => refused(&words(other)),
        })?;
        session.sound(server)?;
        Ok(session)
    }

    /// Looks whether the server can keep what a store promises.
    fn sound(&mut self, server: &str) -> Result<(), OpenRefused> {
        let settings =
            [("fsync", "SHOW fsync", "on"), ("full_page_writes", "SHOW full_page_writes", "on")];
        for (name, text, needed) in settings {
            let found = self.text(server, text)?;
            if found != needed {
                return Err(setting(name, found, needed));
            }
        }
        let commits = self.text(server, "SHOW synchronous_commit")?;
        if commits == "off" {
            return Err(setting("synchronous_commit", commits, "on"));
        }
        // Behind a pooler neither the name nor the process stays.
        let own = self.name.clone();
        let found = self.text(server, "SHOW application_name")?;
        if found != own {
            return Err(setting("application_name", found, &own));
        }
        let session = "SELECT pg_backend_pid()::text";
        let (first, second) = (self.text(server, session)?, self.text(server, session)?);
        if first == second { Ok(()) } else { Err(setting("pg_backend_pid", second, &first)) }
    }

    fn text(&mut self, server: &str, text: &str) -> Result<String, OpenRefused> {
        let rows = self.ours(text, &[]).map_err(|trouble| failed(server, &words(trouble)))?;
        match rows.into_iter().flatten().next() {
            Some(Value::Text(text)) => Ok(text),
            other => Err(failed(server, &format!("{text}: {other:?}"))),
        }
    }

    /// Makes the tables what this build knows and the epoch the claimed one, in one transaction.
    fn claimed(&mut self, server: &str) -> Result<(), OpenRefused> {
        let refused = |trouble: Trouble| failed(server, &words(trouble));
        // Each statement sees what was committed before it, also by whom the lock waited for.
        self.plain("BEGIN ISOLATION LEVEL READ COMMITTED").map_err(refused)?;
        let there = self.text(server, "SELECT (to_regclass('tsugi_step') IS NOT NULL)::text")?;
        let mut done = Vec::new();
        if there == "true" {
            self.plain("LOCK TABLE tsugi_step IN EXCLUSIVE MODE").map_err(refused)?;
            for row in self.ours(STEPS, &[]).map_err(refused)? {
                let Some(Value::Blob(hash)) = row.get(1) else {
                    return Err(failed(server, "a step has no hash"));
                };
                done.push((int(&row, 0).map_err(refused)?, hash.clone()));
            }
            self.refuse_older(server)?;
        }
        // Before a step is made, which another version would not know.
        if done.iter().any(|(number, _)| *number >= MEMBERS) {
            self.look_at_members().map_err(|unfit| match unfit {
                Unfit::Refused(refused) => refused,
                Unfit::Trouble(trouble) => refused(trouble),
            })?;
        }
        let claim = self.claim.clone();
        for step in due(&done)? {
            self.plain(&step.text(Dialect::Postgres)).map_err(refused)?;
            let values = [step.number.into(), Value::Blob(step.hash()), claim.at.into()];
            self.ours(STEP_DONE, &values).map_err(refused)?;
        }
        let values = [
            claim.group.as_str().into(),
            claim.member.as_str().into(),
            column(claim.epoch.incarnation).into(),
            column(claim.epoch.counter).into(),
            claim.run.into(),
            claim.node.as_str().into(),
            claim.at.into(),
        ];
        self.ours(CLAIM, &values).map_err(refused)?;
        self.refuse_older(server)?;
        self.is_member(&names(&claim).0).map_err(refused)?;
        self.commit_now(None).map_err(refused)
    }

    fn refuse_older(&mut self, server: &str) -> Result<(), OpenRefused> {
        let refused = |trouble: Trouble| failed(server, &words(trouble));
        let claim = self.claim.clone();
        let values = [claim.group.as_str().into(), claim.member.as_str().into()];
        let rows = self.ours(EPOCH, &values).map_err(refused)?;
        let Some(row) = rows.first() else { return Ok(()) };
        let incarnation = number(int(row, 0).map_err(refused)?);
        let found = Epoch { incarnation, counter: number(int(row, 1).map_err(refused)?) };
        let own = claim.epoch;
        if found > own { Err(OpenRefused::Superseded { found, own }) } else { Ok(()) }
    }
}

/// How the sessions of a group's member are named, and those of one run of it: a run is one of its
/// epoch, and the next epoch may count from the same number. The server cuts names at 63 bytes, so
/// member and epoch are hashes.
fn names(claim: &Claim) -> (String, String) {
    let who = short([claim.group.as_str().as_bytes(), &[0], claim.member.as_bytes()]);
    let Epoch { incarnation, counter } = claim.epoch;
    let epoch = short([&incarnation.to_be_bytes()[..], &counter.to_be_bytes()]);
    (format!("tsugi:{who}:"), format!("tsugi:{who}:{epoch}:{:016x}", claim.run))
}

/// The first 8 bytes of a hash, as text.
fn short<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    parts.into_iter().for_each(|part| hash.update(part));
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// What was said, where somebody said something: before a store is open none is broken.
fn words(trouble: Trouble) -> String {
    match trouble {
        Trouble::Broken(said) | Trouble::Away(said) | Trouble::Gone(said) => said,
        other => other.to_string(),
    }
}

fn failed(server: &str, what: &str) -> OpenRefused {
    OpenRefused::Failed { place: shown(server), what: what.to_owned() }
}

/// A server as it may be shown: without the password that may be among the words that name it.
fn shown(server: &str) -> String {
    let Ok(config) = server.parse::<Config>() else { return "PostgreSQL".to_owned() };
    let host = |host: &Host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    };
    let hosts: Vec<String> = config.get_hosts().iter().map(host).collect();
    format!("{}/{}", hosts.join(","), config.get_dbname().unwrap_or_default())
}

fn setting(name: &str, found: String, needed: &str) -> OpenRefused {
    OpenRefused::Setting { name: name.to_owned(), found, needed: needed.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_shown_without_its_password() {
        let server = "host=db1,db2 user=tsugi password='se cret' dbname=pay";
        assert_eq!(shown(server), "db1,db2/pay");
        assert_eq!(shown("password"), "PostgreSQL");
    }
}
