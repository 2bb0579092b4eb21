//! The interfaces of what is deployed, as OpenAPI 3.1 has them.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tsugi_door::{Deployed, Open, Order};
use tsugi_service_rules::ground::Effects;

use crate::support::{Caller, Stand, door_with, get, keyed};

/// Every reference leads somewhere within the document.
fn references(document: &Value, part: &Value) {
    match part {
        Value::Object(fields) => {
            if let Some(to) = fields.get("$ref") {
                let to = to.as_str().and_then(|to| to.strip_prefix('#')).expect("a local one");
                assert!(document.pointer(to).is_some(), "{to} is not there");
                assert_eq!(fields.len(), 1, "beside a reference nothing counts: {part}");
            }
            fields.values().for_each(|inner| references(document, inner));
        }
        Value::Array(all) => all.iter().for_each(|inner| references(document, inner)),
        _ => {}
    }
}

fn resolved<'a>(document: &'a Value, part: &'a Value) -> &'a Value {
    let to = part.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix('#'));
    to.map_or(part, |to| document.pointer(to).expect("it is there"))
}

/// What OpenAPI 3.1 asks of a document, as far as ours has it. Gives the operations by their ids.
fn checked(document: &Value) -> BTreeSet<String> {
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    references(document, document);
    let schemes = document["components"]["securitySchemes"].as_object().expect("schemes");
    for wanted in document["security"].as_array().expect("a list") {
        assert!(wanted.as_object().expect("names").keys().all(|name| schemes.contains_key(name)));
    }
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        assert!(path.starts_with('/'), "{path}");
        for (method, operation) in item.as_object().expect("methods") {
            assert!(["get", "post"].contains(&method.as_str()), "{method}");
            let id = operation["operationId"].as_str().expect("an id").to_owned();
            assert!(ids.insert(id), "{operation}");
            let none = Vec::new();
            let parameters = operation["parameters"].as_array().unwrap_or(&none);
            let parameters: Vec<_> = parameters.iter().map(|one| resolved(document, one)).collect();
            for parameter in &parameters {
                assert!(parameter["schema"].is_object() && parameter["name"].is_string());
                let at = parameter["in"].as_str().expect("where");
                assert!(at == "header" || (at == "path" && parameter["required"] == true));
            }
            let named = parameters.iter().any(|one| one["in"] == "path" && one["name"] == "id");
            assert_eq!(named, path.contains("{id}"), "{path}");
            let responses = operation["responses"].as_object().expect("responses");
            assert!(!responses.is_empty());
            for (status, response) in responses {
                let digits = status.parse::<u16>().is_ok_and(|code| (100..600).contains(&code));
                assert!(digits || status == "default", "{status}");
                assert!(resolved(document, response)["description"].is_string());
            }
        }
    }
    ids
}

#[test]
fn the_document_has_each_deployed_service_with_its_interface() {
    let mut stand = Stand::new();
    let (engine, _) = stand.engine(|_| {});
    let deployed = |name: &str, effects, order| Deployed {
        name: name.to_owned(),
        summary: "Counts.".to_owned(),
        body: json!({ "type": "object", "properties": { "by": { "type": "integer" } } }),
        reply: json!({ "type": "object", "required": ["count"] }),
        effects,
        order,
    };
    let services = vec![
        deployed("counter", Effects::Store, Order::None),
        deployed("a b/c", Effects::Outside, Order::Told),
    ];
    let settings = tsugi_service_engine::Settings::alone(Default::default());
    let door = door_with(|_| {});
    let mut caller = Caller::new(door.address());
    let empty = caller.ask(get("/openapi.json"));
    assert_eq!((empty.status, empty.header("content-type")), (200, Some("application/json")));
    let own = ["tsugi.confirm", "tsugi.fetch", "tsugi.ready"].map(str::to_owned);
    assert_eq!(checked(&empty.json()), BTreeSet::from(own.clone()));
    door.sign().open(Open::new(engine.calls(), &settings, services));
    let document = caller.ask(get("/openapi.json")).json();
    let all = own.into_iter().chain(["counter", "a b/c"].map(str::to_owned));
    assert_eq!(checked(&document), all.collect());
    let counter = &document["paths"]["/call/counter"]["post"];
    let body = &counter["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(body["properties"]["by"]["type"], "integer");
    let reply = &counter["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(reply["required"][0], "count");
    assert_eq!(counter["x-tsugi-effects"], "store");
    assert_eq!(document["paths"]["/call/a%20b%2Fc"]["post"]["x-tsugi-effects"], "outside");
    let many = |path: &str| document["paths"][path]["post"]["parameters"].as_array().map(Vec::len);
    assert_eq!(many("/call/a%20b%2Fc"), many("/call/counter").map(|many| many + 1));
}

#[test]
fn a_problem_is_as_the_document_says_and_in_the_callers_language() {
    let door = door_with(|_| {});
    let mut caller = Caller::new(door.address());
    let document = caller.ask(get("/openapi.json")).json();
    let schema = &document["components"]["schemas"]["problem"];
    let japanese = keyed("a", "1").replace("Host: a", "Host: a\r\nAccept-Language: ja, en;q=0.5");
    let problems = [caller.ask(keyed("a", "1")).json(), caller.ask(japanese).json()];
    for problem in &problems {
        let required = schema["required"].as_array().expect("a list");
        for name in required {
            let name = name.as_str().expect("a name");
            let kind = &schema["properties"][name];
            assert_eq!(problem[name].is_u64(), kind["type"] == "integer", "{name}");
            let words = kind["enum"].as_array();
            assert!(words.is_none_or(|words| words.contains(&problem[name])), "{problem}");
        }
        assert_eq!(problem.as_object().map(serde_json::Map::len), Some(required.len()));
    }
    assert_eq!(problems[0]["id"], problems[1]["id"]);
    assert_ne!(problems[0]["detail"], problems[1]["detail"]);
}
