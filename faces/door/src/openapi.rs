//! The interfaces of the deployed services as OpenAPI 3.1.

use serde_json::{Map, Value, json};
use tsugi_service_rules::ground::Effects;

use crate::sign::{Deployed, Order};

/// The document of these services.
pub(crate) fn document(services: &[Deployed]) -> Vec<u8> {
    let mut paths = Map::new();
    for service in services {
        paths.insert(format!("/call/{}", escaped(&service.name)), json!({ "post": call(service) }));
    }
    paths.insert("/call/{id}".to_owned(), json!({ "get": fetch() }));
    paths.insert("/call/{id}/confirm".to_owned(), json!({ "post": confirm() }));
    paths.insert("/ready".to_owned(), json!({ "get": ready() }));
    let document = json!({
        "openapi": "3.1.0",
        "info": { "title": "tsugi", "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "components": components(),
        "security": [{ "certificate": [] }, { "token": [] }, {}],
    });
    document.to_string().into_bytes()
}

/// A name as a part of a path.
fn escaped(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let one = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    name.bytes().map(one).collect()
}

fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

/// What every answer of a call may be, beside the reply itself.
fn responses(good: (&str, Value)) -> Value {
    let mut all = Map::new();
    all.insert(good.0.to_owned(), good.1);
    all.insert("202".to_owned(), reference("responses", "pending"));
    all.insert("default".to_owned(), reference("responses", "refused"));
    Value::Object(all)
}

fn call(service: &Deployed) -> Value {
    let mut parameters = vec!["key", "client", "call", "lowest", "patience"];
    if service.order == Order::Told {
        parameters.push("order");
    }
    let parameters: Vec<_> =
        parameters.into_iter().map(|name| reference("parameters", name)).collect();
    let reply = json!({
        "description": "reply",
        "headers": {
            "Tsugi-Node": { "schema": { "type": "string" } },
            "Tsugi-Epoch": { "schema": { "type": "integer" } },
            "Tsugi-Final": { "schema": { "enum": ["refused"] } },
        },
        "content": { "application/json": { "schema": service.reply } },
    });
    let ended = json!({
        "description": "abnormal-end",
        "headers": { "Tsugi-Final": { "schema": { "enum": ["abnormal-end", "time-limit"] } } },
        "content": { "application/json": {} },
    });
    let mut answers = responses(("200", reply));
    answers["500"] = ended;
    json!({
        "operationId": service.name,
        "summary": service.summary,
        "x-tsugi-effects": acts(service.effects),
        "parameters": parameters,
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": service.body } },
        },
        "responses": answers,
    })
}

/// Where a service acts: a call of what acts outside may have an outcome that nobody knows, and one
/// that only reads is answered anew each time.
const fn acts(effects: Effects) -> &'static str {
    match effects {
        Effects::Store => "store",
        Effects::Outside => "outside",
        Effects::None => "reads",
    }
}

fn fetch() -> Value {
    let reply = json!({ "description": "reply", "content": { "*/*": {} } });
    json!({
        "operationId": "tsugi.fetch",
        "parameters": [reference("parameters", "id")],
        "responses": responses(("200", reply)),
    })
}

fn confirm() -> Value {
    json!({
        "operationId": "tsugi.confirm",
        "parameters": [reference("parameters", "id")],
        "responses": responses(("204", json!({ "description": "confirmed" }))),
    })
}

fn ready() -> Value {
    json!({
        "operationId": "tsugi.ready",
        "security": [],
        "responses": {
            "200": { "description": "ready" },
            "503": reference("responses", "refused"),
        },
    })
}

fn header(name: &str, schema: Value) -> Value {
    json!({ "name": name, "in": "header", "required": false, "schema": schema })
}

fn components() -> Value {
    let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    let number = || json!({ "type": "integer", "minimum": 1 });
    let problem = json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "id", "retry"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "id": { "type": "string", "pattern": "^TSUG[0-9]{5}-[EWI]$" },
            "retry": { "enum": ["same-id", "elsewhere", "never"] },
        },
    });
    let told = |description: &str| {
        let schema = reference("schemas", "problem");
        json!({
            "description": description,
            "headers": { "Retry-After": { "schema": { "type": "integer" } } },
            "content": { "application/problem+json": { "schema": schema } },
        })
    };
    json!({
        "parameters": {
            "id": { "name": "id", "in": "path", "required": true, "schema": text(
                "^(key:[!-~]{1,255}|[A-Za-z0-9._-]{1,64}:[0-9]+[.][0-9]+)$") },
            "key": header("Idempotency-Key", text("^[!-~]{1,255}$")),
            "client": header("Tsugi-Client", text("^[A-Za-z0-9._-]{1,64}$")),
            "call": header("Tsugi-Call", text("^[0-9]+[.][0-9]+$")),
            "lowest": header("Tsugi-Lowest", number()),
            "patience": header("Tsugi-Patience", json!({ "type": "integer", "minimum": 0 })),
            "order": header("Tsugi-Order", text("^[!-~]{1,255}$")),
        },
        "responses": { "pending": told("pending"), "refused": told("refused") },
        "schemas": { "problem": problem },
        "securitySchemes": {
            "certificate": { "type": "mutualTLS" },
            "token": { "type": "http", "scheme": "bearer" },
        },
    })
}
