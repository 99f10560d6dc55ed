//! What telemetry sees of a call of Purse's own services: its span, its duration, and a reason for errors that the
//! framework makes.

use std::{sync::Arc, time::Instant};

use http::{HeaderMap, Request, Response};
use opentelemetry::{
    Context, KeyValue, global,
    propagation::Extractor,
    trace::{SpanKind, Status as SpanStatus, TraceContextExt as _, Tracer as _},
};
use tonic::{Code, Status, body::Body};

use super::{Metrics, metrics::code_name, tracer};
use crate::status;

/// A call that is seen from its begin to its answer.
#[derive(Debug)]
pub struct SeenCall {
    method: String,
    span: Option<Context>,
    began: Instant,
    metrics: Arc<Metrics>,
}

impl SeenCall {
    /// Sees a call begin; `None`: it is not of Purse's own services. Its handler finds the span in the request.
    pub fn begin(request: &mut Request<Body>, metrics: &Arc<Metrics>) -> Option<Self> {
        let method = own_method(request.uri().path())?.to_owned();
        let span = start_span(&method, request.headers());
        if let Some(span) = &span {
            request.extensions_mut().insert(span.clone());
        }
        Some(Self { method, span, began: Instant::now(), metrics: Arc::clone(metrics) })
    }

    /// Sees its answer, and dresses it.
    pub fn answer(self, answer: Response<Body>) -> Response<Body> {
        let answer = dress(answer);
        let code = code_of(answer.headers());
        self.metrics.call(&self.method, code, self.began.elapsed());
        if let Some(span) = &self.span {
            end_span(span, code);
        }
        answer
    }
}

/// `purse.v1.WalletService/Spend` of `/purse.v1.WalletService/Spend`.
fn own_method(path: &str) -> Option<&str> {
    path.strip_prefix('/').filter(|method| method.starts_with("purse."))
}

/// Errors come with their code in the headers; whatever has a body to come has succeeded so far.
fn code_of(headers: &HeaderMap) -> Code {
    headers.get("grpc-status").map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()))
}

/// Gives an error that the framework made, which carries no details, a reason.
fn dress(answer: Response<Body>) -> Response<Body> {
    let headers = answer.headers();
    let code = code_of(headers);
    if code == Code::Ok || headers.contains_key("grpc-status-details-bin") {
        return answer;
    }
    let message = Status::from_header_map(headers).map(|status| status.message().to_owned());
    match status::dressed(code, message.as_deref().unwrap_or_default()) {
        Some(dressed) => dressed.into_http(),
        None => answer,
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

fn start_span(method: &str, headers: &HeaderMap) -> Option<Context> {
    let tracer = tracer()?;
    let parent =
        global::get_text_map_propagator(|propagator| propagator.extract(&Headers(headers)));
    let span = tracer
        .span_builder(method.to_owned())
        .with_kind(SpanKind::Server)
        .with_attributes([
            KeyValue::new("rpc.system.name", "grpc"),
            KeyValue::new("rpc.method", method.to_owned()),
        ])
        .start_with_context(tracer, &parent);
    Some(parent.with_span(span))
}

fn end_span(context: &Context, code: Code) {
    let span = context.span();
    span.set_attribute(KeyValue::new("rpc.response.status_code", code_name(code)));
    let is_our_fault = matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    );
    if is_our_fault {
        span.set_status(SpanStatus::error(code_name(code)));
    }
    span.end();
}
