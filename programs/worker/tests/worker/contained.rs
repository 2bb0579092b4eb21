//! What a worker is given, and what it cannot do.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tsugi_frames::Hash;
use tsugi_host::enclosed::{HostName, User};
use tsugi_worker::{How, Number};

use crate::engine::{Engine, PATIENCE};
use crate::programs::{command, library, python, room};

#[test]
fn its_environment_is_made_from_empty_with_the_clusters_zone_locale_and_code_page() {
    let mut engine = Engine::new();
    let text = "turn = begin()['turn']\n\
        done(turn, json.dumps([dict(os.environ), os.getcwd(), time.strftime('%Z'), os.getuid()]))\n\
        hear()";
    let mut spawn = python(text);
    spawn.more = BTreeMap::from([("MODE".into(), "test".into()), ("TZ".into(), "UTC".into())]);
    let mut talk = engine.ready(&spawn);
    let told = engine.call(&mut talk, "").reply();
    for said in [
        r#""TZ": "Asia/Tokyo""#,
        r#""LANG": "C.UTF-8""#,
        r#""LC_ALL": "C.UTF-8""#,
        r#""TSUGI_GROUP": "ESSRV01""#,
        r#""TSUGI_NODE": "node1""#,
        r#""TSUGI_CODE_PAGE": "utf-8""#,
        r#""MODE": "test""#,
        r#""JST""#,
    ] {
        assert!(told.contains(said), "{said} in {told}");
    }
    for name in ["CARGO", "USER", "LOGNAME", "SSH"] {
        assert!(!told.contains(&format!("\"{name}")), "{name} in {told}");
    }
    if nix::unistd::geteuid().is_root() {
        assert!(told.ends_with(", 61234]"), "{told}");
    }
    let own = engine.path("run").join("1");
    assert!(told.contains(&format!("\"HOME\": \"{}\"", own.display())), "{told}");
    engine.kill(&mut talk);
    assert!(!own.exists(), "its folder is removed");
}

#[test]
fn a_library_is_told_the_node_as_the_machines_name_and_reads_the_end_of_a_file() {
    let mut engine = Engine::new();
    let made = engine.compiled(&room().join("tests/worker/faults.c"), &[]);
    let faults = [("FAULTS", Hash([0; 32]))];
    let mut talk = engine.serving(&library(&made), &faults).expect("it gets ready");
    let told = engine.call(&mut talk, "where").reply();
    let (name, rest) = told.split_once('|').expect("parts");
    assert_eq!(rest, "09 JST|C.UTF-8|utf-8");
    let machine = nix::unistd::gethostname().expect("a name").to_string_lossy().into_owned();
    match engine.attendant.host_name() {
        HostName::Given => assert_eq!(name, "node1"),
        HostName::Machine => assert_eq!(name, machine),
    }
    assert_ne!(machine, "node1", "the engine's own is as it was");
    assert_eq!(engine.call(&mut talk, "read").reply(), "0");
}

#[test]
fn it_writes_into_its_own_folder_and_not_into_what_is_roots() {
    let mut engine = Engine::new();
    let text = "turn = begin()['turn']\n\
        open(os.environ['TMPDIR'] + '/own', 'w').write('x')\n\
        told = []\n\
        for place in sys.argv[1:]:\n\
        \x20   try: open(place, 'w'); told.append('written')\n\
        \x20   except PermissionError: told.append('refused')\n\
        done(turn, ' '.join(told)); hear()";
    let mut spawn = python(text);
    let kept = engine.path("kept");
    fs::write(&kept, "kept").unwrap();
    fs::set_permissions(&kept, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    spawn.argv.extend([kept.to_str().unwrap(), "/proc/1/environ"].map(str::to_owned));
    let mut talk = engine.ready(&spawn);
    let told = engine.call(&mut talk, "").reply();
    if nix::unistd::geteuid().is_root() {
        assert_eq!(told, "refused refused");
        assert_eq!(fs::read_to_string(kept).unwrap(), "kept");
    }
}

#[test]
fn a_worker_of_one_service_cannot_reach_the_folder_of_another_user() {
    let mut engine = Engine::new();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&engine.path("run")), 0o711, "it can be gone through and not looked into");
    let text = "turn = begin()['turn']\n\
        open('own', 'w').write('x'); os.chmod('own', 0o666)\n\
        told = []\n\
        def attempt(what):\n\
        \x20   try: what(); told.append('done')\n\
        \x20   except PermissionError: told.append('refused')\n\
        for place in sys.argv[1:]:\n\
        \x20   attempt(lambda: os.listdir(place)); attempt(lambda: open(place + '/own'))\n\
        \x20   attempt(lambda: open(place + '/new', 'w'))\n\
        attempt(lambda: os.listdir('..')); attempt(lambda: open('../new', 'w'))\n\
        done(turn, ' '.join(told)); hear()";
    let mut first = engine.ready(&python(text));
    let told = engine.call(&mut first, "").reply();
    let own = engine.path("run/1");
    assert_eq!(mode(&own), 0o700);
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    assert_eq!(told, "refused refused", "the place is not a worker's");
    let mut spawn = python(text);
    spawn.user = User::Other { uid: 61_237, gid: 61_237 };
    spawn.argv.push(own.to_str().unwrap().to_owned());
    let mut second = engine.ready(&spawn);
    assert_eq!(engine.call(&mut second, "").reply(), "refused ".repeat(5).trim());
}

#[test]
fn a_worker_with_a_library_is_not_read_by_another_of_the_same_user() {
    if !nix::unistd::geteuid().is_root() {
        // Its starter is of the same user, and has to find what it starts.
        return;
    }
    let mut engine = Engine::new();
    let made = engine.compiled(&room().join("tests/worker/faults.c"), &[]);
    let mut held =
        engine.serving(&library(&made), &[("FAULTS", Hash([0; 32]))]).expect("it gets ready");
    let (pid, _) = held.hello.as_ref().expect("it has said hello");
    let text = "turn = begin()['turn']\n\
        told = []\n\
        for name in sys.argv[1:]:\n\
        \x20   try: (os.listdir if name.endswith('fd') else open)(name); told.append('read')\n\
        \x20   except PermissionError: told.append('refused')\n\
        done(turn, ' '.join(told)); hear()";
    let mut spawn = python(text);
    spawn.argv.extend(["mem", "environ", "fd"].map(|what| format!("/proc/{pid}/{what}")));
    let mut other = engine.ready(&spawn);
    assert_eq!(engine.call(&mut other, "").reply(), "refused refused refused");
    assert_eq!(engine.call(&mut held, "count").reply(), "1");
}

#[test]
fn a_folder_that_cannot_be_removed_is_told_and_keeps_no_place_for_a_worker() {
    let mut engine = Engine::new();
    let mut talk = engine.ready(&python("begin(); hear()"));
    let own = engine.path("run/1");
    fs::rename(&own, engine.path("run/elsewhere")).unwrap();
    fs::write(&own, "no folder").unwrap();
    engine.kill(&mut talk);
    let stays = engine.stays();
    assert_eq!(stays, [(talk.worker.number(), own, ErrorKind::NotADirectory)]);
}

#[test]
fn the_folder_is_removed_with_all_that_is_in_it_and_nothing_beside() {
    let mut engine = Engine::new();
    let kept = engine.path("kept");
    fs::create_dir(&kept).unwrap();
    fs::write(kept.join("file"), "x").unwrap();
    let text = "turn = begin()['turn']\n\
        os.makedirs('deep/er'); open('deep/er/file', 'w').write('x')\n\
        os.symlink(sys.argv[1], 'link')\n\
        done(turn, 'made'); hear()";
    let mut spawn = python(text);
    spawn.argv.push(kept.to_str().unwrap().to_owned());
    let mut talk = engine.ready(&spawn);
    assert_eq!(engine.call(&mut talk, "").reply(), "made");
    engine.kill(&mut talk);
    assert_eq!(fs::read_dir(engine.path("run")).unwrap().count(), 0);
    assert_eq!(fs::read_to_string(kept.join("file")).unwrap(), "x", "a link is not followed");
}

#[test]
fn a_program_that_is_not_there_is_an_end_that_is_told_like_any_other() {
    let mut engine = Engine::new();
    let talk = engine.bear(&command(&["no-such-program"]));
    let end = engine.swept(talk.worker.number());
    let How::NotStarted(why) = end.how else { panic!("{end:?}") };
    assert_eq!(why.source.raw_os_error(), Some(libc::ENOENT));
    assert_eq!(fs::read_dir(engine.path("run")).unwrap().count(), 0);
}

#[test]
fn workers_end_with_their_attendant() {
    let mut engine = Engine::new();
    let mut talk =
        engine.ready(&python("turn = begin()['turn']; done(turn, str(os.getpid())); hear()"));
    let pid = engine.call_within(&mut talk, "", PATIENCE).reply();
    let Engine { attendant, dir, .. } = engine;
    drop(attendant);
    assert!(!fs::exists(format!("/proc/{pid}")).unwrap(), "it has ended and was waited for");
    assert!(!dir.path().join("run").exists());
}

#[test]
fn an_engine_that_speaks_frames_itself_has_the_pipes_and_is_told_the_same() {
    let mut engine = Engine::new();
    let number = Number(1_000);
    let spawn =
        python("hello(); print('said', file=sys.stderr, flush=True); hear(); signal.pause()");
    let mut streams = engine.attendant.hold(number, &spawn).expect("pipes");
    let mut said = Vec::new();
    while !said.ends_with(b"\n") {
        let mut polled = [PollFd::new(streams.from.as_fd(), PollFlags::POLLIN)];
        poll(&mut polled, PollTimeout::try_from(PATIENCE).unwrap()).unwrap();
        let mut piece = [0; 256];
        let length = streams.from.read(&mut piece).expect("it says hello");
        assert!(length > 0, "it has not ended");
        said.extend(&piece[..length]);
    }
    assert!(said.starts_with(b"{\"hello\""), "{}", String::from_utf8_lossy(&said));
    streams.to.write_all(b"{}\n").expect("it hears");
    streams.printed.begin();
    engine.attendant.end(number);
    let end = engine.swept(number);
    assert!(matches!(end.how, How::Signalled(9)), "{end:?}");
    assert_eq!(fs::read_dir(engine.path("run")).unwrap().count(), 0);
}
