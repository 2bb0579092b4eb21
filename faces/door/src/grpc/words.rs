//! The messages of `proto/calls.proto`; a test holds each of them to it.

/// What one call is known by.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct CallId {
    #[prost(oneof = "Id", tags = "1, 2")]
    pub(crate) id: Option<Id>,
}

/// One of its two kinds.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub(crate) enum Id {
    #[prost(string, tag = "1")]
    Key(String),
    #[prost(message, tag = "2")]
    Counted(Counted),
}

/// One of the counted calls of a client.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Counted {
    #[prost(string, tag = "1")]
    pub(crate) client: String,
    #[prost(uint64, tag = "2")]
    pub(crate) incarnation: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) serial: u64,
}

/// A call.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct CallRequest {
    #[prost(string, tag = "1")]
    pub(crate) service: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) id: Option<CallId>,
    #[prost(uint64, tag = "3")]
    pub(crate) lowest: u64,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) body: Vec<u8>,
    #[prost(uint64, optional, tag = "5")]
    pub(crate) patience: Option<u64>,
    #[prost(string, optional, tag = "6")]
    pub(crate) order: Option<String>,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct CallReply {
    #[prost(message, optional, tag = "1")]
    pub(crate) id: Option<CallId>,
    #[prost(oneof = "Came", tags = "2, 3")]
    pub(crate) outcome: Option<Came>,
}

/// A reply, or what is told instead.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub(crate) enum Came {
    #[prost(message, tag = "2")]
    Reply(Reply),
    #[prost(message, tag = "3")]
    Problem(Problem),
}

/// What a call was answered.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Reply {
    #[prost(uint32, tag = "1")]
    pub(crate) status: u32,
    #[prost(string, tag = "2")]
    pub(crate) content_type: String,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) body: Vec<u8>,
    #[prost(string, tag = "4")]
    pub(crate) node: String,
    #[prost(uint64, tag = "5")]
    pub(crate) epoch: u64,
    #[prost(string, tag = "6")]
    pub(crate) r#final: String,
}

/// What is told instead of a reply.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Problem {
    #[prost(string, tag = "1")]
    pub(crate) word: String,
    #[prost(uint32, tag = "2")]
    pub(crate) status: u32,
    #[prost(string, tag = "3")]
    pub(crate) detail: String,
    #[prost(string, tag = "4")]
    pub(crate) message: String,
    #[prost(string, tag = "5")]
    pub(crate) retry: String,
    #[prost(uint32, tag = "6")]
    pub(crate) retry_after: u32,
}

/// It is confirmed.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Confirmed {}
