//! Processes that their starter holds: what they are given, and that nothing of them is left.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::unistd::{geteuid, pipe2};
use tempfile::TempDir;
use tsugi_host::enclosed::{Enclosed, Fold, HostName, Left, NotStarted, Order, User};
use tsugi_host::request::{HowEnded, KillBy, Limits};

const PATIENCE: Duration = Duration::from_secs(30);

fn folds() -> Vec<(TempDir, Fold)> {
    let make = |kind: &str| {
        let dir = tempfile::tempdir().expect("it can be done here");
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755))
            .expect("it can be done here");
        let own =
            dir.path().file_name().expect("it can be done here").to_string_lossy().replace('.', "");
        let name = format!("enclosed-{kind}-{}-{own}", std::process::id());
        let fold = Fold::claim(&name, dir.path().join("run")).expect("it can be done here");
        (dir, fold)
    };
    let (dir, fold) = make("d");
    vec![make("c"), (dir, fold.by_descent())]
}

fn user() -> User {
    if geteuid().is_root() { User::Other { uid: 61_235, gid: 61_235 } } else { User::Same }
}

/// A script, and the reading ends of its output and its errors.
fn script(text: &str) -> (Order, [OwnedFd; 2]) {
    let (output, errors) = (
        pipe2(OFlag::O_CLOEXEC).expect("it can be done here"),
        pipe2(OFlag::O_CLOEXEC).expect("it can be done here"),
    );
    let argv = ["sh", "-c", text].map(str::to_owned).to_vec();
    let env = BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into()), ("A".into(), "b".into())]);
    let input = fs::File::open("/dev/null").expect("it can be done here").into();
    let limits = Limits { open_files: Some(77), core_bytes: Some(0), ..Limits::default() };
    let (user, host_name) = (user(), "node7".to_owned());
    let order =
        Order { argv, env, input, output: output.1, errors: errors.1, user, limits, host_name };
    (order, [output.0, errors.0])
}

fn read(end: OwnedFd) -> String {
    let mut text = String::new();
    fs::File::from(end).read_to_string(&mut text).expect("it can be done here");
    text
}

fn ended(enclosed: &mut Enclosed) -> HowEnded {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(how) = enclosed.ended() {
            return how;
        }
        assert!(Instant::now() < until, "it does not end");
        wait(&*enclosed, 100);
    }
}

fn wait(enclosed: &impl AsFd, ms: u16) {
    let mut polled = [nix::poll::PollFd::new(enclosed.as_fd(), nix::poll::PollFlags::POLLIN)];
    nix::poll::poll(&mut polled, ms).expect("it can be done here");
}

fn swept(enclosed: &mut Enclosed) {
    let until = Instant::now() + PATIENCE;
    while enclosed.sweep() == Left::Something {
        assert!(Instant::now() < until, "something is left");
        std::thread::yield_now();
    }
}

fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.chars().next());
    !matches!(state, None | Some(None | Some('Z' | 'X')))
}

#[test]
fn a_process_has_what_it_is_given_and_nothing_of_its_starter() {
    for (dir, mut fold) in folds() {
        let text = "env; echo; id -u; id -G; uname -n; pwd; ulimit -n; umask
            grep -E 'NoNewPrivs|Cap(Eff|Prm|Inh|Amb)' /proc/self/status
            ls /proc/self/fd; echo e >&2";
        let (order, [output, errors]) = script(text);
        let mut enclosed = fold.start(order).unwrap();
        let (output, errors) = (read(output), read(errors));
        assert_eq!((ended(&mut enclosed), errors.as_str()), (HowEnded::Exited(0), "e\n"));
        let own = dir.path().join("run/1");
        let (env, rest) = output.split_once("\n\n").unwrap();
        let mut names: Vec<_> = env.lines().filter_map(|line| line.split('=').next()).collect();
        names.sort_unstable();
        assert_eq!(names, ["A", "HOME", "PATH", "PWD", "TMPDIR", "TSUGI_MARK"]);
        assert!(env.contains(&format!("HOME={}", own.display())));
        let lines: Vec<_> = rest.lines().collect();
        if geteuid().is_root() {
            assert_eq!(lines[..2], ["61235", "61235"], "no group is left of root's");
        }
        for set in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
            let none = format!("{set}:\t0000000000000000");
            assert!(lines[6..11].contains(&none.as_str()), "{lines:?}");
        }
        if fold.host_name() == HostName::Given {
            assert_eq!(lines[2], "node7");
        }
        assert_eq!(lines[3..6], [own.to_str().unwrap(), "77", "0077"]);
        assert!(lines.contains(&"NoNewPrivs:\t1"));
        // The fourth is the directory that `ls` reads.
        assert_eq!(lines[11..], ["0", "1", "2", "3"], "no stream of its starter is open in it");
        swept(&mut enclosed);
        assert!(!own.exists(), "its folder goes with it");
    }
}

#[test]
fn the_starter_keeps_its_own_name_of_the_machine() {
    let before = nix::unistd::gethostname().unwrap();
    for (_dir, mut fold) in folds() {
        let (order, [output, _errors]) = script("uname -n");
        let mut enclosed = fold.start(order).unwrap();
        read(output);
        swept_after(&mut enclosed);
    }
    assert_eq!(nix::unistd::gethostname().unwrap(), before);
}

fn swept_after(enclosed: &mut Enclosed) {
    ended(enclosed);
    swept(enclosed);
}

#[test]
fn what_it_has_left_running_ends_with_it_however_it_hides() {
    for (_dir, mut fold) in folds() {
        // In a session of its own, its parent gone, its streams closed.
        let text = "setsid sh -c 'echo $$; exec >&- 2>&-; sleep 100; :' & exit 3";
        let (order, [output, _errors]) = script(text);
        let mut enclosed = fold.start(order).unwrap();
        let mut digits = [0; 32];
        let length = fs::File::from(output).read(&mut digits).unwrap();
        let hidden = String::from_utf8_lossy(&digits[..length]).into_owned();
        assert_eq!(ended(&mut enclosed), HowEnded::Exited(3));
        assert!(runs(&hidden), "{:?}: it has hidden from the end of its parent", fold.kill_by());
        swept(&mut enclosed);
        assert!(!runs(&hidden), "{:?}", fold.kill_by());
    }
}

#[test]
fn a_kill_ends_it_with_all_that_it_started() {
    for (_dir, mut fold) in folds() {
        let (order, [output, _errors]) = script("sleep 100 & echo $!; wait");
        let mut enclosed = fold.start(order).unwrap();
        let mut digits = [0; 32];
        let length = fs::File::from(output).read(&mut digits).unwrap();
        let started = String::from_utf8_lossy(&digits[..length]).into_owned();
        enclosed.kill();
        assert_eq!(ended(&mut enclosed), HowEnded::Signalled(9));
        swept(&mut enclosed);
        assert!(!runs(&started), "{:?}", fold.kill_by());
    }
}

#[test]
fn what_does_not_run_is_told_by_name_and_leaves_nothing() {
    for (dir, mut fold) in folds() {
        let (mut order, _ends) = script("");
        order.argv = vec!["no-such-program".to_owned()];
        let NotStarted { step, source } = fold.start(order).unwrap_err();
        assert_eq!((step, source.raw_os_error()), ("start its program", Some(libc::ENOENT)));
        assert_eq!(fs::read_dir(dir.path().join("run")).unwrap().count(), 0);
    }
}

#[test]
fn nothing_runs_with_the_rights_of_root() {
    for (_dir, mut fold) in folds() {
        for (uid, gid) in [(0, 0), (0, 9), (9, 0), (u32::MAX, 9), (9, u32::MAX)] {
            let (mut order, _ends) = script("");
            order.user = User::Other { uid, gid };
            assert_eq!(fold.start(order).unwrap_err().step, "choose its user", "{uid} {gid}");
        }
        if geteuid().is_root() {
            let (mut order, _ends) = script("");
            order.user = User::Same;
            assert_eq!(fold.start(order).unwrap_err().step, "choose its user");
        }
    }
}

#[test]
fn what_its_starter_was_lent_goes_to_no_process() {
    if !geteuid().is_root() {
        // Nobody else can lend.
        return;
    }
    // The first test again, by a starter that is not root and has a right all the same.
    let lent = ["--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service"];
    let said = Command::new("setpriv")
        .args(["--reuid=61236", "--regid=61236", "--clear-groups"])
        .args(lent)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_has_what_it_is_given_and_nothing_of_its_starter"])
        .current_dir("/")
        .output()
        .expect("setpriv is part of util-linux");
    let told = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success() && told.contains("1 passed"), "{said:?}");
}

#[test]
fn a_place_that_is_another_ones_is_not_claimed_and_nothing_in_it_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let claim = |kind: &str, path: &str| {
        let name = format!("enclosed-{kind}-{}", std::process::id());
        Fold::claim(&name, dir.path().join(path)).map(drop)
    };
    let make = |name: &str, mode: u32| {
        let made = dir.path().join(name);
        fs::create_dir(&made).unwrap();
        fs::write(made.join("kept"), "").unwrap();
        fs::set_permissions(&made, Permissions::from_mode(mode)).unwrap();
        made
    };
    let aim = make("aim", 0o755);
    symlink(&aim, dir.path().join("link")).unwrap();
    claim("link", "link").unwrap_err();
    claim("slash", "link/").unwrap_err();
    assert!(aim.join("kept").exists());
    for mode in [0o775, 0o757, 0o1777] {
        let open = make(&format!("{mode:o}"), mode);
        let why = claim("open", &format!("{mode:o}")).unwrap_err();
        assert_eq!(why.kind(), std::io::ErrorKind::PermissionDenied);
        assert!(open.join("kept").exists());
    }
    if geteuid().is_root() {
        let other = make("other", 0o755);
        chown(&other, Some(61_235), Some(61_235)).unwrap();
        claim("other", "other").unwrap_err();
        assert!(other.join("kept").exists());
    }
}

#[test]
fn the_place_can_be_gone_through_whatever_its_starter_masks() {
    let dir = tempfile::tempdir().unwrap();
    // As a mask of 077 leaves it.
    let place = dir.path().join("run");
    fs::create_dir(&place).unwrap();
    fs::set_permissions(&place, Permissions::from_mode(0o700)).unwrap();
    let name = format!("enclosed-masked-{}", std::process::id());
    let _fold = Fold::claim(&name, place.clone()).unwrap();
    assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o7777, 0o711);
}

#[test]
fn a_full_folder_is_removed_beside_who_sweeps_and_one_that_stays_is_told() {
    for (_dir, mut fold) in folds() {
        let text = "i=0; while [ $i -lt 300 ]; do : > f$i; i=$((i+1)); done; mkdir -p a/b";
        let (order, _ends) = script(text);
        let mut enclosed = fold.start(order).unwrap();
        ended(&mut enclosed);
        let own = enclosed.folder().to_owned();
        let first = enclosed.sweep();
        if fold.kill_by() == KillBy::Descent {
            // No process is left that could be why.
            assert_eq!(first, Left::Something, "who sweeps does not remove it all himself");
        }
        swept(&mut enclosed);
        assert!(!own.exists());
        let (order, _ends) = script("");
        let mut enclosed = fold.start(order).unwrap();
        ended(&mut enclosed);
        let own = enclosed.folder().to_owned();
        fs::remove_dir(&own).unwrap();
        fs::write(&own, "no folder").unwrap();
        let until = Instant::now() + PATIENCE;
        let mut left = enclosed.sweep();
        while left == Left::Something {
            assert!(Instant::now() < until, "something is left");
            left = enclosed.sweep();
        }
        assert_eq!(left, Left::Folder(std::io::ErrorKind::NotADirectory));
        fs::remove_file(&own).unwrap();
    }
}

#[test]
fn a_new_life_removes_what_an_earlier_one_has_left() {
    let dir = tempfile::tempdir().unwrap();
    let left = dir.path().join("run/17/deep");
    fs::create_dir_all(&left).unwrap();
    let run = dir.path().join("run");
    fs::set_permissions(&run, Permissions::from_mode(0o755)).unwrap();
    let name = format!("enclosed-left-{}", std::process::id());
    let fold = Fold::claim(&name, run).unwrap();
    assert!(!left.exists());
    let mode = fs::metadata(dir.path().join("run")).unwrap().permissions().mode();
    assert_eq!(mode & 0o022, 0, "nobody else makes anything there");
    let cgroup = |by| by == KillBy::Cgroup;
    assert_eq!(cgroup(fold.kill_by()), has_tree(&name));
    drop(fold);
    assert!(!has_tree(&name), "an empty place goes with its fold");
}

/// Whether a control group of this name is anywhere.
fn has_tree(name: &str) -> bool {
    fn below(dir: &Path, name: &str, depth: u32) -> bool {
        let Ok(entries) = fs::read_dir(dir) else { return false };
        let mut dirs = entries.filter_map(Result::ok).filter(|e| e.path().is_dir());
        dirs.any(|e| e.file_name() == name || depth > 0 && below(&e.path(), name, depth - 1))
    }
    below(Path::new("/sys/fs/cgroup"), &format!("tsugi-{name}"), 3)
}
