//! Frames that outlive the buffer that they were read in.

use std::borrow::Cow;

use tsugi_frames::{Bytes, Call, File, Service, Value, Welcome};

/// A call that waits for its turn.
pub fn call(call: Call<'_>) -> Call<'static> {
    Call {
        id: text(call.id),
        parent: text(call.parent),
        client: text(call.client),
        parameters: call.parameters.into_iter().map(bytes).collect(),
        service: call.service,
        epoch: call.epoch,
        attempt: call.attempt,
        left_ms: call.left_ms,
        catalogue: call.catalogue,
    }
}

/// What a worker knows as long as it lives.
pub fn welcome(welcome: Welcome<'_>) -> Welcome<'static> {
    Welcome {
        versions: welcome.versions,
        limits: welcome.limits,
        group: text(welcome.group),
        node: text(welcome.node),
        code_page: text(welcome.code_page),
        time_zone: text(welcome.time_zone),
        services: welcome.services.into_iter().map(service).collect(),
        files: welcome.files.into_iter().map(file).collect(),
    }
}

fn service(service: Service<'_>) -> Service<'static> {
    Service {
        name: text(service.name),
        module: text(service.module),
        entry: text(service.entry),
        index: service.index,
        parameters: service.parameters,
        layout: service.layout,
    }
}

fn file(file: File<'_>) -> File<'static> {
    File {
        name: text(file.name),
        index: file.index,
        organization: file.organization,
        shortest: file.shortest,
        longest: file.longest,
        keys: file.keys,
    }
}

/// A value of a row that is looked at later.
pub fn value(value: &Value<'_>) -> Value<'static> {
    match value {
        Value::Null => Value::Null,
        Value::Integer(number) => Value::Integer(*number),
        Value::Real(number) => Value::Real(*number),
        Value::Text(text) => Value::Text(Cow::Owned(text.to_string())),
        Value::Bytes(bytes) => Value::Bytes(Cow::Owned(bytes.to_vec())),
        Value::Decimal(digits) => Value::Decimal(Cow::Owned(digits.to_string())),
    }
}

fn bytes(bytes: Bytes<'_>) -> Bytes<'static> {
    bytes.0.into_owned().into()
}

fn text(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

/// As much of a text as has `most` bytes, cut between characters.
pub fn cut(text: &str, most: u32) -> &str {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    &text[..text.floor_char_boundary(most)]
}
