//! A group's volume with packages: a counter in C, deployed as a person would have it deployed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tempfile::TempDir;
use tsugi_package::Digest;
use tsugi_package::archive::{Content, Draft};
use tsugi_package::manifest::{
    Effects, FORMAT, Manifest, Order, PartPath, Program, Quotas, Service,
};
use tsugi_serve::{around, shelf};
use tsugi_service_engine::{Identity, Interface as _, SameBytes, names};
use tsugi_store::{Call, Claim, Client, Id, Op, Packages, Request, Serial, Sqlite, Store as _};
use tsugi_vocabulary::{Epoch, GroupName, NodeName};

/// The group of all tests.
pub const GROUP: &str = "pay";

pub struct Volume {
    /// Let go of before its folder is taken away.
    _disk: Option<Disk>,
    pub folder: TempDir,
}

/// A small file system that is mounted.
struct Disk(PathBuf);

impl Drop for Disk {
    fn drop(&mut self) {
        // It goes with the view of this thread at the latest.
        umount2(&self.0, MntFlags::MNT_DETACH).ok();
    }
}

/// Where the command of [`Volume::deploy_command`] lies in its package.
pub const COMMAND: &str = "commands/one";

fn manifest(name: &str, services: Vec<Service>) -> Manifest {
    Manifest {
        tables: None,
        format: FORMAT,
        name: name.to_owned(),
        modules: vec![],
        services,
        files: vec![],
        data: vec![],
        parts: vec![],
    }
}

pub fn path(text: &str) -> PartPath {
    PartPath::new(text).unwrap()
}

/// The counter as a library, compiled once for all tests.
fn library() -> Vec<u8> {
    static BYTES: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    BYTES.get_or_init(compiled).clone()
}

fn compiled() -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    let (from, to) = (folder.path().join("counter.c"), folder.path().join("counter.so"));
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = here.join("../../programs/program/tests/program/counter.c");
    // It is deployed without an interface, so it may name none.
    let source = fs::read_to_string(source).unwrap().replace("\"0123456789abcdef\"", "NULL");
    fs::write(&from, source).unwrap();
    let done = Command::new("cc")
        .args(["-std=gnu99", "-O1", "-fPIC", "-shared", "-I"])
        .arg(here.join("../../programs/program/include"))
        .arg("-o")
        .arg(&to)
        .arg(&from)
        .output()
        .expect("a compiler of C");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    fs::read(to).unwrap()
}

impl Volume {
    /// One on which the counter is deployed, and has its table.
    pub fn new() -> Self {
        Self::founded(None, TempDir::new_in("/dev/shm").unwrap())
    }

    /// One on a small file system of its own, which only this thread and what it starts see. Root
    /// alone can make it.
    pub fn on_small_disk() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            return None;
        }
        let none: Option<&str> = None;
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
        mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none).unwrap();
        let folder = TempDir::new_in("/dev/shm").unwrap();
        let size = Some("size=16m,mode=755");
        mount(Some("small"), folder.path(), Some("tmpfs"), MsFlags::empty(), size).unwrap();
        Some(Self::founded(Some(Disk(folder.path().to_owned())), folder))
    }

    fn founded(disk: Option<Disk>, folder: TempDir) -> Self {
        let volume = Self { _disk: disk, folder };
        volume.deploy("srv01", &["COUNTER"]);
        volume.with_store(|store| {
            let define = |text: &str| Op::Define { text: text.to_owned() };
            let ops = [
                define("CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL)"),
                Op::sql("INSERT INTO counter VALUES ('a', 0)", []),
            ];
            let current = store.packages().unwrap()[0].id;
            store.make_package_current(&current, 1, |unit| unit.run(&ops).map(drop)).unwrap();
        });
        volume
    }

    /// Leaves no room on it; the file that has taken it.
    pub fn fill(&self) -> PathBuf {
        use std::io::Write as _;
        let path = self.path().join("rest");
        let mut file = fs::File::create(&path).unwrap();
        for piece in [1 << 16, 1 << 12, 1] {
            while file.write(&vec![b'x'; piece]).is_ok() {}
        }
        path
    }

    /// Whether anybody may write on its file system.
    pub fn may_be_written(&self, may: bool) {
        let only = if may { MsFlags::empty() } else { MsFlags::MS_RDONLY };
        let none: Option<&str> = None;
        mount(none, self.path(), none, MsFlags::MS_REMOUNT | only, none).unwrap();
    }

    /// Its store, past any engine.
    pub fn behind(&self) -> rusqlite::Connection {
        let store = rusqlite::Connection::open(around::store(self.path()).join("store.db"));
        store.unwrap()
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Between two daemons, under the ownership that the store has seen last.
    fn with_store(&self, what: impl FnOnce(&mut Sqlite)) {
        let looked = Sqlite::look(&around::store(self.path())).unwrap();
        let none = Epoch { incarnation: 1, counter: 0 };
        let claim = Claim {
            group: GroupName::new(GROUP).unwrap(),
            member: String::new(),
            epoch: looked.map_or(none, |looked| looked.epoch),
            run: 1,
            node: NodeName::new("n0").unwrap(),
            at: 1,
        };
        what(&mut Sqlite::open(&around::store(self.path()), &claim).unwrap());
    }

    /// One with nothing on it.
    pub fn bare() -> Self {
        Self { _disk: None, folder: TempDir::new_in("/dev/shm").unwrap() }
    }

    /// Deploys a package whose services are all the counter.
    pub fn deploy(&self, name: &str, services: &[&str]) -> Digest {
        self.deploy_within(name, services, Quotas::default())
    }

    /// The same with so much to use.
    pub fn deploy_within(&self, name: &str, services: &[&str], quotas: Quotas) -> Digest {
        let mut id = None;
        self.with_store(|store| id = Some(self.deploy_in(store, name, (services, quotas))));
        id.unwrap()
    }

    /// Deploys it on this volume's shelf, with its row in a store.
    pub fn deploy_in(
        &self,
        store: &mut impl Packages,
        name: &str,
        (services, quotas): (&[&str], Quotas),
    ) -> Digest {
        let part = |service: &str| path(&format!("libraries/{service}.so"));
        let service = |name: &&str| Service {
            name: (*name).to_owned(),
            program: Program::Library(part(name)),
            interface: None,
            effects: Effects::Store,
            order: Order::None,
            resolve: None,
            quotas,
        };
        let manifest = manifest(name, services.iter().map(service).collect());
        let content = |name: &&str| (part(name), Content::Bytes(library()));
        let contents: BTreeMap<_, _> = services.iter().map(content).collect();
        self.put_in(store, &Draft { manifest, contents })
    }

    /// Deploys a package of one service, a command of this text, that is as its manifest says.
    pub fn deploy_command(&self, name: &str, says: Service, text: &str) -> Digest {
        let content = Content::Bytes(text.as_bytes().to_vec());
        let contents = BTreeMap::from([(path(COMMAND), content)]);
        let draft = Draft { manifest: manifest(name, vec![says]), contents };
        let mut id = None;
        self.with_store(|store| id = Some(self.put_in(store, &draft)));
        id.unwrap()
    }

    fn put_in(&self, store: &mut impl Packages, draft: &Draft) -> Digest {
        let source = self.path().join(format!("{}.tar", draft.manifest.name));
        draft.write(&source).unwrap();
        let shelf = shelf::open(self.path(), store).unwrap();
        shelf::deploy(&shelf, store, &source).unwrap().0
    }

    /// Leaves a call of this serial behind that was about to act outside and has no end: of
    /// nobody's client `test`, as it is called from this machine.
    pub fn leave_unknown(&self, serial: i64, body: &str) {
        let identity = Identity("loopback".to_owned());
        let client = Client { digest: names::client(&identity, "test").0, incarnation: 1 };
        let read = SameBytes.read("COUNTER", &body.as_bytes().into()).unwrap();
        let id = Id::Serial(Serial::new(client, serial, 1).unwrap());
        self.with_store(|store| {
            let content = tsugi_store::Content(read.content.digest);
            let interface = i64::from(read.content.interface.0);
            let (service, epoch, attempt, at, body) = (0, 1, 1, 1, Vec::new());
            let request = Request { service, interface, epoch, attempt, at, body };
            assert!(store.start(&Call { id, content }, &request).unwrap());
            store.commit().unwrap();
        });
    }

    /// Where a part of a package lies.
    pub fn part(&self, id: Digest, part: &str) -> PathBuf {
        shelf::folder(self.path()).join(id.to_string()).join(part)
    }

    /// From now on a call that counts the counter `slow` has no end, and the core with it: as if
    /// the disk did not answer any more.
    pub fn hang_on_slow(&self) {
        let path = around::store(self.path()).join("store.db");
        let store = rusqlite::Connection::open(path).unwrap();
        let text = "INSERT INTO counter VALUES ('slow', 0);
            CREATE VIEW endless AS
                WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n;
            CREATE TRIGGER slow AFTER UPDATE ON counter WHEN NEW.name = 'slow'
            BEGIN SELECT count(*) FROM endless; END;";
        store.execute_batch(text).unwrap();
    }

    /// What the counter stands at, past any engine.
    pub fn value(&self) -> u64 {
        let path = around::store(self.path()).join("store.db");
        let reader = rusqlite::Connection::open(path).unwrap();
        let text = "SELECT value FROM counter WHERE name = 'a'";
        reader.query_row(text, [], |row| row.get(0)).unwrap()
    }
}
