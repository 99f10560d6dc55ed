//! The spans of one call.
//!
//! A batch serves many callers, each with a trace of its own, so the steps are timed once and then drawn
//! into every traced call: parse, lane wait, load, decide, write, commit.

use std::time::{Duration, Instant, SystemTime};

use opentelemetry::{
    Context,
    trace::{Span as _, Tracer as _},
};
use tonic::Request;

use super::tracer;
use crate::lane::Reply;

/// A pair of readings of the two clocks, to date what was timed.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    wall: SystemTime,
    steady: Instant,
}

impl Anchor {
    #[allow(
        clippy::disallowed_methods,
        reason = "spans are dated by the real clock, and only they"
    )]
    fn now() -> Self {
        Self { wall: SystemTime::now(), steady: Instant::now() }
    }

    fn date(self, at: Instant) -> SystemTime {
        match self.steady.checked_duration_since(at) {
            Some(before) => self.wall - before,
            None => self.wall + at.duration_since(self.steady),
        }
    }
}

/// The trace of a call; draws nothing if traces are not exported.
#[derive(Debug, Clone)]
pub struct CallTrace(Option<(Context, Anchor)>);

impl CallTrace {
    /// The trace that the telemetry layer has put into a request.
    pub fn of<T>(request: &Request<T>) -> Self {
        Self(request.extensions().get::<Context>().map(|context| (context.clone(), Anchor::now())))
    }

    /// Draws a step.
    pub fn span(&self, name: &'static str, from: Instant, to: Instant) {
        if let (Some((context, anchor)), Some(tracer)) = (&self.0, tracer()) {
            let mut span = tracer
                .span_builder(name)
                .with_start_time(anchor.date(from))
                .start_with_context(tracer, context);
            span.end_with_timestamp(anchor.date(to));
        }
    }

    /// Draws the steps in the lane, into which the request was handed at `handed_over`.
    pub fn lane(&self, handed_over: Instant, reply: &Reply) {
        if self.0.is_none() {
            return;
        }
        self.span("lane wait", handed_over, reply.taken);
        let Some(timings) = reply.timings else { return };
        let steps = [
            ("load", Duration::ZERO, timings.load),
            ("decide", timings.load, timings.decide),
            ("write", timings.decide, timings.write),
            ("commit", timings.write, timings.commit),
        ];
        for (name, from, to) in steps {
            self.span(name, timings.started + from, timings.started + to);
        }
    }
}
