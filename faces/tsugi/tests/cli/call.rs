//! `tsugi call` against a server that loses answers, refuses and is silent.

use std::net::TcpListener;

use serde_json::Value;

use crate::agent::nobody;
use crate::false_server::{Does, Group};
use crate::schema::check;
use crate::{tsugi, tsugi_ja};

fn json(out: &str) -> Value {
    assert_eq!(check(out), "tsugi.call");
    serde_json::from_str(out).expect("it was checked")
}

#[test]
fn a_call_prints_its_reply_and_says_what_it_waited_for() {
    let here = nobody();
    let group = Group::default();
    // The second is the confirm of the first.
    let server = group.server([Does::Answers, Does::Answers, Does::LosesTheAnswer]);
    let words = ["call", "counter", "by=1", "note=x y", "raw:=[1,2]", "--at", &server.at()];
    let plain = tsugi(here.path(), &words);
    plain.ended(0, "\"counter\":1");
    assert_eq!(plain.err, "", "there is nothing else to say");
    let retried = tsugi(here.path(), &words);
    retried.ended(0, "\"counter\":2").ended(0, "answered at try 2");
    assert!(retried.err.contains(&server.at()), "{retried:#?}");
    let kept = group.kept().heard.clone();
    assert_eq!(kept[0].line, "POST /call/counter HTTP/1.1");
    assert_eq!(kept[0].body, "{\"by\":1,\"note\":\"x y\",\"raw\":[1,2]}");
    assert_eq!(kept[0].heads["accept-language"], "en");
    assert!(kept[1].line.ends_with("/confirm HTTP/1.1"), "a key that was made up is confirmed");
    assert_eq!(group.once_each(), 2, "each call has an id of its own");
}

#[test]
fn mf_10_the_same_id_is_the_same_call_and_is_not_confirmed() {
    let here = nobody();
    let group = Group::default();
    let server = group.server([Does::LosesTheAnswer]);
    let words = ["call", "counter", "--at", &server.at(), "--id", "rent-11", "--body", "{\"a\":1}"];
    tsugi(here.path(), &words).ended(0, "\"counter\":1");
    tsugi(here.path(), &words).ended(0, "\"counter\":1");
    assert_eq!(group.once_each(), 1);
    assert!(group.kept().heard.iter().all(|heard| heard.line == "POST /call/counter HTTP/1.1"));
}

#[test]
fn each_end_of_a_call_has_its_exit_code_and_its_message() {
    let here = nobody();
    let group = Group::default();
    let server = group.server([]);
    let at = server.at();
    let words = ["call", "counter", "--at", &at, "--deadline", "500ms"];
    let asked = |does: Vec<Does>, words: &[&str]| {
        server.then(does);
        tsugi(here.path(), words)
    };
    let refused = asked(vec![Does::Refuses(422, "never")], &words);
    refused.ended(3, "TSUG20501-E").ended(3, "T-422 do otherwise");
    asked(vec![Does::Refuses(404, "never")], &words).ended(4, "TSUG20501-E");
    asked(vec![Does::Refuses(401, "never")], &words).ended(8, "TSUG20501-E");
    asked(vec![Does::Refuses(410, "never")], &words).ended(4, "TSUG20505-E");
    // Under an id that was given an earlier call may have been carried out.
    let again = ["call", "counter", "--at", &at, "--id", "k", "--deadline", "500ms"];
    for status in [401, 404, 413, 422] {
        let again = asked(vec![Does::Refuses(status, "never")], &again);
        again.ended(5, "TSUG20503-W").ended(5, &format!("T-{status} do otherwise"));
    }
    let ended = ["call", "counter", "--at", &at, "--id", "ends"];
    asked(vec![Does::EndsAbnormally], &ended)
        .ended(1, "TSUG20502-E")
        .ended(1, "{\"ended\":{\"code\":3}}");
    let refuses = ["call", "counter", "--at", &at, "--id", "refuses"];
    let refused = asked(vec![Does::ItsProgramRefuses], &refuses);
    refused.ended(3, "TSUG20501-E").ended(3, "no such account");
    // More of them than tries within the deadline.
    let lost = ["call", "counter", "--at", &at, "--id", "lost", "--deadline", "300ms"];
    let lost = asked(vec![Does::LosesTheAnswer; 500], &lost);
    lost.ended(5, "TSUG20503-W").ended(5, "call id lost");
    let nobody_listens = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let silent = nobody_listens.local_addr().expect("it is bound").to_string();
    drop(nobody_listens);
    let words = ["call", "counter", "--at", &silent, "--deadline", "200ms"];
    tsugi(here.path(), &words).ended(7, "TSUG20504-E").ended(7, "refused");
    tsugi_ja(here.path(), &words).ended(7, "受け取る相手がいません");
}

#[test]
fn for_programs_every_end_is_one_object() {
    let here = nobody();
    let group = Group::default();
    let server = group.server([Does::SaysPending, Does::Answers, Does::Refuses(422, "never")]);
    let at = server.at();
    let words = ["--json", "call", "counter", "--at", &at, "--id", "k"];
    let replied = json(&tsugi(here.path(), &words).ended(0, "").out);
    assert_eq!((&replied["outcome"], &replied["id"]), (&"replied".into(), &"k".into()));
    assert_eq!((&replied["reply"]["counter"], &replied["tries"]), (&1.into(), &2.into()));
    assert_eq!((&replied["observed_by"], &replied["epoch"]), (&"n1".into(), &7.into()));
    assert_eq!(replied["waited_for"]["status"], 202);
    let words = ["--json", "call", "counter", "--at", &at];
    let refused = json(&tsugi(here.path(), &words).ended(3, "").out);
    assert_eq!((&refused["outcome"], &refused["may_be_done"]), (&"refused".into(), &false.into()));
    assert_eq!((&refused["problem"]["id"], &refused["reply"]), (&"T-422".into(), &Value::Null));
    server.then([Does::EndsAbnormally]);
    let words = ["--json", "call", "counter", "--at", &at, "--id", "j"];
    let ended = json(&tsugi(here.path(), &words).ended(1, "").out);
    assert_eq!((&ended["outcome"], &ended["reply"]["ended"]["code"]), (&"ended".into(), &3.into()));
    server.then(vec![Does::LosesTheAnswer; 500]);
    let words = ["--json", "call", "counter", "--at", &at, "--id", "l", "--deadline", "200ms"];
    let lost = json(&tsugi(here.path(), &words).ended(5, "").out);
    assert_eq!((&lost["outcome"], &lost["may_be_done"]), (&"not-known".into(), &true.into()));
    assert_eq!(lost["waited_for"]["met"], "connection-ended");
}

#[test]
fn what_is_typed_wrong_sends_nothing() {
    let here = nobody();
    let group = Group::default();
    let server = group.server([]);
    let at = server.at();
    for (words, said) in [
        (&["call", "--at", &at][..], "SERVICE"),
        (&["call", "counter", "k", "--at", &at], "\"k\" is neither NAME=VALUE nor NAME:=JSON"),
        (&["call", "counter", "k=1", "k=2", "--at", &at], "\"k\" is given twice"),
        (&["call", "counter", "k:=}", "--at", &at], "is no JSON"),
        (&["call", "counter", "--body", "{", "--at", &at], "is no JSON"),
        (&["call", "counter", "k=1", "--body", "{}", "--at", &at], "cannot be used with"),
        (&["call", "counter", "--at", "here"], "--at cannot be here"),
        (&["call", "counter", "--at", &at, "--id", "a b"], "--id cannot be a b"),
        (&["call", "counter", "--at", &at, "--deadline", "soon"], "--deadline cannot be soon"),
        (&["call", "counter", "--at", &at, "--order", "a\nb"], "cannot be"),
        (&["call", "counter", "--at", &at, "--token-file", "/no/file"], "TSUG20506-E"),
        (&["call", "counter", "--at", &at, "--ca", "/no/file"], "TSUG20506-E"),
    ] {
        tsugi(here.path(), words).ended(2, said);
    }
    assert_eq!(group.kept().heard.len(), 0);
}

#[test]
fn a_token_goes_with_the_call_and_stands_in_no_argument() {
    let here = nobody();
    let group = Group::default();
    let server = group.server([]);
    let file = here.path().join("token");
    std::fs::write(&file, "secret\n").expect("the folder is ours");
    let file = file.to_str().expect("a plain path");
    let words = ["call", "counter", "--at", &server.at(), "--token-file", file, "--order", "k 7"];
    tsugi(here.path(), &words).ended(0, "counter");
    let heads = group.kept().heard[0].heads.clone();
    assert_eq!(
        (heads["authorization"].as_str(), heads["tsugi-order"].as_str()),
        ("Bearer secret", "k 7")
    );
}
