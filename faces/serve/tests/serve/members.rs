//! Several members of a group, each a daemon of its own, share what one PostgreSQL keeps.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tsugi_package::Digest;
use tsugi_package::manifest::Quotas;
use tsugi_serve::{log, shelf};
use tsugi_store::{Claim, Op, Packages as _, Postgres};
use tsugi_vocabulary::{Epoch, GroupName, NodeName};

use crate::daemon::{Answer, BOUND, Caller, Daemon, outcome, own_address};
use crate::server::{Database, Server};
use crate::volume::{GROUP, Volume};

const SECRET: &str = "it's \\ a secret";

/// A database with the counter, and its owner, who has a password.
pub struct Shared<'a> {
    pub database: Database<'a>,
    password: PathBuf,
}

fn claim(run: i64) -> Claim {
    Claim {
        group: GroupName::new(GROUP).unwrap(),
        member: "hand".to_owned(),
        epoch: Epoch { incarnation: 1, counter: 0 },
        run,
        node: NodeName::new("n0").unwrap(),
        at: 1,
    }
}

impl<'a> Shared<'a> {
    pub fn new(server: &'a Server, volumes: &[&Volume]) -> Self {
        let database = server.database();
        let name = &database.name;
        let quoted = SECRET.replace('\'', "''");
        database.ask(&format!("CREATE ROLE pay LOGIN PASSWORD '{quoted}'"));
        database.ask(&format!("ALTER DATABASE {name} OWNER TO pay"));
        database.ask("ALTER SCHEMA public OWNER TO pay");
        let hba = server.folder.path().join("data/pg_hba.conf");
        fs::write(hba, "local all pay scram-sha-256\nlocal all all trust\n").unwrap();
        database.ask("SELECT pg_reload_conf()");
        let password = volumes[0].path().join("password");
        fs::write(&password, format!("{SECRET}\n")).unwrap();
        fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
        let shared = Self { database, password };
        let quoted = SECRET.replace('\\', "\\\\").replace('\'', "\\'");
        let server = format!("{} password='{quoted}'", shared.server());
        let mut store = Postgres::open(&server, &claim(1)).unwrap();
        let ids: Vec<Digest> = volumes
            .iter()
            .map(|volume| {
                let former = Quotas { workers: Some(2), ..Quotas::default() };
                volume.deploy_in(&mut store, "srv01", (&["COUNTER"], former));
                volume.deploy_in(&mut store, "srv01", (&["COUNTER"], Quotas::default()))
            })
            .collect();
        assert!(ids.windows(2).all(|two| two[0] == two[1]), "one package, on each member's shelf");
        let define = "CREATE TABLE counter (name TEXT PRIMARY KEY, value BIGINT NOT NULL)";
        let ops = [
            Op::Define { text: define.to_owned() },
            Op::sql("INSERT INTO counter VALUES ('a', 0), ('slow', 0)", []),
        ];
        let current = ids[0].0;
        store.make_package_current(&current, 1, |unit| unit.run(&ops).map(drop)).unwrap();
        drop(store);
        shared.until(
            "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'tsugi:%'",
        );
        shared
    }

    fn server(&self) -> String {
        self.server_by(self.database.server.folder.path())
    }

    /// Its server, by a socket in a folder.
    fn server_by(&self, folder: &Path) -> String {
        format!("host={} user=pay dbname={}", folder.display(), self.database.name)
    }

    /// The command of a member's daemon.
    fn member(&self, name: &str, volume: &Volume) -> (Command, SocketAddr) {
        let address = own_address();
        let folder = self.database.server.folder.path();
        let command = self.member_by((name, volume), (address, "e1.1"), folder);
        (command, address)
    }

    /// The command of one that is at an address under an epoch, and reaches its server by a socket
    /// in a folder.
    pub fn member_by(
        &self,
        (name, volume): (&str, &Volume),
        (address, epoch): (SocketAddr, &str),
        folder: &Path,
    ) -> Command {
        let mut command = Daemon::start(volume, address, epoch);
        command.args(["--postgres", &self.server_by(folder), "--member", name]);
        command.args(["--sessions", "3", "--call-limit", "60000"]);
        command.arg("--password-file").arg(&self.password);
        command
    }

    fn ready(&self, name: &str, volume: &Volume) -> Daemon {
        let (command, address) = self.member(name, volume);
        Daemon::of(command, address, volume)
    }

    /// From now on who counts the counter `slow` waits for being let go.
    fn gate(&self) {
        self.database.ask(
            "CREATE OR REPLACE FUNCTION slow() RETURNS TRIGGER LANGUAGE plpgsql AS \
             'BEGIN WHILE (SELECT last_value FROM gate) = 1 LOOP PERFORM pg_sleep(0.01); END LOOP; \
             RETURN NEW; END'; \
             DROP SEQUENCE IF EXISTS gate; CREATE SEQUENCE gate; GRANT SELECT ON gate TO pay; \
             CREATE OR REPLACE TRIGGER slow BEFORE UPDATE ON counter FOR EACH ROW \
             WHEN (NEW.name = 'slow') EXECUTE FUNCTION slow()",
        );
    }

    /// A sequence is seen as it is now, whatever else a unit of work sees.
    fn let_go(&self) {
        self.database.ask("SELECT setval('gate', 2)");
    }

    /// Calls the slow counter at a member, until it waits.
    fn runs(&self, at: &Daemon, serial: u64) -> JoinHandle<std::io::Result<Answer>> {
        let address = at.address;
        let runs = std::thread::spawn(move || {
            Caller::connect(address)?.call("COUNTER", serial, "add slow")
        });
        self.until("SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
        runs
    }

    fn until(&self, holds: &str) {
        let begun = Instant::now();
        while self.database.ask(holds) != "t" {
            assert!(begun.elapsed() < BOUND, "{holds}");
        }
    }

    pub fn value(&self) -> String {
        self.database.ask("SELECT value FROM counter WHERE name = 'a'")
    }
}

fn call(daemon: &Daemon, serial: u64, body: &str) -> Answer {
    Caller::connect(daemon.address).unwrap().call("COUNTER", serial, body).unwrap()
}

/// Calls again until it is no more under way.
fn until_told(daemon: &Daemon, serial: u64, body: &str) -> Answer {
    let begun = Instant::now();
    loop {
        let answer = call(daemon, serial, body);
        if answer.status == 200 {
            return answer;
        }
        assert!(answer.head.contains("retry-after") && begun.elapsed() < BOUND, "{answer:?}");
    }
}

fn console(volume: &Volume) -> String {
    fs::read_to_string(volume.path().join("log").join(log::NAME)).unwrap()
}

#[test]
fn mf_20_members_share_what_is_stored_and_another_version_is_refused_by_name() {
    let server = Server::new();
    let volumes = [Volume::bare(), Volume::bare(), Volume::bare()];
    let all: Vec<&Volume> = volumes.iter().collect();
    let shared = Shared::new(&server, &all);
    let one = shared.ready("one", &volumes[0]);
    let two = shared.ready("two", &volumes[1]);
    assert!(console(&volumes[0]).contains("TSUG20615-I"), "the first is cold");
    assert!(console(&volumes[1]).contains("TSUG20616-I"), "the other is warm");
    // Whatever was answered by one is told by the other, byte for byte.
    let first = call(&one, 1, "add a");
    assert_eq!((first.status, &*first.body), (200, "1"));
    assert_eq!(call(&two, 1, "add a").body, first.body);
    let second = call(&two, 2, "add a");
    assert_eq!(&*second.body, "2");
    assert_eq!(call(&one, 2, "add a").body, second.body);
    assert_eq!(shared.value(), "2");
    // What runs at one is told so at the other, and runs once.
    shared.gate();
    let runs = shared.runs(&one, 3);
    let elsewhere = call(&two, 3, "add slow");
    assert_eq!(elsewhere.status, 409, "{elsewhere:?}");
    assert!(elsewhere.body.contains("TSUG20116-E"), "{elsewhere:?}");
    assert!(elsewhere.head.contains("retry-after"), "{elsewhere:?}");
    shared.let_go();
    let told = runs.join().unwrap().unwrap();
    assert_eq!((told.status, &*told.body), (200, "1"));
    assert_eq!(call(&two, 3, "add slow").body, told.body);
    // A member of another version ends by its name, and harms nobody.
    let other = "UPDATE tsugi_member SET version = '9.9.9' WHERE member = 'two'";
    shared.database.ask(other);
    let (mut third, _) = shared.member("three", &volumes[2]);
    let ended = outcome(&mut third);
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("TSUG20618-E") && said.contains("9.9.9"), "{said}");
    assert_eq!((&*call(&one, 4, "add a").body, &*call(&two, 5, "add a").body), ("3", "4"));
    // One that is killed leaves the other, who tells what it had answered, and carries out once
    // what it had not.
    shared.gate();
    let runs = shared.runs(&one, 6);
    one.kill();
    assert!(runs.join().unwrap().is_err(), "it was told nothing");
    shared.let_go();
    let again = until_told(&two, 6, "add slow");
    assert_eq!((again.status, &*again.body), (200, "2"));
    assert_eq!(call(&two, 6, "add slow").body, again.body);
    assert_eq!(call(&two, 4, "add a").body, "3");
    assert_eq!(call(&two, 7, "add a").body, "5");
    assert_eq!(two.stop(), Some(0));
    assert_eq!(shared.value(), "5");
    assert_eq!(shared.database.ask("SELECT value FROM counter WHERE name = 'slow'"), "2");
}

#[test]
fn mf_20_a_member_without_the_package_closes_its_service_and_takes_nothing_from_the_others() {
    let server = Server::new();
    let (volume, bare) = (Volume::bare(), Volume::bare());
    let shared = Shared::new(&server, &[&volume]);
    let rows = "SELECT string_agg(p::text, ' ' ORDER BY p::text) FROM tsugi_package p";
    let before = shared.database.ask(rows);
    let lacks = shared.ready("lacks", &bare);
    assert!(console(&bare).contains("TSUG20602-E"), "it is said which service, of which package");
    let closed = lacks.status().services[0].closed.clone().unwrap();
    assert_eq!(closed.word, "not-deployed", "{closed:?}");
    assert_eq!(call(&lacks, 1, "add a").status, 503);
    // The former package is another one's to keep, too.
    assert_eq!(shared.database.ask(rows), before);
    let one = shared.ready("one", &volume);
    assert_eq!(&*call(&one, 1, "add a").body, "1");
    // What the others have answered it tells all the same.
    assert_eq!(call(&lacks, 1, "add a").body, "1");
    // A member's folder is one daemon's alone.
    let (mut again, _) = shared.member("again", &volume);
    let ended = outcome(&mut again);
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(said.contains("TSUG20605-E"), "{said}");
    assert_eq!(&*call(&one, 2, "add a").body, "2");
}

#[test]
fn what_a_failover_would_cost_is_said_at_the_start_and_in_the_status() {
    let server = Server::new();
    let volume = Volume::bare();
    let shared = Shared::new(&server, &[&volume]);
    let one = shared.ready("one", &volume);
    assert!(!console(&volume).contains("TSUG20617-W"), "there is no other server");
    assert_eq!(one.status().failover_may_lose, None);
    assert_eq!(one.stop(), Some(0));
    let name = &shared.database.name;
    shared.database.ask(&format!("ALTER DATABASE {name} SET synchronous_commit = local"));
    let one = shared.ready("one", &volume);
    let console = console(&volume);
    assert!(console.contains("TSUG20617-W") && console.contains("synchronous_commit = local"));
    let begun = Instant::now();
    while one.status().failover_may_lose.as_deref() != Some("synchronous_commit = local") {
        assert!(begun.elapsed() < BOUND, "{:?}", one.status());
    }
    assert_eq!(&*call(&one, 1, "add a").body, "1", "all else is as it was");
}

#[test]
fn a_password_that_others_can_read_is_refused_and_none_is_ever_shown() {
    let server = Server::new();
    let volumes = [Volume::bare()];
    let shared = Shared::new(&server, &[&volumes[0]]);
    fs::set_permissions(&shared.password, fs::Permissions::from_mode(0o640)).unwrap();
    let said = |mut command: Command| {
        let ended = outcome(&mut command);
        assert_eq!(ended.status.code(), Some(1));
        String::from_utf8_lossy(&ended.stderr).into_owned()
    };
    let open = said(shared.member("one", &volumes[0]).0);
    assert!(open.contains("TSUG20612-E") && open.contains("--password-file"), "{open}");
    fs::set_permissions(&shared.password, fs::Permissions::from_mode(0o600)).unwrap();
    let mut plain = Daemon::start(&volumes[0], own_address(), "e1.1");
    plain.args(["--postgres", "host=/nowhere password=told"]);
    let plain = said(plain);
    assert!(plain.contains("TSUG20612-E") && !plain.contains("told"), "{plain}");
    // A server that is not there is named, without its password.
    let mut away = Daemon::start(&volumes[0], own_address(), "e1.1");
    away.args(["--postgres", "host=/nowhere dbname=pay user=pay"]);
    away.arg("--password-file").arg(&shared.password);
    let begun = Instant::now();
    let away = said(away);
    assert!(away.contains("/nowhere/pay") && !away.contains("secret"), "{away}");
    assert!(begun.elapsed() < BOUND.min(Duration::from_secs(20)));
    assert!(!shelf::folder(volumes[0].path()).join("x").exists());
}
