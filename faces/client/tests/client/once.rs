//! One call and what may happen to it: it is carried out once, and told as what it is.

use std::time::Duration;

use tsugi_client::{CallId, Client, Failure, Key, Left, Life, Met, SoFar, Why};

use crate::false_server::{Does, Group};
use crate::{client, client_with, counter, late, request, settings};

/// One call to a server that does this first.
async fn one(does: impl IntoIterator<Item = Does>) -> (Group, Result<u64, Failure>, u32) {
    let group = Group::default();
    let server = group.server(does);
    let client = client(&[&server]);
    let result = client.call(&request(), late()).await;
    let tries = result.as_ref().map_or(0, |reply| reply.course.tries);
    (group, result.map(|reply| counter(&reply.body)), tries)
}

#[tokio::test]
async fn mf_10_a_call_whose_answer_was_lost_is_answered_and_was_carried_out_once() {
    for does in [
        Does::LosesTheAnswer,
        Does::CutsTheAnswer,
        Does::IsSilentAfterwards,
        Does::SaysPending,
        Does::MeetsItTwice,
    ] {
        let tries = if does == Does::MeetsItTwice { 1 } else { 2 };
        let (group, result, tried) = one([does.clone()]).await;
        assert_eq!((result.unwrap(), tried), (1, tries), "{does:?}");
        assert_eq!(group.once_each(), 1, "{does:?}");
    }
}

#[tokio::test]
async fn a_call_that_was_not_taken_in_is_asked_again() {
    for does in [
        Does::ResetsBefore,
        Does::IsSilent,
        Does::Babbles,
        Does::Says(200),
        Does::Feigns(200),
        Does::Feigns(500),
        Does::Says(500),
        Does::Says(502),
        Does::Says(503),
        Does::Says(429),
        Does::Refuses(503, "same-id"),
        Does::Refuses(503, "elsewhere"),
        Does::Refuses(429, "same-id"),
        Does::Refuses(504, "same-id"),
    ] {
        let (group, result, tried) = one([does.clone(), does.clone()]).await;
        assert_eq!((result.unwrap(), tried), (1, 3), "{does:?}");
        assert_eq!(group.once_each(), 1, "{does:?}");
    }
}

#[tokio::test]
async fn every_try_of_a_call_says_the_same_of_it() {
    let script = [Does::ResetsBefore, Does::LosesTheAnswer, Does::Says(503), Does::SaysPending];
    let (group, result, _) = one(script).await;
    assert_eq!(result.unwrap(), 1);
    let kept = group.kept();
    assert_eq!(kept.heard.len(), 5);
    for heard in &kept.heard {
        assert_eq!(
            (heard.line.as_str(), heard.body.as_str()),
            ("POST /call/counter HTTP/1.1", "{\"by\":1}")
        );
        let head = |name: &str| heard.heads[name].as_str();
        assert_eq!((head("tsugi-client"), head("tsugi-call")), ("teller", "3.1"));
        assert_eq!((head("tsugi-lowest"), head("content-type")), ("1", "application/json"));
        let patience: u64 = head("tsugi-patience").parse().unwrap();
        assert!((1..=150).contains(&patience), "{patience}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_with_its_details_and_nothing_was_carried_out() {
    let (group, result, _) = one([Does::Says(503), Does::Refuses(422, "never")]).await;
    // A 503 without details may have come from behind something that passed it on.
    assert!(matches!(result, Err(Failure::NotKnown(_))));
    assert_eq!(group.once_each(), 0);
    let (group, result, _) =
        one([Does::Refuses(503, "same-id"), Does::Refuses(422, "never")]).await;
    let Err(Failure::Refused(problem, _)) = result else { panic!("{result:?}") };
    assert_eq!((problem.status, problem.id.as_str()), (422, "T-422"));
    assert_eq!((problem.title.as_str(), problem.detail.as_str()), ("refused", "do otherwise"));
    assert_eq!(group.once_each(), 0);
}

#[tokio::test]
async fn a_refusal_after_a_lost_answer_is_not_told_as_nothing_carried_out() {
    let (group, result, _) = one([Does::LosesTheAnswer, Does::Refuses(404, "never")]).await;
    let Err(Failure::NotKnown(not_known)) = result else { panic!("{result:?}") };
    assert_eq!(not_known.so_far, SoFar::MayBeDone);
    assert_eq!(not_known.why, Why::Answered(Left::AskLater));
    assert_eq!(not_known.id.to_string(), "teller:3.1");
    let waited_for = not_known.course.waited_for.unwrap();
    assert_eq!(waited_for.problem.unwrap().id, "T-404");
    assert_eq!(group.once_each(), 1);
}

#[tokio::test]
async fn an_abnormal_end_is_final_and_is_not_asked_again() {
    let (group, result, _) = one([Does::EndsAbnormally]).await;
    let Err(Failure::Ended(reply)) = result else { panic!("{result:?}") };
    assert_eq!(std::str::from_utf8(&reply.body), Ok("{\"ended\":{\"code\":3}}"));
    assert_eq!(reply.ending.as_deref(), Some("abnormal-end"));
    assert_eq!((group.once_each(), group.kept().heard.len()), (1, 1));
}

#[tokio::test]
async fn a_reply_tells_who_answered() {
    let group = Group::default();
    let server = group.server([]);
    let client = client(&[&server]);
    let reply = client.call(&request(), late()).await.unwrap();
    assert_eq!((reply.node.as_deref(), reply.epoch), (Some("n1"), Some(7)));
    assert_eq!(reply.content_type.as_deref(), Some("application/json"));
    assert_eq!((reply.course.waited_for, reply.ending), (None, None));
    server.then([Does::ItsProgramRefuses]);
    let refused = client.call(&request(), late()).await.unwrap();
    assert_eq!(refused.ending.as_deref(), Some("refused"));
}

#[tokio::test]
async fn an_idle_connection_that_has_ended_costs_no_call() {
    let group = Group::default();
    let server = group.server([Does::AnswersAndHangsUp, Does::AnswersAndHangsUp]);
    let client = client(&[&server]);
    for wanted in 1..=3 {
        let reply = client.call(&request(), late()).await.unwrap();
        assert_eq!(counter(&reply.body), wanted);
    }
    assert_eq!(group.once_each(), 3);
}

#[tokio::test]
async fn a_key_is_one_call_and_no_serial() {
    let group = Group::default();
    let server = group.server([Does::LosesTheAnswer]);
    let client = client(&[&server]);
    let key = Key::new("order/17").unwrap();
    for _ in 0..3 {
        let reply =
            client.call_keyed((key.clone(), SoFar::NotDone), &request(), late()).await.unwrap();
        assert_eq!(counter(&reply.body), 1);
    }
    assert_eq!((group.once_each(), client.lowest()), (1, 1));
    let kept = group.kept().heard.clone();
    assert!(kept.iter().all(|heard| heard.heads["idempotency-key"] == "order/17"));
    assert!(kept.iter().all(|heard| !heard.heads.contains_key("tsugi-client")));
    let fetched = client.fetch(&CallId::Keyed(key.clone()), late()).await.unwrap();
    assert_eq!(counter(&fetched.body), 1);
    client.confirm(&CallId::Keyed(key), late()).await.unwrap();
    let other = CallId::Keyed(Key::new("order/18").unwrap());
    let unknown = client.fetch(&other, late()).await;
    assert!(matches!(unknown, Err(Failure::Refused(problem, _)) if problem.status == 404));
}

#[tokio::test]
async fn of_a_key_that_was_asked_before_a_refusal_does_not_say_that_nothing_was_done() {
    let group = Group::default();
    let server = group.server([]);
    let client = client(&[&server]);
    for status in [401, 404, 413, 422] {
        server.then([Does::Refuses(status, "never"), Does::Refuses(status, "never")]);
        let key = Key::new("order/17").unwrap();
        let again = client.call_keyed((key.clone(), SoFar::MayBeDone), &request(), late()).await;
        let Err(Failure::NotKnown(not_known)) = again else { panic!("{again:?}") };
        assert_eq!(not_known.so_far, SoFar::MayBeDone);
        let first = client.call_keyed((key, SoFar::NotDone), &request(), late()).await;
        assert!(matches!(first, Err(Failure::Refused(..))), "{first:?}");
    }
}

#[tokio::test]
async fn what_is_kept_is_asked_for_through_the_same_troubles() {
    let group = Group::default();
    let server = group.server([]);
    let client = client(&[&server]);
    client.call(&request(), late()).await.unwrap();
    let id: CallId = "teller:3.1".parse().unwrap();
    server.then([Does::ResetsBefore, Does::IsSilent, Does::Says(503), Does::Says(200)]);
    assert_eq!(counter(&client.fetch(&id, late()).await.unwrap().body), 1);
    server.then([Does::Says(502), Does::LosesTheAnswer]);
    client.confirm(&id, late()).await.unwrap();
}

#[tokio::test]
async fn a_call_of_a_former_life_is_asked_again_under_its_own_id() {
    let group = Group::default();
    let server = group.server([Does::LosesTheAnswer, Does::Refuses(404, "never")]);
    let Err(Failure::NotKnown(lost)) = client(&[&server]).call(&request(), late()).await else {
        panic!("its answer was lost");
    };
    let name = tsugi_client::ClientName::new("teller").unwrap();
    let later = Client::new(name, Life::given(4, 1).unwrap(), settings(&[&server])).unwrap();
    let reply = later.again(*lost, late()).await.unwrap();
    assert_eq!(counter(&reply.body), 1);
    assert_eq!(counter(&later.call(&request(), late()).await.unwrap().body), 2);
    assert_eq!(group.once_each(), 2);
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_asked_for_again_and_again() {
    let group = Group::default();
    let server = group.server([]);
    let client = client_with(tsugi_client::Settings { largest_answer: 8, ..settings(&[&server]) });
    let result = client.call(&request(), late()).await;
    let Err(Failure::NotKnown(not_known)) = result else { panic!("{result:?}") };
    assert_eq!(not_known.course.waited_for.map(|w| w.met), Some(Met::TooLong));
    assert_eq!((group.once_each(), group.kept().heard.len()), (1, 1));
}

#[tokio::test]
async fn what_cannot_be_written_takes_no_serial() {
    let group = Group::default();
    let server = group.server([]);
    let client = client(&[&server]);
    let mut wrong = request();
    wrong.order = Some("two\nlines".to_owned());
    assert!(matches!(client.call(&wrong, late()).await, Err(Failure::NotWritten)));
    wrong = request();
    wrong.service.clear();
    assert!(matches!(client.call(&wrong, late()).await, Err(Failure::NotWritten)));
    wrong.service = "../ready?x".to_owned();
    client.call(&wrong, late()).await.unwrap();
    assert_eq!(group.kept().heard[0].line, "POST /call/..%2Fready%3Fx HTTP/1.1");
    assert_eq!(group.once_each(), 1);
}

#[tokio::test]
async fn a_token_is_read_anew_for_each_connection_and_nothing_is_sent_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let group = Group::default();
    let server = group.server([Does::AnswersAndHangsUp]);
    let identity = tsugi_client::Identity::TokenFile(file.clone());
    let client = client_with(tsugi_client::Settings { identity, ..settings(&[&server]) });
    let soon = std::time::Instant::now() + Duration::from_millis(100);
    let result = client.call(&request(), soon).await;
    let Err(Failure::NotKnown(not_known)) = result else { panic!("{result:?}") };
    assert_eq!((not_known.so_far, group.kept().heard.len()), (SoFar::NotDone, 0));
    std::fs::write(&file, "first\nsecond\n").unwrap();
    client.again(*not_known, late()).await.unwrap();
    std::fs::write(&file, "later").unwrap();
    client.call(&request(), late()).await.unwrap();
    let kept = group.kept();
    let told = |at: usize| kept.heard[at].heads["authorization"].clone();
    assert_eq!((told(0), told(1)), ("Bearer first".to_owned(), "Bearer later".to_owned()));
}
