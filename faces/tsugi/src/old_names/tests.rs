//! Old words and what they mean.

use super::*;

fn now(line: &str) -> Result<String, Misuse> {
    let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
    let old = called_by(words.first()).expect("it is an old name");
    old.now(&words[1..]).map(|now| now.spelled())
}

#[test]
fn cl_23_old_words_of_groups_start_stop_and_move_and_wait_for_the_end() {
    let cases = [
        ("clpgrp -s PAY", "group start PAY --wait --reason \"clpgrp -s PAY\""),
        ("clpgrp PAY -s -h n1", "group start PAY --on n1 --wait --reason \"clpgrp -s PAY\""),
        ("/usr/sbin/clpgrp -t PAY -f", "group stop PAY --wait --reason \"clpgrp -t PAY\""),
        ("clpgrp -m PAY", "group move PAY --wait --reason \"clpgrp -m PAY\""),
        ("clpgrp -m PAY -h n2", "group move PAY n2 --wait --reason \"clpgrp -m PAY\""),
        ("clpgrp -m PAY -h n1 -a n2", "group move PAY n2 --wait --reason \"clpgrp -m PAY\""),
        ("clpgrp -n PAY", "group list"),
        ("clpstat -s", "status --long"),
        ("clpstat --json", "status --long --json"),
        ("clpstat --local -n", "node list"),
        ("clpcl --suspend", "group pause --all --reason \"clpcl --suspend\""),
        ("clpcl --resume", "group resume --all --reason \"clpcl --resume\""),
        ("clptoratio -r 3 -t 2h", "stretch 3 --for 2h --reason \"clptoratio -r 3\""),
        ("clptoratio -t 90 -r 3", "stretch 3 --for 90s --reason \"clptoratio -r 3\""),
        ("clptoratio -i", "stretch --end --reason \"clptoratio -i\""),
        ("clptoratio -s", "status"),
    ];
    for (old, new) in cases {
        assert_eq!(now(old), Ok(format!("tsugi {new}")), "{old}");
    }
}

#[test]
fn ph_14_old_words_of_monitors_suspend_them_and_take_them_up_wherever_their_group_runs() {
    let of = |line: &str| {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        called_by(words.first()).expect("it is an old name").now(&words[1..])
    };
    let monitors = |turn, names: &[&str]| {
        Ok(Now::Monitors(turn, names.iter().map(|name| (*name).to_owned()).collect()))
    };
    for (old, now) in [
        ("clpmonctrl -s -m port", monitors(Turn::Suspend, &["port"])),
        ("clpmonctrl -s -h n1 -m PAY/ap/port -w 30", monitors(Turn::Suspend, &["PAY/ap/port"])),
        ("clpmonctrl -r -m port page -m db", monitors(Turn::Resume, &["port", "page", "db"])),
        ("clpmonctrl --suspend", monitors(Turn::Suspend, &[])),
        ("clpmonctrl -w 5 --resume", monitors(Turn::Resume, &[])),
        ("clpmonctrl -m port", Err(Misuse::Missing("-s|-r|-v"))),
        ("clpmonctrl -s -m", Err(Misuse::Missing("-m MONITOR"))),
        ("clpmonctrl -s -m -r", Err(Misuse::Word("-r".to_owned()))),
        ("clpmonctrl -s port", Err(Misuse::Word("port".to_owned()))),
        ("clpmonctrl -s -w -m port", Err(Misuse::Word("-m".to_owned()))),
        ("clpmonctrl -s -r -m port", Err(Misuse::Both("-s".to_owned(), "-r".to_owned()))),
        ("clpmonctrl -s -i 3", Err(Misuse::Word("-i".to_owned()))),
        ("clpmonctrl -c -m port", Err(Misuse::Elsewhere("tsugi group clear"))),
        ("clpmonctrl -n -m port", Err(Misuse::Elsewhere("tsugi drill"))),
    ] {
        assert_eq!(of(old), now, "{old}");
    }
    assert_eq!(now("clpmonctrl -v"), Ok("tsugi status --long".to_owned()));
}

#[test]
fn an_old_command_that_is_not_understood_does_nothing() {
    let word = |word: &str| Err(Misuse::Word(word.to_owned()));
    assert_eq!(now("clpgrp -x PAY"), word("-x"));
    assert_eq!(now("clpgrp -s PAY BATCH"), word("BATCH"));
    assert_eq!(now("clpgrp -t PAY -a n2"), word("-a"));
    assert_eq!(now("clpgrp PAY"), Err(Misuse::Missing("-s|-t|-m|-n")));
    assert_eq!(now("clpgrp -m"), Err(Misuse::Missing("GROUP")));
    assert_eq!(now("clpgrp -m PAY -h"), Err(Misuse::Missing("-h NODE")));
    assert_eq!(now("clpmonctrl -s -h n1"), Err(Misuse::Missing("-m MONITOR")));
    assert_eq!(now("clpgrp -s -t PAY"), Err(Misuse::Both("-s".to_owned(), "-t".to_owned())));
    assert_eq!(now("clptoratio -r 3"), Err(Misuse::Missing("-t TIME")));
    assert_eq!(now("clptoratio"), Err(Misuse::Missing("-r RATIO")));
    assert_eq!(now("clptoratio -i -r 3"), Err(Misuse::Both("-i".to_owned(), "-r".to_owned())));
    assert_eq!(now("clptoratio -i -s"), Err(Misuse::Both("-i".to_owned(), "-s".to_owned())));
    assert_eq!(now("clptoratio -x"), word("-x"));
    assert_eq!(now("clpcl -t"), Err(Misuse::Elsewhere("systemctl stop tsugi")));
    assert_eq!(called_by(Some(&OsString::from("/usr/bin/tsugi"))).map(|o| o.name), None);
}

#[test]
fn an_old_load_takes_its_options_anywhere_and_in_any_letter_case() {
    let cases = [
        ("ARMLOAD TUSINAP TUSINAP.EXE line1", "proc load TUSINAP -- TUSINAP.EXE line1"),
        ("ARMLoad HULFT /M /FOV hulft", "proc load HULFT --failover -- hulft"),
        ("armload HULFT hulft /fov /m", "proc load HULFT --failover -- hulft"),
        ("ARMLOAD /M WM_IS wmIS", "proc load WM_IS --fail -- wmIS"),
        ("ARMLOAD AP /R 3 ap", "proc load AP --restart 3 -- ap"),
        (
            "ARMLOAD AP /INT 60 ap x /r 9 /WAIT 5 /H 24 /U mika",
            "proc load AP --restart 9 --within 24h --delay 5s --interval 60s --user mika -- ap x",
        ),
        ("ARMLOAD AP /scr ap /R 2", "proc load AP --restart 2 --rerun-scripts -- ap"),
        ("ARMKILL TUSINAP", "proc kill TUSINAP"),
        ("armkill WM_IS /t 100", "proc kill WM_IS --within 100s"),
        ("ARMKILL /T 100 WM_IS", "proc kill WM_IS --within 100s"),
        ("ARMLoadC HULFT /W pause", "proc hold HULFT --reason \"ARMLOADC HULFT /W pause\""),
        ("ARMLOADC /w CONTINUE AP", "proc watch AP --reason \"ARMLOADC AP /W continue\""),
    ];
    for (old, new) in cases {
        assert_eq!(now(old), Ok(format!("tsugi {new}")), "{old}");
    }
}

#[test]
fn cl_08_an_old_load_of_a_service_takes_its_options_anywhere_in_any_case_and_a_quoted_name() {
    let cases = [
        ("ARMLOAD WinSAM_PID /S /M /FOV WinSAM", "WinSAM_PID --failover --service WinSAM"),
        (
            "ARMLOAD Ros3_PID /s /m /fov Ros3NT_Service",
            "Ros3_PID --failover --service Ros3NT_Service",
        ),
        ("ARMLOAD WM_IS /S /M \"wmIS\"", "WM_IS --fail --service wmIS"),
        (
            "ARMLOAD WM_BROKER /FOV /S /M webMethodsBroker_6.0_6849",
            "WM_BROKER --failover --service webMethodsBroker_6.0_6849",
        ),
        ("ARMLoad /fov HULFT HULFT /m /s", "HULFT --failover --service HULFT"),
        ("armload HULFT HULFT /S", "HULFT --service HULFT"),
        ("ARMLOAD AP svc /S /A /R 2 /SCR", "AP --restart 2 --rerun-scripts --service svc"),
    ];
    for (old, new) in cases {
        assert_eq!(now(old), Ok(format!("tsugi proc load {new}")), "{old}");
    }
}

#[test]
fn an_old_load_that_is_not_understood_starts_nothing() {
    let word = |word: &str| Err(Misuse::Word(word.to_owned()));
    assert_eq!(now("ARMLOAD"), Err(Misuse::Missing("ID")));
    assert_eq!(now("ARMLOAD AP"), Err(Misuse::Missing("PROGRAM")));
    assert_eq!(now("ARMLOAD AP ap /R"), Err(Misuse::Missing("/R n")));
    assert_eq!(now("ARMLOAD AP ap /H 3"), Err(Misuse::Missing("/R n")));
    let both = Err(Misuse::Both("/M".to_owned(), "/R".to_owned()));
    assert_eq!(now("ARMLOAD AP ap /M /R 3"), both);
    assert_eq!(now("ARMLOAD HULFT /S"), Err(Misuse::Missing("SERVICE")));
    assert_eq!(now("ARMLOAD HULFT /S HULFT x"), word("x"));
    assert_eq!(now("ARMLOAD AP ap /SCR"), Err(Misuse::Missing("/R n")));
    assert_eq!(now("ARMKILL AP BP"), word("BP"));
    assert_eq!(now("ARMLOADC AP"), Err(Misuse::Missing("/W pause|continue")));
    assert!(called_by(Some(&OsString::from("ARMLEAD"))).is_none(), "a misprint");
}

#[test]
fn cl_11_a_number_that_is_out_of_its_range_is_told_with_the_range() {
    let of = |option, given: &str, range| Err(Misuse::OutOfRange(option, given.to_owned(), range));
    assert_eq!(now("ARMLOAD AP ap /R 10"), of("/R", "10", 1..=9));
    assert_eq!(now("ARMLOAD AP ap /R 0"), of("/R", "0", 1..=9));
    assert_eq!(now("ARMLOAD AP ap /R 3 /H 25"), of("/H", "25", 1..=24));
    assert_eq!(now("ARMLOAD AP ap /R 3 /H 0"), of("/H", "0", 1..=24));
    assert_eq!(now("ARMLOAD AP ap /R 3 /WAIT -1"), of("/WAIT", "-1", 0..=86_400));
    assert_eq!(now("ARMKILL AP /T x"), of("/T", "x", 0..=86_400));
    let text = now("ARMLOAD AP ap /R 10").unwrap_err().words().text(tsugi_messages::Language::En);
    assert_eq!(text, "/R is a number from 1 to 9, not 10");
}

#[test]
fn every_name_is_installed_once_and_what_stands_there_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let program = Path::new("/usr/bin/tsugi");
    for _twice in 0..2 {
        let places = install(dir.path(), program).unwrap();
        assert_eq!(places.len(), 19);
        assert!(places.contains(&dir.path().join("ARMLoadC")));
        for place in places {
            assert_eq!(place.read_link().unwrap(), program);
        }
    }
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("clpstat"), "the product's own").unwrap();
    let refused = install(other.path(), program);
    assert!(matches!(refused, Err(NotInstalled::Taken(at)) if at == other.path().join("clpstat")));
    assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 1, "none was installed");
}

#[test]
fn old_words_of_regions_start_and_stop_this_one_alone() {
    let cases = [
        ("casstart /rESSRV01", "group start ESSRV01 --reason \"casstart /rESSRV01\""),
        (
            "casstart -r ESSRV01 -w",
            "group start ESSRV01 --wait=15s --reason \"casstart /rESSRV01\"",
        ),
        (
            "casstart /RESSRV01 /W30 /S:C",
            "group start ESSRV01 --fresh --wait=30s --reason \"casstart /rESSRV01\"",
        ),
        (
            "casstart /rESSRV01 /s:w",
            "group start ESSRV01 --inherit --reason \"casstart /rESSRV01\"",
        ),
        (
            "casstart /rESSRV01 /m host2:10086",
            "group start ESSRV01 --reason \"casstart /rESSRV01\"",
        ),
        ("casstop -rESSRV010", "group stop ESSRV010 --reason \"casstop /rESSRV010\""),
        ("casstop -f -rESSRV010", "region stop ESSRV010 --force --reason \"casstop /rESSRV010\""),
        (
            "casstop /force /w /rESSRV01",
            "region stop ESSRV01 --force --reason \"casstop /rESSRV01\"",
        ),
        ("casstop /rESSRV01 /w", "region stop ESSRV01 --reason \"casstop /rESSRV01\""),
        ("mdump", "region list"),
        ("mdump localhost ESSRV01", "region list ESSRV01"),
        ("mdump host2:10086 ESSRV01", "region list ESSRV01 --at host2:10086"),
    ];
    for (old, new) in cases {
        assert_eq!(now(old), Ok(format!("tsugi {new}")), "{old}");
    }
    assert_eq!(now("casstart /w"), Err(Misuse::Missing("/r NAME")));
    assert_eq!(now("casstart /rESSRV01 /x"), Err(Misuse::Word("/x".to_owned())));
    assert_eq!(now("casstart /rESSRV01 /m"), Err(Misuse::Missing("/m HOST:PORT")));
    assert_eq!(now("mdump a b c"), Err(Misuse::Word("c".to_owned())));
    assert_eq!(now("mdump -x"), Err(Misuse::Word("-x".to_owned())));
    assert_eq!(now("casstop ESSRV01"), Err(Misuse::Word("ESSRV01".to_owned())));
}

#[test]
fn old_words_of_packages_name_mapping_and_package_after_the_service() {
    let made = "tsugi service import cblapp01.cbl --name srv01 --entry CBLAPP01 \
                --interface srv01.toml --out srv01.car";
    let old = "imtkmake -defmap src=cblapp01.cbl service=srv01 type=ejb";
    assert_eq!(now(old), Ok(made.to_owned()));
    let generated = now("imtkmake -generate service=srv01 type=ejb");
    assert_eq!(generated, Ok("tsugi service import … --name srv01".to_owned()));
    assert_eq!(now("imtkmake -defmap service=srv01"), Err(Misuse::Missing("src=FILE")));
    assert_eq!(now("imtkmake service=srv01"), Err(Misuse::Missing("-defmap|-generate")));
    assert_eq!(now("mfdepinst -x"), Err(Misuse::Word("-x".to_owned())));
    let told = mf::told("MFDS=localhost\n MFUS_SERVER = ESSRV01\nMFUS_LISTENER=Web Services\n");
    let (host, server) = (Some("localhost".to_owned()), Some("ESSRV01".to_owned()));
    assert_eq!(told, mf::Where { host, server });
}
