//! gRPC, as a client meets it that knows the `.proto` and nothing else of ours.

use std::time::Duration;

use prost_reflect::prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, MessageDescriptor, ReflectMessage as _, Value,
};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tsugi_door::Door;

use crate::support::{Caller, Stand, door_with, keyed};

/// What the `.proto` says.
fn pool() -> DescriptorPool {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
    let files = protox::compile(["calls.proto"], [folder]).expect("it is understood");
    DescriptorPool::from_file_descriptor_set(files).expect("it is whole")
}

/// Messages as the `.proto` has them.
#[derive(Clone)]
struct Dynamic(MessageDescriptor);

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        self.clone()
    }

    fn decoder(&mut self) -> Self {
        self.clone()
    }
}

impl Encoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, item: DynamicMessage, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(to).map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let message = DynamicMessage::decode(self.0.clone(), from);
        message.map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

struct Client {
    grpc: Grpc<Channel>,
    pool: DescriptorPool,
}

impl Client {
    async fn new(door: &Door) -> Self {
        Self::of(Self::at(door)).await
    }

    /// One that is sent less than a long reply before it reads.
    async fn narrow(door: &Door) -> Self {
        Self::of(Self::at(door).initial_stream_window_size(1 << 10)).await
    }

    fn at(door: &Door) -> Endpoint {
        Channel::from_shared(format!("http://{}", door.address())).expect("an address")
    }

    async fn of(endpoint: Endpoint) -> Self {
        let channel = endpoint.connect().await;
        Self { grpc: Grpc::new(channel.expect("it is let in")), pool: pool() }
    }

    fn message(&self, name: &str) -> DynamicMessage {
        let name = format!("tsugi.{name}");
        DynamicMessage::new(self.pool.get_message_by_name(&name).expect("it is there"))
    }

    fn key(&self, key: &str) -> DynamicMessage {
        let mut id = self.message("CallId");
        id.set_field_by_name("key", Value::String(key.to_owned()));
        id
    }

    fn counted(&self, client: &str, serial: u64) -> DynamicMessage {
        let mut counted = self.message("Counted");
        counted.set_field_by_name("client", Value::String(client.to_owned()));
        counted.set_field_by_name("incarnation", Value::U64(1));
        counted.set_field_by_name("serial", Value::U64(serial));
        let mut id = self.message("CallId");
        id.set_field_by_name("counted", Value::Message(counted));
        id
    }

    fn request(&self, id: DynamicMessage, body: &str) -> DynamicMessage {
        let mut request = self.message("CallRequest");
        if id.has_field_by_name("counted") {
            request.set_field_by_name("lowest", Value::U64(1));
        }
        request.set_field_by_name("service", Value::String("counter".to_owned()));
        request.set_field_by_name("id", Value::Message(id));
        request.set_field_by_name("body", Value::Bytes(body.as_bytes().to_vec().into()));
        request.set_field_by_name("patience", Value::U64(20_000));
        request
    }

    async fn unary(
        &mut self,
        rpc: &str,
        message: DynamicMessage,
    ) -> Result<DynamicMessage, Status> {
        self.grpc.ready().await.expect("it is there");
        let path = format!("/tsugi.Calls/{rpc}").parse().expect("a path");
        let reply = if rpc == "Confirm" { "Confirmed" } else { "CallReply" };
        let codec = Dynamic(self.message(reply).descriptor());
        let reply = self.grpc.unary(Request::new(message), path, codec).await;
        reply.map(tonic::Response::into_inner)
    }

    async fn stream(
        &mut self,
        said: impl futures_util::Stream<Item = DynamicMessage> + Send + 'static,
    ) -> tonic::Streaming<DynamicMessage> {
        self.grpc.ready().await.expect("it is there");
        let path = "/tsugi.Calls/Stream".parse().expect("a path");
        let codec = Dynamic(self.message("CallReply").descriptor());
        let came = self.grpc.streaming(Request::new(said), path, codec).await;
        came.expect("it is let in").into_inner()
    }
}

fn field(message: &DynamicMessage, path: &str) -> Value {
    let mut value = Value::Message(message.clone());
    for name in path.split('.') {
        let Value::Message(inner) = value else { panic!("{path} of {message:?}") };
        value = inner.get_field_by_name(name).expect("it is there").into_owned();
    }
    value
}

fn body(reply: &DynamicMessage) -> String {
    let Value::Bytes(body) = field(reply, "reply.body") else { panic!("{reply:?}") };
    String::from_utf8_lossy(&body).into_owned()
}

fn run(test: impl Future<Output = ()>) {
    // What is said goes out while the test waits for something else.
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build();
    let limited = async { tokio::time::timeout(Duration::from_secs(30), test).await };
    runtime.expect("it starts").block_on(limited).expect("it comes to its end");
}

#[test]
fn a_call_by_grpc_is_the_same_call_as_by_http() {
    let mut stand = Stand::new();
    let (_engine, door) = stand.door();
    let by_http = Caller::new(door.address()).ask(keyed("a", "1"));
    run(async {
        let mut client = Client::new(&door).await;
        let request = client.request(client.key("a"), "1");
        let reply = client.unary("Call", request).await.expect("a reply");
        assert_eq!(body(&reply), by_http.text());
        assert_eq!(field(&reply, "reply.node"), Value::String("alpha".to_owned()));
        assert_eq!(field(&reply, "reply.epoch"), Value::U64(11));
        assert_eq!(field(&reply, "reply.status"), Value::U32(200));
        assert_eq!(field(&reply, "id.key"), Value::String("a".to_owned()));
        let counted = client.request(client.counted("till", 1), "2");
        let first = client.unary("Call", counted.clone()).await.expect("a reply");
        let again = client.unary("Call", counted).await.expect("a reply");
        assert_eq!(body(&first), body(&again));
        let fetched = client.unary("Fetch", client.counted("till", 1)).await.expect("a reply");
        assert_eq!(body(&fetched), body(&first));
        client.unary("Confirm", client.counted("till", 1)).await.expect("it is confirmed");
        assert!(client.unary("Fetch", client.counted("till", 1)).await.is_err());
        let ended = client.request(client.key("b"), "\"panic\"");
        let ended = client.unary("Call", ended).await.expect("a final reply");
        assert_eq!(field(&ended, "reply.final"), Value::String("abnormal-end".to_owned()));
        assert_eq!(field(&ended, "reply.status"), Value::U32(500));
    });
    assert_eq!((stand.runs(), stand.value()), (3, 2));
}

#[test]
fn what_is_told_instead_of_a_reply_is_a_status_with_its_message() {
    let mut stand = Stand::new();
    let (_engine, door) = stand.door();
    run(async {
        let mut client = Client::new(&door).await;
        let mut refused = async |rpc: &'static str, message: DynamicMessage| {
            let status = client.unary(rpc, message).await.expect_err("it is refused");
            let text = |name: &str| {
                status.metadata().get(name).map(|value| value.to_str().unwrap().to_owned())
            };
            (status.code(), text("tsugi-message").expect("a message"), text("tsugi-retry").unwrap())
        };
        let told = |code, id: &str, retry: &str| (code, id.to_owned(), retry.to_owned());
        let words = Client { grpc: Client::new(&door).await.grpc, pool: pool() };
        let never = |code, id| told(code, id, "never");
        let nothing = words.request(words.message("CallId"), "1");
        assert_eq!(refused("Call", nothing).await, never(Code::InvalidArgument, "TSUG20101-E"));
        let name = words.request(words.counted("a b", 1), "1");
        assert_eq!(refused("Call", name).await, never(Code::InvalidArgument, "TSUG20103-E"));
        let mut other = words.request(words.key("a"), "1");
        other.set_field_by_name("service", Value::String("other".to_owned()));
        assert_eq!(refused("Call", other).await, never(Code::NotFound, "TSUG20108-E"));
        assert_eq!(refused("Fetch", words.key("z")).await, never(Code::NotFound, "TSUG20109-E"));
        let mut long = words.request(words.key("a"), "1");
        long.set_field_by_name("service", Value::String("値".repeat(100_000)));
        assert_eq!(refused("Call", long).await, never(Code::NotFound, "TSUG20108-E"));
        let large = words.request(words.key("a"), &"x".repeat(2 << 20));
        assert_eq!(refused("Call", large).await, never(Code::ResourceExhausted, "TSUG20110-E"));
        assert_eq!(refused("Nothing", words.key("z")).await.0, Code::Unimplemented);
        door.sign().close();
    });
    let closed = door_with(|_| {});
    run(async {
        let mut client = Client::new(&closed).await;
        let request = client.request(client.key("a"), "1");
        let status = client.unary("Call", request).await.expect_err("nothing is open");
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(status.metadata().get("tsugi-retry").unwrap(), "elsewhere");
        assert!(status.message().contains("alpha"), "{status:?}");
        // Whatever it is that nothing can take here.
        let large = client.request(client.key("a"), &"x".repeat(100_000));
        let status = client.unary("Call", large.clone()).await.expect_err("nothing is open");
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert_eq!(status.metadata().get("tsugi-retry").unwrap(), "elsewhere");
        let mut came = client.stream(futures_util::stream::iter([large])).await;
        let status = came.message().await.expect_err("nothing is open");
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert_eq!(status.metadata().get("tsugi-retry").unwrap(), "elsewhere");
    });
    assert_eq!(stand.runs(), 0);
}

#[test]
fn a_stream_carries_many_calls_and_answers_as_they_are_ready() {
    let mut stand = Stand::new();
    let (_engine, door) = stand.door();
    stand.program.gate.shut();
    run(async {
        let mut client = Client::new(&door).await;
        let mut all = vec![client.request(client.key("held"), "\"hold\"")];
        all.extend((1..=300).map(|n| client.request(client.counted("till", n), "1")));
        all.push(client.request(client.message("CallId"), "1"));
        let mut came = client.stream(futures_util::stream::iter(all)).await;
        let (mut counted, mut problems) = (Vec::new(), 0);
        for _ in 0..301 {
            let reply = came.message().await.expect("it goes on").expect("an answer");
            if reply.has_field_by_name("problem") {
                problems += 1;
                let id = field(&reply, "problem.message");
                assert_eq!(id, Value::String("TSUG20101-E".to_owned()));
            } else {
                let Value::U64(serial) = field(&reply, "id.counted.serial") else { panic!() };
                counted.push(serial);
            }
        }
        counted.sort_unstable();
        assert_eq!((counted, problems), ((1..=300).collect::<Vec<_>>(), 1));
        stand.program.gate.open();
        let last = came.message().await.expect("it goes on").expect("an answer");
        assert_eq!(field(&last, "id.key"), Value::String("held".to_owned()));
        assert!(came.message().await.expect("a good end").is_none());
    });
    assert_eq!(stand.value(), 301);
}

#[test]
fn a_stream_that_is_cut_loses_nothing() {
    let mut stand = Stand::new();
    let (_engine, door) = stand.door();
    stand.program.gate.shut();
    run(async {
        let mut client = Client::new(&door).await;
        let requests = (1..=2).map(|n| client.request(client.counted("till", n), "\"hold\""));
        let requests: Vec<_> = requests.collect();
        let never = futures_util::stream::pending();
        let said = futures_util::StreamExt::chain(futures_util::stream::iter(requests), never);
        let _came = client.stream(said).await;
        // The engine carries out one after the other.
        stand.program.gate.reached(1);
    });
    // With its runtime the client is gone.
    while door.connections() > 0 {
        std::thread::yield_now();
    }
    stand.program.gate.open();
    run(async {
        let mut client = Client::new(&door).await;
        for serial in 1..=2 {
            let request = client.request(client.counted("till", serial), "\"hold\"");
            client.unary("Call", request).await.expect("a reply");
        }
    });
    assert_eq!((stand.runs(), stand.value()), (2, 2));
}

#[test]
fn of_a_stream_that_nobody_reads_no_more_is_held_than_a_connection_may_have() {
    let mut stand = Stand::new();
    let (_engine, door) = stand.door_with(|settings| settings.limits.unsent = 350_000);
    let many = 40;
    run(async {
        let mut client = Client::narrow(&door).await;
        let long = |n: u64| client.request(client.counted("till", n), "\"long\"");
        let all: Vec<_> = (1..=many).map(long).collect();
        let mut came = client.stream(futures_util::stream::iter(all.clone())).await;
        while stand.value() < 40 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // By another connection: whoever was carried out before it has been told.
        let last = Client::new(&door).await.unary("Call", all[39].clone()).await;
        assert!(body(&last.expect("a reply")).len() > 100_000);
        let mut pending = Vec::new();
        for _ in 0..many {
            let reply = came.message().await.expect("it goes on").expect("an answer");
            if reply.has_field_by_name("problem") {
                assert_eq!(field(&reply, "problem.retry"), Value::String("same-id".to_owned()));
                let Value::U64(serial) = field(&reply, "id.counted.serial") else { panic!() };
                pending.push(serial);
            }
        }
        assert!(came.message().await.expect("a good end").is_none());
        // Three have room, and what is on its way to the caller.
        assert!((20..=37).contains(&pending.len()), "{pending:?}");
        for serial in pending {
            let reply = client.unary("Fetch", client.counted("till", serial)).await;
            assert!(body(&reply.expect("it is kept")).len() > 100_000);
        }
    });
    assert_eq!(stand.value(), 40);
}

#[test]
fn who_does_not_read_his_stream_is_cut() {
    let mut stand = Stand::new();
    let idle = Duration::from_millis(300);
    let (_engine, door) = stand.door_with(|settings| settings.limits.idle = idle);
    run(async {
        let mut client = Client::narrow(&door).await;
        let long = (1..=3).map(|n| client.request(client.counted("till", n), "\"long\""));
        let long: Vec<_> = long.collect();
        let said = futures_util::stream::iter(long);
        let said = futures_util::StreamExt::chain(said, futures_util::stream::pending());
        let mut came = client.stream(said).await;
        while door.connections() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(came.message().await.is_err(), "it was cut");
    });
    assert_eq!(stand.value(), 3);
}
