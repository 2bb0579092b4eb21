//! Packages of a group whose store is on PostgreSQL: rows for all members, a folder for each.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tsugi_store::Claim;
use tsugi_vocabulary::Epoch;

use crate::Ran;
use crate::server::Server;
use crate::service::{Place, package, service};

/// A member of the group that runs.
fn member() -> Claim {
    Claim {
        group: "ESSRV01".parse().expect("a name"),
        member: "one".to_owned(),
        epoch: Epoch { incarnation: 1, counter: 1 },
        run: 1,
        node: "host1".parse().expect("a name"),
        at: 1,
    }
}

#[test]
fn mf_20_a_package_is_deployed_for_the_group_once_and_put_into_each_members_folder() {
    let (server, place) = (Server::new(), Place::new());
    let database = server.database();
    let (first, second) = (package(&place, "one"), package(&place, "two"));
    let at = database.address(server.folder.path());
    for volume in ["u01", "u02"] {
        fs::create_dir(place.at(volume)).unwrap();
    }
    let deploy = |package: &str, volume: &str| -> Ran {
        let volume = place.word(volume);
        let on = ["--volume", &volume, "--group", "ESSRV01", "--postgres", &at];
        service(&[&["deploy", package][..], &on].concat())
    };
    let rows = || database.ask("SELECT string_agg(p::text, ' ') FROM tsugi_package p");
    let shelved =
        |volume: &str| fs::read_dir(place.at(volume).join("packages")).map_or(0, Iterator::count);
    deploy(&first, "u01").ended(0, "TSUG20409-I");
    let row = rows();
    assert!(row.contains("srv01"), "{row}");
    deploy(&first, "u02").ended(0, "TSUG20410-I");
    assert_eq!((shelved("u01"), shelved("u02"), rows()), (1, 1, row.clone()));
    assert!(!place.at("u01/store").exists(), "nothing of it is kept on the volume");

    // While a member runs, nothing becomes current; what is, is put into a folder that lacks it.
    let runs = database.session(&member()).unwrap();
    deploy(&second, "u01").ended(3, "TSUG20406-E");
    assert_eq!((shelved("u01"), rows()), (1, row.clone()));
    fs::remove_dir_all(place.at("u02/packages")).unwrap();
    deploy(&first, "u02").ended(0, "TSUG20410-I");
    assert_eq!((shelved("u02"), rows()), (1, row.clone()));
    // A member's folder is its own while it runs.
    let taken = fs::File::open(place.at("u02")).unwrap();
    taken.try_lock().unwrap();
    deploy(&first, "u02").ended(3, "TSUG20406-E");
    drop(taken);
    // Beside a member of another version nothing is done at all.
    database.ask("UPDATE tsugi_member SET version = '9.9.9' WHERE member = 'one'");
    deploy(&first, "u02").ended(3, "TSUG20407-E").ended(3, "9.9.9");
    drop(runs);
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'tsugi:%'";
    while database.ask(sessions) != "0" {}
    deploy(&second, "u01").ended(0, "TSUG20409-I");
    assert_eq!(database.ask("SELECT count(*) FROM tsugi_package"), "2");
}

#[test]
fn a_password_is_told_by_a_file_of_ones_own_and_stands_in_no_message() {
    let place = Place::new();
    let package = package(&place, "one");
    fs::create_dir(place.at("u01")).unwrap();
    let (volume, secret) = (place.word("u01"), place.file("secret", "a secret\n"));
    let on = ["deploy", &package, "--volume", &volume, "--group", "ESSRV01"];
    let told = ["--postgres", "host=/nowhere password=told"];
    let ran = service(&[&on[..], &told].concat());
    ran.ended(3, "TSUG20612-E").ended(3, "--password-file");
    assert!(!format!("{ran:?}").contains("told"), "{ran:?}");
    let by_file = ["--postgres", "host=/nowhere dbname=pay user=pay", "--password-file", &secret];
    let mode = |mode| fs::set_permissions(&secret, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    service(&[&on[..], &by_file].concat()).ended(3, "TSUG20612-E");
    mode(0o600);
    let ran = service(&[&on[..], &by_file].concat());
    ran.ended(3, "TSUG20407-E").ended(3, "/nowhere/pay");
    assert!(!format!("{ran:?}").contains("a secret"), "{ran:?}");
    assert!(!place.at("u01/packages").exists(), "nothing was touched");
}
